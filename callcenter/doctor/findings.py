"""One finding: how bad, where, what, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` fail: something does not work; warn: it will not, or not for everybody."""

    level: Level
    name: str
    text: str
    remedy: str = ""

    @property
    def facts(self) -> dict[str, str]:
        """As `doctor --json` prints it."""
        return asdict(self)


def fine(name: str, text: str) -> Finding:
    """In order."""
    return Finding("ok", name, text)


def warned(name: str, text: str, remedy: str) -> Finding:
    """Works, but look at it."""
    return Finding("warn", name, text, remedy)


def failed(name: str, text: str, remedy: str) -> Finding:
    """Does not work."""
    return Finding("fail", name, text, remedy)
