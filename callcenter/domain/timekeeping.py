"""Whether the wall clock may be believed: it is held against a clock that nobody can set.

A wall clock is set by people, by time services and by a battery that died. The steady clock
counts the seconds since the machine started, asleep or not, and knows no date. Together they
tell a real hour from an hour that somebody wrote into the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: More than this between the two clocks, and nothing is done that depends on what time it is.
MOST_DRIFT = timedelta(minutes=5)
#: Small corrections are part of a clock's life: so often the trusted moment moves along, that
#: those of a whole year do not add up to a doubt.
RENEWED_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A moment at which the wall clock was trusted; `steady`: seconds since the start `boot`."""

    wall: datetime
    steady: float
    boot: str


def drift(anchor: Anchor, wall: datetime, steady: float) -> timedelta:
    """By how much the wall clock has gone ahead of the steady one since it was trusted."""
    return (wall - anchor.wall) - timedelta(seconds=steady - anchor.steady)


def doubtful(by: timedelta) -> bool:
    """Whether a drift is too large; exactly the limit is not."""
    return abs(by) > MOST_DRIFT


def begun(wall: datetime, steady: float, boot: str, seen: datetime | None) -> Anchor:
    """The first anchor after the machine's start. `seen`: the latest moment in the database.

    A clock that shows less than what has already been lived through has lost its date.
    """
    lost = seen is not None and doubtful(wall - seen) and wall < seen
    return Anchor(seen if lost and seen else wall, steady, boot)


def kept_on(anchor: Anchor, wall: datetime, steady: float) -> Anchor:
    """The anchor to go on with: a new one now and then, as long as there is no doubt."""
    old = steady - anchor.steady >= RENEWED_EVERY.total_seconds()
    sound = not doubtful(drift(anchor, wall, steady))
    return Anchor(wall, steady, anchor.boot) if old and sound else anchor
