"""WAVE files as Asterisk leaves them: read, measured, and repaired after a kill.

Asterisk writes the sizes in the header only when it closes the file, so a killed one leaves
zeros, and a full disk leaves sizes larger than the file. The samples are there: the sizes are
set from the file's length. (RIFF: Microsoft *Multimedia Programming Interface*, 1991.)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEAD = 12
_CHUNK = 8
_MOST_CHUNKS = 32
_PCM, _EXTENSIBLE = 1, 0xFFFE


class NotAWave(ValueError):
    """The file is no 16 bit mono PCM WAVE file, and cannot be made one; the message says why."""


@dataclass(frozen=True)
class Wave:
    """A readable recording. `repaired`: its header had to be set right."""

    rate: int
    frames: int
    data_at: int
    repaired: bool = False

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate


def inspect(path: Path) -> Wave:
    """What a WAVE file holds, by its length where its header is wrong; changes nothing.

    Raises NotAWave, or OSError if it cannot be read.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if len(head) < _HEAD or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise NotAWave("empty file" if not head else "no RIFF/WAVE header")
        rate = 0
        for _ in range(_MOST_CHUNKS):
            chunk = file.read(_CHUNK)
            if len(chunk) < _CHUNK:
                raise NotAWave("no data chunk")
            name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
            if name == b"data":
                return _measured(rate, file.tell(), size, _riff_size(head), _Content(file, length))
            rate = _rate(file.read(min(size, 64))) if name == b"fmt " else rate
            file.seek(_HEAD + _skipped(file.tell(), name, size))
    raise NotAWave("too many chunks")


def _riff_size(head: bytes) -> int:
    return int.from_bytes(head[4:8], "little")


def _skipped(at: int, name: bytes, size: int) -> int:
    read = min(size, 64) if name == b"fmt " else 0
    return at - read + size + size % 2 - _HEAD


def _rate(fmt: bytes) -> int:
    if len(fmt) < 16:
        raise NotAWave("format chunk cut short")
    code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fmt[:16])
    if code not in (_PCM, _EXTENSIBLE) or channels != 1 or bits != 16:
        raise NotAWave(f"not 16 bit mono PCM (format {code}, {channels} channels, {bits} bits)")
    if not 8000 <= rate <= 48000:
        raise NotAWave(f"sampling rate {rate} Hz is not between 8000 and 48000")
    return int(rate)


def _measured(rate: int, data_at: int, size: int, riff: int, content: _Content) -> Wave:
    if not rate:
        raise NotAWave("no format chunk before the data")
    right = (
        size % 2 == 0
        and riff == content.length - _CHUNK
        and content.chunks_until_the_end(data_at + size)
    )
    usable = size if right else content.length - data_at
    return Wave(rate, usable // 2, data_at, repaired=not right)


@dataclass(frozen=True)
class _Content:
    file: BinaryIO
    length: int

    def chunks_until_the_end(self, at: int) -> bool:
        """Whether chunks with printable names, and nothing else, fill the file from `at` on."""
        for _ in range(_MOST_CHUNKS):
            if at >= self.length:
                return at == self.length
            self.file.seek(at)
            chunk = self.file.read(_CHUNK)
            if len(chunk) < _CHUNK or not all(32 <= byte < 127 for byte in chunk[:4]):
                return False
            size = int.from_bytes(chunk[4:], "little")
            at += _CHUNK + size + size % 2
        return False


def repair(path: Path) -> Wave:
    """Set the sizes in the header from the file's length where they are wrong.

    Doing it twice changes nothing the second time. Raises NotAWave as `inspect` does.
    """
    wave = inspect(path)
    if not wave.repaired:
        return wave
    size = wave.frames * 2
    with path.open("r+b") as file:
        file.truncate(wave.data_at + size)  # half a sample at the end is no sample
        file.seek(4)
        file.write(struct.pack("<I", wave.data_at + size - _CHUNK))
        file.seek(wave.data_at - 4)
        file.write(struct.pack("<I", size))
        file.flush()
        os.fsync(file.fileno())
    return wave


def duration(path: Path) -> float:
    """Seconds of a WAVE file, whether or not its header is right. Raises NotAWave."""
    return inspect(path).seconds


def pieces(path: Path, seconds: float) -> Iterator[tuple[bytes, int]]:
    """The samples as `read_samples` gives them, so many seconds at a time. Raises NotAWave."""
    wave = inspect(path)
    left, size = wave.frames * 2, int(seconds * wave.rate) * 2
    with path.open("rb") as file:
        file.seek(wave.data_at)
        while left > 0 and (data := file.read(min(size, left))):
            left -= len(data)
            yield data, wave.rate


def read_samples(path: Path) -> tuple[bytes, int]:
    """The samples (16 bit little-endian, mono) and their rate. Raises NotAWave."""
    wave = inspect(path)
    with path.open("rb") as file:
        file.seek(wave.data_at)
        return file.read(wave.frames * 2), wave.rate
