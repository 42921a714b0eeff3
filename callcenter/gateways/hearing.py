"""What turns a sound into words, as far as the rest of the house is concerned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Word:
    """One word: seconds from the beginning of the sound, and how sure the engine is (0 to 1)."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What an engine made of a sound of `seconds`; `language` as ISO 639 has it."""

    words: tuple[Word, ...]
    language: str
    seconds: float

    @property
    def text(self) -> str:
        """All words as a line."""
        return " ".join(word.text for word in self.words)

    @property
    def rows(self) -> list[Any]:
        """The words as they are kept: [[text, start, end, confidence], ...]."""
        return [[w.text, w.start, w.end, w.confidence] for w in self.words]

    @classmethod
    def of(cls, rows: Sequence[Any], language: str, seconds: float) -> Heard:
        """From kept rows."""
        words = (Word(str(text), float(a), float(b), float(sure)) for text, a, b, sure in rows)
        return cls(tuple(words), language, seconds)


class NoSound(Exception):
    """The file is no sound, or one that nobody should listen to; trying again changes nothing."""


class EngineFailed(Exception):
    """The engine gave no answer: it died, took too long, or is not there."""


class EngineStopped(EngineFailed):
    """It was asked to stop in the middle of its work, which is no fault of the sound."""


#: Loading a large model from a slow disk.
LOADING_S = 180.0
_SLOWEST = 20.0  # seconds of work for each second of sound, on the slowest machine that is of use
_LONGEST_WAIT_S = 1800.0


def longest_wait_s(seconds: float) -> float:
    """How long an engine may take for a sound of `seconds`."""
    return min(60.0 + _SLOWEST * seconds, _LONGEST_WAIT_S)


class Engine(Protocol):
    """Turns sounds into words. `name` and `model` stand beside what it wrote."""

    @property
    def name(self) -> str:
        """Of the engine."""

    @property
    def model(self) -> str:
        """Of what it was trained to know."""

    def listen(self, sound: Path) -> Heard:
        """The words of a sound file. Raises NoSound, EngineFailed."""
