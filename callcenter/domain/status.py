"""What a citizen may be told about a complaint: state, agency, window, expected day, end.

Facts only; who says them chooses the words. Nothing in here names a person or a place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import TicketTimes


@dataclass(frozen=True, slots=True)
class TicketView:
    """What the rules need of one ticket, the oldest first where there are several."""

    agency_key: str
    state: TicketState
    times: TicketTimes
    waiting_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """How an agency stands against its 24 hours; exactly one of the three says something.

    `left`: not answered, and so much time is left (above zero). `met`: answered in time.
    `late_by`: answered so much too late, or so late already (zero at the end of the window).
    """

    left: timedelta | None = None
    met: bool = False
    late_by: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The facts about one complaint.

    `ticket_state`, `agency_key` and `window` are None while no agency has it. `more_agencies`:
    how many others work on it. `expected_at`: when a waiting work is expected to go on (aware
    UTC, only while it waits). `outcome` and `closed_at` only when it is closed.
    """

    number: str
    state: ComplaintState
    received_at: datetime
    agency_key: str | None = None
    ticket_state: TicketState | None = None
    window: WindowFacts | None = None
    more_agencies: int = 0
    expected_at: datetime | None = None
    outcome: Outcome | None = None
    closed_at: datetime | None = None


#: An agency has it, or had it until the end; in every other state a ticket is of no more interest.
_AT_AN_AGENCY = frozenset(
    {ComplaintState.DISPATCHED, ComplaintState.ANSWERED, ComplaintState.CLOSED}
)


def status_of(
    number: str,
    state: ComplaintState,
    received_at: datetime,
    tickets: Iterable[TicketView],
    now: datetime,
    *,
    outcome: Outcome | None = None,
    closed_at: datetime | None = None,
) -> Status:
    """The facts at `now`. Of several tickets the one that the citizen waits for longest is told."""
    closed = state is ComplaintState.CLOSED
    told = _told(tickets) if state in _AT_AN_AGENCY else []
    first = told[0] if told else None
    return Status(
        number=number,
        state=state,
        received_at=received_at,
        agency_key=first.agency_key if first else None,
        ticket_state=first.state if first else None,
        window=window_of(first.times, now) if first else None,
        more_agencies=len({t.agency_key for t in told} - {first.agency_key}) if first else 0,
        expected_at=_expected(first),
        outcome=outcome if closed else None,
        closed_at=closed_at if closed else None,
    )


def window_of(times: TicketTimes, now: datetime) -> WindowFacts:
    """Left, met or late; being late stays after the answer."""
    answered = times.answered_at
    if answered is not None and answered < times.due_at:
        return WindowFacts(met=True)
    moment = now if answered is None else answered
    if moment < times.due_at:
        return WindowFacts(left=times.due_at - moment)
    return WindowFacts(late_by=moment - times.due_at)


def _expected(ticket: TicketView | None) -> datetime | None:
    waiting = ticket is not None and ticket.state is TicketState.WAITING
    return ticket.waiting_until if ticket and waiting else None


#: The less has happened, the longer the citizen still waits; closed work comes last.
_PROGRESS = (
    TicketState.DISPATCHED,
    TicketState.ACCEPTED,
    TicketState.WAITING,
    TicketState.RESPONDED,
    TicketState.IN_PROGRESS,
    TicketState.HANDLED,
    TicketState.REPORTED,
    TicketState.CLOSED,
)


def _told(tickets: Iterable[TicketView]) -> list[TicketView]:
    """Those that count, the one to be told first; of two alike the later one."""
    live = [ticket for ticket in tickets if ticket.state is not TicketState.RETURNED]
    newest_first = sorted(live, key=lambda t: t.times.dispatched_at, reverse=True)
    return sorted(newest_first, key=lambda t: _PROGRESS.index(t.state))
