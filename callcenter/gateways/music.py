"""Music for those who wait: a few soft notes of our own, so that nobody's licence is needed.

Loops without a seam. Quieter than any prompt, and far from the beep's 1000 Hz.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

_RATE = 8000
_BAR_S = 2.0
_LEVEL = 0.05
#: Four bars of three notes each (hertz): C, A minor, F, G, an octave below where singers are.
_CHORDS = (
    (261.6, 329.6, 392.0),
    (220.0, 261.6, 329.6),
    (174.6, 220.0, 261.6),
    (196.0, 246.9, 293.7),
)


def write_music(path: Path) -> None:
    """Eight seconds, 8 kHz mono; an existing file is left alone: it may be somebody's own."""
    if path.exists():
        return
    draft = path.with_name(path.name + ".new")
    with wave.open(str(draft), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(b"".join(_bar(chord) for chord in _CHORDS))
    draft.replace(path)


def _bar(chord: tuple[float, ...]) -> bytes:
    """One note after another, each swelling and fading away within the bar."""
    at = np.arange(int(_BAR_S * _RATE)) / _RATE
    sound = np.zeros_like(at)
    for number, hertz in enumerate(chord):
        since = np.clip(at - 0.25 * number, 0, None)
        sound += np.sin(2 * np.pi * hertz * since) * np.sin(np.pi * at / _BAR_S) ** 2
    return (sound / len(chord) * _LEVEL * 2**15).astype("<i2").tobytes()
