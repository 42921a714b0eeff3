"""The clocks of a ticket over returns, other agencies, waiting and a citizen's no."""

from __future__ import annotations

from datetime import datetime, timedelta

from callcenter.domain.calendar import Pace
from callcenter.domain.complaint import Outcome
from callcenter.services.clocks import TicketClocks, clocks_of
from callcenter.store.models import Ticket
from tests.services.conftest import DAY, HOUR, T0, Town


def _clocks(town: Town, ticket_id: int, at: datetime) -> TicketClocks:
    with town.store.read() as db:
        return clocks_of(db.get_one(Ticket, ticket_id), at, town.rules)


def _waits(town: Town, ticket_id: int, at: datetime) -> timedelta:
    return _clocks(town, ticket_id, at).citizen_waits


def test_the_citizen_waits_through_returns_and_other_agencies(town: Town) -> None:
    complaint_id = town.complaint(T0 - 2 * HOUR)
    first = town.dispatch(complaint_id, T0)
    town.return_(first, T0 + 5 * HOUR)
    second = town.dispatch(complaint_id, T0 + DAY, "pdam")
    third = town.dispatch(complaint_id, T0 + DAY, "pln")
    assert _waits(town, second, T0 + DAY) == 26 * HOUR
    town.respond(second, T0 + 30 * HOUR)
    assert _clocks(town, second, T0 + 40 * HOUR).waiting_on
    town.respond(third, T0 + 50 * HOUR)
    assert _waits(town, second, T0 + 9 * DAY) == _waits(town, first, T0 + 9 * DAY) == 52 * HOUR
    # each agency's window is its own
    assert town.ticket(second).due_at == T0 + 2 * DAY


def test_a_no_lets_the_citizen_wait_on_from_the_beginning(town: Town) -> None:
    ticket_id = town.sent()
    complaint_id = town.complaint_of(ticket_id)
    town.respond(ticket_id, T0 + HOUR)
    assert _waits(town, ticket_id, T0 + DAY) == HOUR
    town.word(complaint_id, Outcome.NOT_SOLVED, T0 + 2 * DAY)
    assert _waits(town, ticket_id, T0 + 3 * DAY) == 3 * DAY
    again = town.dispatch(complaint_id, T0 + 3 * DAY)
    town.respond(again, T0 + 4 * DAY)
    assert _waits(town, again, T0 + 9 * DAY) == 4 * DAY


def test_work_that_waits_stands_still(town: Town) -> None:
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + HOUR)
    town.wait(ticket_id, T0 + 2 * HOUR, T0 + 5 * DAY)
    clocks = _clocks(town, ticket_id, T0 + 3 * DAY)
    assert (clocks.worked, clocks.paused) == (2 * HOUR, True)
    town.wake(T0 + 5 * DAY)
    town.report(ticket_id, T0 + 5 * DAY + HOUR)
    clocks = _clocks(town, ticket_id, T0 + 50 * DAY)
    assert (clocks.worked, clocks.paused) == (3 * HOUR, False)


def test_working_days_are_counted_beside(town: Town) -> None:
    """Received on Monday, 2 March; sent on Friday, answered on the Friday after."""
    complaint_id = town.complaint(T0)
    ticket_id = town.dispatch(complaint_id, T0 + 4 * DAY)
    clocks = _clocks(town, ticket_id, T0 + 5 * DAY)
    assert (clocks.forward.passed, clocks.forward.pace) == (4, Pace.MISSED)
    assert (clocks.act.passed, clocks.act.pace) == (0, Pace.RUNNING)  # it is Saturday
    town.respond(ticket_id, T0 + 11 * DAY)
    clocks = _clocks(town, ticket_id, T0 + 12 * DAY)
    assert (clocks.act.passed, clocks.act.pace, clocks.close) == (5, Pace.MET, None)
    town.asked(complaint_id, T0 + 12 * DAY)
    close = _clocks(town, ticket_id, T0 + 13 * DAY).close
    assert close is not None
    # ten working days after Saturday, 14 March, over Nyepi, Idulfitri and Good Friday
    assert close.ends == datetime.fromisoformat("2026-04-07T00:00:00+08:00")


def test_what_went_back_was_acted_upon(town: Town) -> None:
    ticket_id = town.sent()
    town.return_(ticket_id, T0 + DAY)
    assert _clocks(town, ticket_id, T0 + 30 * DAY).act.pace is Pace.MET
