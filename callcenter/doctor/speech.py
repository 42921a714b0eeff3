"""How often an engine is wrong, measured on recordings of which somebody wrote down what is said.

A pair is a sound file and a text file of the same name: `pasar.wav` and `pasar.txt`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from callcenter.domain.word_errors import WordErrors, compare
from callcenter.gateways.hearing import Engine, EngineFailed, NoSound

SOUNDS = frozenset({".wav", ".flac", ".ogg", ".mp3"})


@dataclass(frozen=True, slots=True)
class Measured:
    """One file, or all of them: errors in words, seconds of sound, seconds of work.

    `wrong`: why it could not be measured; then the figures are nought.
    """

    name: str
    errors: WordErrors = field(default_factory=WordErrors)
    seconds: float = 0.0
    took_s: float = 0.0
    wrong: str = ""

    @property
    def pace(self) -> float:
        """Seconds of work for each second of sound (the real-time factor)."""
        return self.took_s / self.seconds if self.seconds else 0.0

    @property
    def facts(self) -> dict[str, object]:
        """As `doctor --speech --json` prints it."""
        errors = self.errors
        return {
            "name": self.name,
            "words": errors.said,
            "substituted": errors.substituted,
            "inserted": errors.inserted,
            "deleted": errors.deleted,
            "word_error_rate": round(errors.rate, 4),
            "seconds": round(self.seconds, 2),
            "real_time_factor": round(self.pace, 3),
            "wrong": self.wrong,
        }


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Sounds of the folder with their texts, by name; a text that is not there is measured so."""
    sounds = (p for p in folder.iterdir() if p.suffix.lower() in SOUNDS and p.is_file())
    return [(sound, sound.with_suffix(".txt")) for sound in sorted(sounds)]


def measure(
    folder: Path, engine: Engine, clock: Callable[[], float] = time.monotonic
) -> Iterator[Measured]:
    """One file after the other."""
    for sound, text in pairs(folder):
        try:
            said = text.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            yield Measured(sound.name, wrong=f"{text.name} is missing, or no UTF-8 text")
            continue
        began = clock()
        try:
            heard = engine.listen(sound)
        except (NoSound, EngineFailed) as error:
            yield Measured(sound.name, wrong=str(error))
        else:
            yield Measured(sound.name, compare(said, heard.text), heard.seconds, clock() - began)


def together(measured: list[Measured]) -> Measured:
    """All files that could be measured, as one: a long one counts for more."""
    good = [m for m in measured if not m.wrong]
    errors = sum((m.errors for m in good), WordErrors())
    seconds, took_s = sum(m.seconds for m in good), sum(m.took_s for m in good)
    return Measured(f"all {len(good)}", errors, seconds, took_s)
