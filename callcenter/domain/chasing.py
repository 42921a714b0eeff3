"""Asking an officer by hand how a ticket stands: for what, and how often."""

from __future__ import annotations

from datetime import datetime, timedelta

from callcenter.domain.ticket import TicketState

#: So long after a ticket was chased nobody chases it again.
PAUSE = timedelta(hours=1)
#: States in which something is expected of the agency now. What waits has its own day.
CHASEABLE = frozenset(
    {
        TicketState.DISPATCHED,
        TicketState.ACCEPTED,
        TicketState.RESPONDED,
        TicketState.IN_PROGRESS,
    }
)


def may_chase(last: datetime | None, now: datetime) -> bool:
    """Whether the pause [last, last + PAUSE) is over."""
    return last is None or now >= last + PAUSE
