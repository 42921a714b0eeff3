"""When a telephone that only ever is silent gets the short welcome.

Nobody is shut out: the short way records at once, and the emergency key works on it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Heard:
    """One call of a telephone: when it began, and whether nobody spoke or asked for anything."""

    at: datetime
    silent: bool


def limited_until(calls: Sequence[Heard], most: int) -> datetime | None:
    """The end of the short welcome; None without a reason for it.

    `calls` of one telephone, in any order. The reason are `most` silent calls within a day, none
    of which is followed by one with speech; it ends when fewer are left in (now - day, now].
    """
    spoken = [call.at for call in calls if not call.silent]
    silent = [call.at for call in calls if call.silent and all(call.at > at for at in spoken)]
    if len(silent) < most:
        return None
    newest = sorted(silent)[-most:]
    return newest[0] + DAY if newest[-1] - newest[0] < DAY else None
