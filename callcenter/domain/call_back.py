"""When a citizen is called back: permitted hours, pauses that grow, and an end to trying.

Hours are half-open: [08:00, 20:00) permits eight o'clock sharp and forbids eight in the evening.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from callcenter.domain.window import Night


class Reason(StrEnum):
    """Why somebody is called back."""

    ASKED = "asked"  # in the queue, by a key
    ABANDONED = "abandoned"  # waited for an operator, and hung up or got no further
    MISSED = "missed"  # hung up before they could say anything


class State(StrEnum):
    """States of a call-back; the last three are its ends."""

    WAITING = "waiting"
    CALLING = "calling"
    TALKED = "talked"
    REACHED_US = "reached_us"  # they called again and spoke, before we called
    GIVEN_UP = "given_up"


class Outcome(StrEnum):
    """What came of one try."""

    TALKED = "talked"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"  # the number does not exist, or the carrier does not connect
    GAVE_UP = "gave_up"  # whoever called says that there is no use in going on


#: After a try without an answer; after the last of these comes the next morning, then the end.
PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))


def next_try(failed: int, now: datetime, forbidden: Night) -> datetime | None:
    """When to try again after `failed` tries (at least one) without an answer; None: give up.

    `forbidden` are the hours in which nobody is called.
    """
    if failed <= len(PAUSES):
        return forbidden.ends(now + PAUSES[failed - 1])
    if failed == len(PAUSES) + 1:
        return next_morning(now, forbidden)
    return None


def next_morning(now: datetime, forbidden: Night) -> datetime:
    """The first permitted moment of tomorrow's local day."""
    tomorrow = now.astimezone(forbidden.zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, forbidden.end, tzinfo=forbidden.zone)
