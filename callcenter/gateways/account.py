"""An account at a telephone provider that keeps recordings for us."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Kept:
    """One recording that Twilio keeps. `of_talk`: a conversation, not what a caller left."""

    sid: str
    call_sid: str
    at: datetime
    of_talk: bool


@dataclass(frozen=True, slots=True)
class CallFacts:
    """One call as Twilio knows it; numbers as it shows them, `ended_at` None while it lasts."""

    caller: str
    called: str
    started_at: datetime
    ended_at: datetime | None
    status: str


class Account(Protocol):
    """What is asked of the provider. Every method may raise TransportError."""

    def recordings(self, since: datetime) -> Iterable[Kept]:
        """The finished recordings since then."""

    def call(self, call_sid: str) -> CallFacts | None:
        """A call; None when the provider does not know it."""

    def fetch(self, recording_sid: str, to: Path) -> None:
        """Write the audio (WAV) of a recording to this file, whole or not at all."""
