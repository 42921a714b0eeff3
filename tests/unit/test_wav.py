"""Headers as a killed Asterisk, a full disk and a stranger leave them."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.wav import NotAWave, duration, inspect, read_samples, repair

SECOND = 16000


def header(riff: int, data: int, rate: int = 8000, channels: int = 1, bits: int = 16) -> bytes:
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", 1, channels, rate, rate * block, block, bits)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt \x10\0\0\0"
        + fmt
        + (b"data" + struct.pack("<I", data))
    )


def readable(path: Path) -> float:
    with wave.open(str(path)) as file:
        return float(file.getnframes() / file.getframerate())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return tmp_path / "clip.wav"


def test_a_good_file_is_left_alone(clip: Path) -> None:
    clip.write_bytes(header(36 + SECOND, SECOND) + bytes(SECOND))
    before = clip.read_bytes()
    found = repair(clip)
    assert (found.seconds, found.repaired, found.rate) == (1.0, False, 8000)
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("riff", "data"),
    [(0, 0), (36, 0), (36 + SECOND, 0), (36 + 2 * SECOND, 2 * SECOND), (36 + 20, 20), (0, SECOND)],
)
def test_wrong_sizes_are_set_from_the_length(clip: Path, riff: int, data: int) -> None:
    clip.write_bytes(header(riff, data) + bytes(SECOND))
    assert duration(clip) == 1.0
    assert repair(clip).repaired
    assert readable(clip) == 1.0
    assert not repair(clip).repaired


def test_half_a_sample_at_the_end_is_cut_off(clip: Path) -> None:
    clip.write_bytes(header(0, 0) + bytes(SECOND + 1))
    assert repair(clip).seconds == 1.0
    assert readable(clip) == 1.0
    assert not repair(clip).repaired


def test_a_chunk_after_the_data_is_no_sound(clip: Path) -> None:
    tail = b"LIST\x04\0\0\0INFO"
    clip.write_bytes(header(36 + SECOND + len(tail), SECOND) + bytes(SECOND) + tail)
    assert repair(clip).seconds == 1.0
    assert not repair(clip).repaired


def test_a_chunk_before_the_data_is_skipped(clip: Path) -> None:
    whole = header(36 + SECOND, SECOND)
    clip.write_bytes(whole[:36] + b"odd \x03\0\0\0abc\0" + whole[36:] + bytes(SECOND))
    assert repair(clip).seconds == 1.0
    assert readable(clip) == 1.0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty file"),
        (b"RIFF", "no RIFF/WAVE"),
        (b"ID3\x04" + bytes(100), "no RIFF/WAVE"),
        (b"RIFF\0\0\0\0WAVE", "no data chunk"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "no format chunk"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd", "cut short"),
        (header(36, 0, channels=2), "not 16 bit mono"),
        (header(36, 0, bits=8), "not 16 bit mono"),
        (header(36, 0, rate=0), "sampling rate 0"),
        (b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 50, "too many chunks"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\xff", "no data chunk"),
    ],
)
def test_what_is_no_recording_is_named(clip: Path, content: bytes, why: str) -> None:
    clip.write_bytes(content)
    with pytest.raises(NotAWave, match=why):
        repair(clip)
    assert clip.read_bytes() == content


def test_a_header_alone_is_a_recording_of_nothing(clip: Path) -> None:
    clip.write_bytes(header(0, 0))
    assert repair(clip).seconds == 0
    assert read_samples(clip) == (b"", 8000)


@given(content=st.binary(max_size=200))
def test_no_content_at_all_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("wav") / "x.wav"
    for data in (content, header(0, 0)[:20] + content, header(0, 0) + content):
        path.write_bytes(data)
        try:
            assert inspect(path).seconds >= 0
        except NotAWave:
            continue
