"""Writing to a citizen: while WhatsApp takes free words, when a letter leaves, ready texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from string import Formatter
from typing import Any

from callcenter.domain.window import Night

#: WhatsApp takes free words for so long after the person last wrote to us; later only texts that
#: were approved before (https://www.twilio.com/docs/whatsapp/key-concepts).
SESSION = timedelta(hours=24)
#: So soon after the citizen wrote the telephone is still in their hand, at night too.
_IN_HAND = timedelta(hours=1)
#: What stands in a ready text for what is known when it is chosen.
HOLES = frozenset({"number", "phone", "programme"})
LANGUAGES = ("id", "ban", "en")


def session_open(last_written: datetime | None, now: datetime) -> bool:
    """Whether WhatsApp takes free words now: in [last written, last written + 24 h)."""
    return last_written is not None and now < last_written + SESSION


def leaves_at(last_written: datetime | None, now: datetime, night: Night) -> datetime:
    """When a letter to the citizen may leave: by day, or at once to who has just written."""
    just = last_written is not None and now < last_written + _IN_HAND
    return now if just else night.ends(now)


def language_of(path: Iterable[Sequence[Any]]) -> str:
    """The language that a caller chose, of the call's path; Indonesian where none was chosen."""
    chosen = [row[2] for row in path if len(row) == 3 and row[1] == "language"]
    return chosen[-1] if chosen and chosen[-1] in LANGUAGES else LANGUAGES[0]


def holes_of(text: str) -> set[str]:
    """What stands in braces in a ready text; ValueError for braces that are none."""
    found = ((name, form, how) for _, name, form, how in Formatter().parse(text))
    return {f"{name}{form}{how or ''}" for name, form, how in found if name is not None}


def filled(text: str, known: Mapping[str, str]) -> str:
    """A ready text with what is known put in."""
    return text.format_map(known)
