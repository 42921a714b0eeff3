"""How many seconds of a recording are speech: WebRTC's detector, then two gates of our own.

The detector alone takes line noise and tones for speech. A 20 ms frame counts only if it is
clearly above the recording's own noise floor, is no steady tone (dial, busy and DTMF tones sit
on one or two frequencies and stay there), and belongs to a burst of at least 120 ms: shorter
ones are clicks.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import webrtcvad

from ivr.wav import duration, pieces, read_samples

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
_BLOCK_FRAMES = 64  # what is worked on at once stays in the cache
_PIECE_S = 3.0
_BESIDE = 2  # a peak is as wide as the window makes it

Flags = npt.NDArray[np.bool_]
Frames = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


def speech_seconds(path: Path) -> float:
    """Seconds of speech in a 16 bit mono WAVE file of 8, 16, 32 or 48 kHz.

    Its header may be damaged. Raises NotAWave if it is no recording. What was measured once is
    remembered for as long as nobody writes to the file: the line asks first, then the filing.
    """
    stat = path.stat()
    return _measured(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))


@lru_cache(maxsize=2048)
def _measured(path: Path, _as_it_is: tuple[int, ...]) -> float:
    data, rate = read_samples(path)
    return speech_in(data, rate)


def speech_at_once(path: Path, plenty_s: float) -> float:
    """Seconds of speech in the beginning of a file: enough of it to know that somebody spoke.

    Stops as soon as there are `plenty_s`: a caller waits, and may have spoken for minutes. With
    less than that in all of it, the same as `speech_seconds`, which also raises the same.
    """
    if duration(path) > _PIECE_S:
        found = 0.0
        for data, rate in pieces(path, _PIECE_S):
            found += speech_in(data, rate)
            if found >= plenty_s:
                return found
    return speech_seconds(path)


def speech_in(data: bytes, rate: int) -> float:
    """Seconds of speech in 16 bit little-endian mono samples."""
    size = int(rate * FRAME_S)
    count = len(data) // (2 * size)
    if not count or rate not in (8000, 16000, 32000, 48000):
        return 0.0
    frames = np.frombuffer(data, "<i2", count * size).reshape(count, size)
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
    energy = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frames.shape[1]
    level = 10 * np.log10(np.maximum(energy / 32768.0**2, 1e-12))
    tenth = len(level) // 10
    noise = float(np.partition(level, tenth)[tenth])
    return np.asarray(level > max(_FLOOR_DBFS, noise + _ABOVE_NOISE_DB))


def _tones(frames: Frames) -> Flags:
    """Frames inside a run where one or two frequencies carry nearly everything and stay put."""
    window = np.hanning(frames.shape[1])
    blocks = [
        _peaks(frames[at : at + _BLOCK_FRAMES] * window)
        for at in range(0, len(frames), _BLOCK_FRAMES)
    ]
    share, low, high = (np.concatenate(part) for part in zip(*blocks, strict=True))
    steady = np.zeros(len(frames), dtype=np.bool_)
    steady[1:] = (np.abs(np.diff(low)) <= 1) | (np.abs(np.diff(high)) <= 1)
    return _runs((share > _TONAL) & steady, _STEADY_FRAMES)


def _peaks(frames: Floats) -> tuple[Floats, Places, Places]:
    """Of each frame: the share of its two strongest frequencies, and which these are."""
    spectrum = np.fft.rfft(frames, axis=1)
    power = np.zeros((len(frames), spectrum.shape[1] + 2 * _BESIDE))  # room beside each peak
    power[:, _BESIDE:-_BESIDE] = np.square(spectrum.real) + np.square(spectrum.imag)
    total = power.sum(axis=1) + 1e-9
    first, strongest = _take_peak(power)
    second, next_to_it = _take_peak(power)
    share = (strongest + next_to_it) / total
    return share, np.minimum(first, second), np.maximum(first, second)


def _take_peak(power: Floats) -> tuple[Places, Floats]:
    """Where the strongest frequency of each frame is, and its power, which is taken out."""
    peaks = power.argmax(axis=1)
    at = (np.arange(len(power))[:, None], peaks[:, None] + np.arange(-_BESIDE, _BESIDE + 1))
    taken = power[at].sum(axis=1)
    power[at] = 0
    return peaks, taken


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
