"""How many seconds of a recording are speech: WebRTC's detector, then two gates of our own.

The detector alone takes line noise and tones for speech. A 20 ms frame counts only if it is
clearly above the recording's own noise floor, is no steady tone (dial, busy and DTMF tones sit
on one or two frequencies and stay there), and belongs to a burst of at least 120 ms: shorter
ones are clicks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import webrtcvad

from ivr.wav import read_samples

FRAME_S = 0.02
COMPLAINT_S = 0.5
"""The least speech, in seconds, that makes a recording a complaint."""

_AGGRESSIVE = 3  # of 0..3: a false silence costs a retry, a false complaint costs an operator
_FLOOR_DBFS = -50.0
_ABOVE_NOISE_DB = 6.0
_TONAL = 0.92
_STEADY_FRAMES = 4
_BURST_FRAMES = 6
_GAP_FRAMES = 6

Flags = npt.NDArray[np.bool_]
Frames = npt.NDArray[np.float64]


def speech_seconds(path: Path) -> float:
    """Seconds of speech in a 16 bit mono WAVE file of 8, 16, 32 or 48 kHz.

    Its header may be damaged. Raises NotAWave if it is no recording.
    """
    data, rate = read_samples(path)
    return speech_in(data, rate)


def speech_in(data: bytes, rate: int) -> float:
    """Seconds of speech in 16 bit little-endian mono samples."""
    size = int(rate * FRAME_S)
    count = len(data) // (2 * size)
    if not count or rate not in (8000, 16000, 32000, 48000):
        return 0.0
    frames = np.frombuffer(data, "<i2", count * size).reshape(count, size).astype(np.float64)
    flags = _voiced(data, rate, size, count) & _loud(frames) & ~_tones(frames)
    return round(int(_bursts(flags).sum()) * FRAME_S, 2)


def _voiced(data: bytes, rate: int, size: int, count: int) -> Flags:
    detector = webrtcvad.Vad(_AGGRESSIVE)
    step = 2 * size
    return np.array(
        [detector.is_speech(data[at : at + step], rate) for at in range(0, count * step, step)],
        dtype=np.bool_,
    )


def _loud(frames: Frames) -> Flags:
    """Frames above silence, and above the noise floor (the quietest tenth) where that is noise."""
    level = 10 * np.log10(np.maximum(np.square(frames / 32768).mean(axis=1), 1e-12))
    noise = float(np.percentile(level, 10))
    return np.asarray(level > max(_FLOOR_DBFS, noise + _ABOVE_NOISE_DB))


def _tones(frames: Frames) -> Flags:
    """Frames inside a run where one or two frequencies carry nearly everything and stay put."""
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1]), axis=1)))
    total = power.sum(axis=1) + 1e-9
    first = power.argmax(axis=1)
    rest = power.copy()
    share = _take_peak(rest, first)
    second = rest.argmax(axis=1)
    share += _take_peak(rest, second)
    low, high = np.minimum(first, second), np.maximum(first, second)
    steady = np.zeros(len(frames), dtype=np.bool_)
    steady[1:] = (np.abs(np.diff(low)) <= 1) | (np.abs(np.diff(high)) <= 1)
    return _runs((share / total > _TONAL) & steady, _STEADY_FRAMES)


def _take_peak(power: Frames, peaks: npt.NDArray[np.intp]) -> Frames:
    rows = np.arange(len(power))
    share = np.zeros(len(power))
    for offset in (-2, -1, 0, 1, 2):
        columns = np.clip(peaks + offset, 0, power.shape[1] - 1)
        share += power[rows, columns]
        power[rows, columns] = 0
    return share


def _bursts(flags: Flags) -> Flags:
    """Gaps inside a word (closures, at most 100 ms) belong to it; bursts of under 120 ms do not."""
    gaps = _runs(~flags, _GAP_FRAMES)
    return _runs(~gaps, _BURST_FRAMES) if flags.any() else flags


def _runs(flags: Flags, least: int) -> Flags:
    """Only the runs of at least `least` true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.view(np.int8), [0]))))
    kept = np.zeros(len(flags), dtype=np.bool_)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        kept[start:end] = end - start >= least
    return kept
