"""The shape of a sound, for the eye: some hundred bytes, measured once and kept.

What is kept can be thrown away at any time: it is measured again. Nobody's words are in it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from callcenter.services import whole_file

BARS = 300
_CHUNK = 1 << 16  # samples
_QUIET = 0.02  # of full scale: the noise of a line stays small


def kept(folder: Path, sha256: str) -> bytes | None:
    """The peaks of the sound with this SHA-256, a byte per bar; None when not measured yet."""
    found = whole_file.get(_place(folder, sha256))
    return found if len(found) == BARS else None


def measure(folder: Path, sha256: str, sound: BinaryIO) -> bytes:
    """Measure and keep them; silence for what is no sound. A full disk keeps none."""
    peaks, place = _peaks(sound), _place(folder, sha256)
    with suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        whole_file.put(place, peaks)
    return peaks


def _place(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256


def _peaks(sound: BinaryIO) -> bytes:
    """The loudest sample of each bar, scaled to the loudest of all; a chunk at a time."""
    bars = np.zeros(BARS)
    with suppress(soundfile.LibsndfileError), soundfile.SoundFile(sound) as file:
        at, total = 0, max(1, file.frames)
        while len(samples := file.read(_CHUNK, dtype="float32", always_2d=True)):
            places = (at + np.arange(len(samples))) * BARS // total
            np.maximum.at(bars, np.minimum(places, BARS - 1), np.abs(samples).max(axis=1))
            at += len(samples)
    return bytes((np.minimum(bars / max(float(bars.max()), _QUIET), 1) * 255).astype(np.uint8))
