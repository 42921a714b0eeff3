"""What was heard, told afterwards: prompts, numbers read aloud, and how much speech arrived.

A prompt is found by normalised cross-correlation with its own sound file after a trip through
G.711 (score 1: the same wave, whatever its loudness). All arrays are 16 bit, 8 kHz.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from ivr.caller.g711 import RATE, Law, Samples, round_trip

Wave = npt.NDArray[np.float32]

THRESHOLD: Final = 0.8
DIGIT_PAUSE: Final = 2.0  # seconds without a digit: the next digit begins another number
PIECE_S: Final = 0.1
_FAINTEST: Final = 0.1  # of the prompt's loudness; fainter is noise, not the prompt
_SILENT: Final = 30.0  # root mean square below which a wave holds nothing to recognise


@dataclass(frozen=True)
class _Match:
    start: int
    end: int
    score: float
    key: str


def heard_prompts(
    heard: Samples,
    prompts: Mapping[str, Path],
    *,
    law: Law = "PCMA",
    threshold: float = THRESHOLD,
) -> list[tuple[float, str]]:
    """Which prompts were heard whole, and when (seconds into `heard`), in order.

    Where two would overlap the longer one counts. Silent prompts are never found.
    """
    return [(match.start / RATE, match.key) for match in _find(heard, prompts, law, threshold)]


def heard_numbers(
    heard: Samples,
    prompts: Mapping[str, Path],
    *,
    law: Law = "PCMA",
    threshold: float = THRESHOLD,
) -> list[str]:
    """The numbers that were read digit by digit (`digit_0` to `digit_9` of `prompts`).

    Another prompt in between, or two seconds without a digit, ends a number.
    """
    numbers: list[str] = []
    last_end: float | None = None
    for match in _find(heard, prompts, law, threshold):
        if not match.key.startswith("digit_"):
            last_end = None
            continue
        if last_end is None or match.start - last_end > DIGIT_PAUSE * RATE:
            numbers.append("")
        numbers[-1] += match.key.removeprefix("digit_")
        last_end = match.end
    return numbers


def contains(heard: Samples, clip: Samples, threshold: float = THRESHOLD) -> bool:
    """Whether `clip` lies somewhere in `heard`."""
    wave, _ = _trimmed(clip.astype(np.float32))
    scores = _Scanner(heard).scores(wave) if len(wave) else wave
    return bool(len(scores)) and float(scores.max()) > threshold


def spoken_within(recording: Samples, spoken: Samples) -> tuple[float, float]:
    """Where the speech begins in a recording, and how many seconds of it are there.

    The first figure is negative if the recording began late. The speech is compared in pieces
    of 0.1 s, each near where the one before was found, so that a lost or doubled frame costs one
    piece and not the rest. A silent piece counts where the recording reaches so far.
    (0.0, 0.0) where nothing matches.
    """
    wave, said = recording.astype(np.float32), spoken.astype(np.float32)
    if _loudness(wave) < 1 or _loudness(said) < 1:
        return 0.0, 0.0
    first = lag = _alignment(wave, said)
    matched = 0
    for start in range(0, len(said), int(PIECE_S * RATE)):
        piece = said[start : start + int(PIECE_S * RATE)]
        found, length = _place_piece(wave, piece, start + lag)
        if length:
            lag = found - start
            matched += length
    return (first / RATE, matched / RATE) if matched else (0.0, 0.0)


def _find(heard: Samples, prompts: Mapping[str, Path], law: Law, threshold: float) -> list[_Match]:
    scanner = _Scanner(heard)
    matches: list[_Match] = []
    for key, path in prompts.items():
        wave, lead = _trimmed(round_trip(_read(path), law).astype(np.float32))
        if len(wave):
            matches += _peaks(scanner.scores(wave), wave, lead, key, threshold)
    return _without_overlaps(matches)


def _read(path: Path) -> Samples:
    samples, rate = soundfile.read(str(path), dtype="int16")
    if rate != RATE or samples.ndim != 1:
        raise ValueError(f"prompt {path}: must be 8 kHz mono, as the line plays it")
    return np.asarray(samples, dtype=np.int16)


def _loudness(wave: Wave) -> float:
    return float(np.sqrt(np.mean(np.square(wave)))) if len(wave) else 0.0


def _trimmed(wave: Wave) -> tuple[Wave, int]:
    """The wave without silence at both ends, and how much was cut off before it."""
    audible = np.flatnonzero(np.abs(wave) > _SILENT)
    if not len(audible) or _loudness(wave) < _SILENT:
        return wave[:0], 0
    return wave[audible[0] : audible[-1] + 1], int(audible[0])


def _peaks(scores: Wave, wave: Wave, lead: int, key: str, threshold: float) -> Iterable[_Match]:
    """Every place where the prompt scores best within half its own length."""
    over = np.flatnonzero(scores > threshold)
    half = len(wave) // 2
    while len(over):
        best = int(over[np.argmax(scores[over])])
        yield _Match(best - lead, best + len(wave), float(scores[best]), key)
        over = over[np.abs(over - best) > half]


def _without_overlaps(matches: list[_Match]) -> list[_Match]:
    """The longest first; of equally long ones the better."""
    kept: list[_Match] = []
    for match in sorted(matches, key=lambda each: (each.start - each.end, -each.score)):
        slack = (match.end - match.start) // 10
        if all(m.end <= match.start + slack or match.end - slack <= m.start for m in kept):
            kept.append(match)
    return sorted(kept, key=lambda each: each.start)


class _Scanner:
    """Normalised cross-correlation of many templates with one long wave, in blocks by FFT."""

    def __init__(self, heard: Samples) -> None:
        self._wave = heard.astype(np.float32)
        squares = np.square(heard.astype(np.float64))
        self._energy = np.concatenate([[0.0], np.cumsum(squares)])
        self._spectra: dict[int, npt.NDArray[np.complex64]] = {}

    def scores(self, template: Wave) -> Wave:
        """One score per possible beginning of the template; empty if it is longer."""
        n = len(template)
        count = len(self._wave) - n + 1
        if count <= 0:
            return template[:0]
        size = 1 << (4 * n - 1).bit_length()
        valid = size // 2  # beginnings per block; a block overlaps the next by the other half
        conjugate = np.conj(np.fft.rfft(template, size))
        product = np.fft.irfft(self._blocks(size, valid) * conjugate, size)
        raw = product[:, :valid].reshape(-1)[:count]
        power = float(template.astype(np.float64) @ template)
        energy = self._energy[n:] - self._energy[:count]
        floor = power * _FAINTEST**2
        norm = np.sqrt(np.maximum(energy, floor) * power)
        return np.asarray(raw / norm, dtype=np.float32)

    def _blocks(self, size: int, valid: int) -> npt.NDArray[np.complex64]:
        if size not in self._spectra:
            count = -(-len(self._wave) // valid)
            padded = np.zeros((count + 1) * valid, dtype=np.float32)
            padded[: len(self._wave)] = self._wave
            halves = padded.reshape(count + 1, valid)
            pairs = np.hstack([halves[:-1], halves[1:]])
            self._spectra[size] = np.fft.rfft(pairs, size).astype(np.complex64, copy=False)
        return self._spectra[size]


def _alignment(wave: Wave, said: Wave) -> int:
    """Where the beginning of `said` lies in `wave`, in samples; may be negative."""
    size = 1 << (len(wave) + len(said)).bit_length()
    product = np.fft.irfft(np.fft.rfft(wave, size) * np.conj(np.fft.rfft(said, size)), size)
    best = int(np.argmax(product))
    return best if best < len(wave) else best - size


def _place_piece(wave: Wave, piece: Wave, near: int) -> tuple[int, int]:
    """Where a piece lies and how many of its samples are in the recording (0: not found)."""
    for reach in (8, RATE // 4):
        found = _search(wave, piece, near, reach)
        if found is not None:
            return found
    return near, 0


def _search(wave: Wave, piece: Wave, near: int, reach: int) -> tuple[int, int] | None:
    begin = max(0, near)
    inside = piece[begin - near : max(begin - near, len(wave) - near)]
    if not len(inside):
        return None
    if _loudness(inside) < _SILENT:
        return near, len(inside)
    start = max(0, begin - reach)
    window = wave[start : begin + len(inside) + reach]
    scores = _short_scores(window, inside)
    best = int(np.argmax(scores))
    if scores[best] <= THRESHOLD:
        return None
    return start + best - (begin - near), len(inside)


def _short_scores(window: Wave, piece: Wave) -> npt.NDArray[np.float64]:
    long, short = window.astype(np.float64), piece.astype(np.float64)
    energy = np.concatenate([[0.0], np.cumsum(long**2)])
    energy = energy[len(short) :] - energy[: -len(short)]
    power = float(short @ short)
    floor = power * _FAINTEST**2
    scores = np.correlate(long, short, "valid") / np.sqrt(np.maximum(energy, floor) * power)
    return np.asarray(scores)
