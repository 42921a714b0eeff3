"""The clocks beside the 24-hour window: how long the citizen waits, and how long is worked.

None of them moves the window. Both count real time, at night and on holidays.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from callcenter.domain.window import TicketTimes


def citizen_waits(received: datetime, answered: datetime | None, now: datetime) -> timedelta:
    """From the complaint's receipt until every agency has answered, or until now.

    Returns, other agencies and a citizen's no do not begin it anew.
    """
    return max(timedelta(0), (answered or now) - received)


def worked(times: TicketTimes, now: datetime) -> timedelta:
    """How long an agency has had its ticket, without the time in which the work waited.

    Ends with the handling (or the return). Never less than nothing, whatever clocks did.
    """
    end = times.handled_at or times.ended_at or now
    waiting = timedelta(0)
    if times.waiting_since is not None:
        waiting = max(timedelta(0), end - times.waiting_since)
    return max(timedelta(0), end - times.dispatched_at - times.waited - waiting)
