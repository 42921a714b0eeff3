"""All clocks of one ticket, as its page and the reports show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from callcenter.domain import clocks
from callcenter.domain.calendar import Term, term
from callcenter.domain.complaint import ComplaintState
from callcenter.services.rules import Rules
from callcenter.store.models import Complaint, Ticket

_SETTLED = (ComplaintState.ANSWERED, ComplaintState.CLOSED)


@dataclass(frozen=True, slots=True)
class TicketClocks:
    """Beside the window: `close` is None until the citizen was asked.

    `citizen_waits` runs while `waiting_on`; `worked` stands still while `paused`.
    """

    citizen_waits: timedelta
    waiting_on: bool
    worked: timedelta
    paused: bool
    forward: Term
    act: Term
    close: Term | None


def clocks_of(ticket: Ticket, now: datetime, rules: Rules) -> TicketClocks:
    """The clocks at `now`."""
    complaint, times = ticket.complaint, ticket.times
    answered, limits, calendar = answered_at(complaint), rules.national, rules.calendar
    first = min(t.dispatched_at for t in complaint.tickets)
    asked = complaint.asked_at
    return TicketClocks(
        citizen_waits=clocks.citizen_waits(complaint.received_at, answered, now),
        waiting_on=answered is None,
        worked=clocks.worked(times, now),
        paused=times.waiting_since is not None,
        forward=term(calendar, complaint.received_at, limits.forward, first, now),
        act=term(calendar, ticket.dispatched_at, limits.act, _acted(ticket), now),
        close=term(calendar, asked, limits.close, complaint.closed_at, now) if asked else None,
    )


def answered_at(complaint: Complaint) -> datetime | None:
    """When the last of the agencies that count has answered; None while one has not.

    After a citizen's no, or while a return is undecided, the complaint is not answered.
    """
    if complaint.state not in _SETTLED:
        return None
    moments = [t.times.answered_at for t in complaint.tickets if t.returned_at is None]
    return max((moment for moment in moments if moment is not None), default=None)


def _acted(ticket: Ticket) -> datetime | None:
    """A ticket that went back has had its answer too: it is another agency's."""
    return ticket.times.answered_at or ticket.returned_at
