"""What comes back is decided by an operator; agencies work side by side or one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.ticket import TicketState
from callcenter.services import sequence
from callcenter.services.errors import Refused
from callcenter.services.holding import find
from callcenter.store import queries
from callcenter.store.models import Agency, PlannedDispatch
from tests.services.conftest import DAY, HOUR, MINUTE, T0, TICK, Town, keys

S = ComplaintState


def _inbox(town: Town) -> list[int]:
    with town.store.read() as db:
        return [complaint.id for complaint in queries.inbox(db, "new")]


def _plan(town: Town, complaint_id: int, at: datetime, agency: str = "pln") -> int:
    with town.store.write() as db:
        return sequence.plan(
            db, complaint_id, agency_key=agency, order="Lalu.", actor="operator", now=at
        ).id


def _drop(town: Town, plan_id: int, at: datetime) -> None:
    with town.store.write() as db:
        sequence.drop(db, plan_id, why="", actor="operator", now=at, rules=town.rules)


def _tickets(town: Town, complaint_id: int) -> list[tuple[str, TicketState]]:
    with town.store.read() as db:
        found = find(db, complaint_id)
        return [(t.agency_key, t.state) for t in found.tickets]


def _to(town: Town, *agencies: str) -> tuple[int, Sequence[int]]:
    """A complaint that these agencies have side by side."""
    complaint_id = town.complaint()
    return complaint_id, [town.dispatch(complaint_id, T0, agency) for agency in agencies]


# ---------------------------------------------------------------- a return


def test_what_came_back_is_on_top_below_emergencies(town: Town) -> None:
    older = town.complaint(T0 - 5 * HOUR)
    returned = town.complaint(T0 - HOUR)
    emergency = town.complaint(T0, urgency="emergency")
    town.return_(town.dispatch(returned, T0), T0 + MINUTE)
    assert _inbox(town) == [emergency, returned, older]


def test_one_of_two_that_comes_back_is_on_top_too(town: Town) -> None:
    older = town.complaint(T0 - 5 * HOUR)
    complaint_id, (first, _second) = _to(town, "pupr", "pdam")
    town.return_(first, T0 + MINUTE)
    assert _inbox(town) == [complaint_id, older]
    assert town.state(complaint_id) is S.DISPATCHED
    town.dispatch(complaint_id, T0 + HOUR, "pln")
    assert _inbox(town) == [older]


@pytest.mark.parametrize("order", ["return first", "answer first"])
def test_a_half_that_came_back_is_not_answered_by_the_other_half(town: Town, order: str) -> None:
    complaint_id, (first, second) = _to(town, "pupr", "pdam")
    works = [lambda: town.return_(first, T0 + HOUR), lambda: town.respond(second, T0 + HOUR)]
    for work in works if order == "return first" else works[::-1]:
        work()
    assert town.state(complaint_id) is S.DISPATCHED
    assert _inbox(town) == [complaint_id]
    town.settle(complaint_id, T0 + 2 * HOUR)
    assert town.state(complaint_id) is S.ANSWERED
    assert _inbox(town) == []
    assert [h.why for h in town.history(verb="settle_return")] == ["Cukup PUPR."]


def test_a_return_is_settled_only_where_another_agency_has_it(town: Town) -> None:
    ticket_id = town.sent()
    complaint_id = town.complaint_of(ticket_id)
    with pytest.raises(Refused):
        town.settle(complaint_id, T0)
    town.return_(ticket_id, T0 + HOUR)
    with pytest.raises(Refused):
        town.settle(complaint_id, T0 + 2 * HOUR)
    assert town.found(complaint_id).returned_at == T0 + HOUR


def test_a_return_is_settled_with_a_reason(town: Town) -> None:
    complaint_id, (first, _) = _to(town, "pupr", "pdam")
    town.return_(first, T0 + HOUR)
    with pytest.raises(Refused):
        town.settle(complaint_id, T0 + 2 * HOUR, why=" ")


def test_the_second_return_is_told_to_the_coordinator_and_so_is_each_further_one(
    town: Town,
) -> None:
    complaint_id = town.complaint()
    told = []
    for turn, agency in enumerate(("pupr", "pdam", "pln")):
        ticket_id = town.dispatch(complaint_id, T0 + turn * HOUR, agency)
        town.return_(ticket_id, T0 + turn * HOUR + MINUTE, f"Bukan kami {turn}.")
        told.append([n.person_key for n in town.notices(kind="ping-pong")])
    assert told == [[], ["coordinator"], ["coordinator"] * 2]
    body = town.notices(kind="ping-pong")[-1].body
    assert "3 kali" in body
    assert "PUPR Perkim, PDAM Bangli, PLN ULP Bangli" in body
    assert "Bukan kami 2." in body


# ---------------------------------------------------------------- one after the other


def test_the_next_agency_gets_its_ticket_when_the_first_has_handled_its_own(town: Town) -> None:
    complaint_id, (first,) = _to(town, "pupr")
    _plan(town, complaint_id, T0 + MINUTE)
    _plan(town, complaint_id, T0 + MINUTE, "dishub")
    town.respond(first, T0 + HOUR)
    assert town.state(complaint_id) is S.DISPATCHED  # two are still to come
    assert _tickets(town, complaint_id) == [("pupr", TicketState.RESPONDED)]

    town.report(first, T0 + 5 * HOUR)
    second = first + 1
    ticket = town.ticket(second)
    assert (ticket.agency_key, ticket.order) == ("pln", "Lalu.")
    assert (ticket.dispatched_at, ticket.due_at) == (T0 + 5 * HOUR, T0 + 29 * HOUR)
    assert keys(town.taken(second)) == ["dispatch"]

    town.report(second, T0 + 6 * HOUR)
    town.respond(first + 2, T0 + 7 * HOUR)
    assert town.state(complaint_id) is S.ANSWERED
    assert [a for a, _ in _tickets(town, complaint_id)] == ["pupr", "pln", "dishub"]


def test_a_plan_waits_for_all_who_work_side_by_side(town: Town) -> None:
    complaint_id, (first, second) = _to(town, "pupr", "pdam")
    _plan(town, complaint_id, T0 + MINUTE)
    town.report(first, T0 + HOUR)
    assert len(_tickets(town, complaint_id)) == 2
    town.report(second, T0 + 2 * HOUR)
    assert len(_tickets(town, complaint_id)) == 3


def test_nothing_goes_on_while_a_returned_ticket_waits_for_its_decision(town: Town) -> None:
    complaint_id, (first, second) = _to(town, "pupr", "pdam")
    _plan(town, complaint_id, T0 + MINUTE)
    town.return_(first, T0 + HOUR)
    town.report(second, T0 + 2 * HOUR)
    assert len(_tickets(town, complaint_id)) == 2
    town.settle(complaint_id, T0 + 3 * HOUR)
    assert _tickets(town, complaint_id)[-1] == ("pln", TicketState.DISPATCHED)


def test_who_is_not_needed_holds_up_nobody(town: Town) -> None:
    complaint_id, (first,) = _to(town, "pupr")
    plan_id = _plan(town, complaint_id, T0 + MINUTE)
    town.respond(first, T0 + HOUR)
    _drop(town, plan_id, T0 + 2 * HOUR)
    assert town.state(complaint_id) is S.ANSWERED
    with pytest.raises(Refused):
        _drop(town, plan_id, T0 + 3 * HOUR)


def test_a_plan_for_an_agency_that_is_gone_comes_to_the_operators(town: Town) -> None:
    """The officer's report is filed all the same."""
    complaint_id, (first,) = _to(town, "pupr")
    _plan(town, complaint_id, T0 + MINUTE)
    with town.store.write() as db:
        db.get_one(Agency, "pln").active = False
    town.report(first, T0 + HOUR)
    assert town.ticket(first).state is TicketState.HANDLED
    assert _inbox(town) == [complaint_id]
    with town.store.read() as db:
        assert "tidak ada" in db.get_one(PlannedDispatch, 1).dropped_why


def test_a_plan_needs_somebody_to_wait_for(town: Town) -> None:
    complaint_id = town.complaint()
    with pytest.raises(Refused):
        _plan(town, complaint_id, T0)
    first = town.dispatch(complaint_id, T0)
    _plan(town, complaint_id, T0)
    with pytest.raises(Refused):
        _plan(town, complaint_id, T0)  # it waits already
    town.report(first, T0 + HOUR)
    town.report(first + 1, T0 + HOUR)
    with pytest.raises(Refused):
        _plan(town, complaint_id, T0 + 2 * HOUR)


def test_side_by_side_the_complaint_is_answered_only_by_all(town: Town) -> None:
    complaint_id, sent = _to(town, "pupr", "pdam", "pln")
    for hour, ticket_id in enumerate(sent, 1):
        assert town.state(complaint_id) is S.DISPATCHED
        town.respond(ticket_id, T0 + hour * HOUR)
    assert town.state(complaint_id) is S.ANSWERED
    with pytest.raises(Refused):
        _plan(town, complaint_id, T0 + DAY)
    town.word(complaint_id, Outcome.NOT_SOLVED, T0 + DAY)
    assert town.state(complaint_id) is S.REOPENED


# ---------------------------------------------------------------- answered, not handled


@pytest.mark.parametrize("waits", [0 * DAY, 10 * DAY])
def test_what_was_answered_and_not_handled_is_chased_and_waiting_does_not_count(
    town: Town, waits: timedelta
) -> None:
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + HOUR)
    chase, head = T0 + HOUR + 3 * DAY + waits, T0 + HOUR + 7 * DAY + waits
    if waits:
        town.wait(ticket_id, T0 + DAY, T0 + DAY + waits)
        town.clock(T0 + DAY + waits - TICK)
        assert town.ticket(ticket_id).next_step_at is None
        town.wake(T0 + DAY + waits)
    for moment in (chase - TICK, chase, head - TICK, head):
        town.steps(moment)
    steps = town.taken(ticket_id)[1:]
    assert steps == [("chase_handling", chase), ("chase_handling_head", head)]
    assert [p for k, p in town.told(ticket_id) if k.startswith("chase")] == [
        "pupr_1",
        "pupr_2",
        "pupr_head",
    ]
    town.report(ticket_id, head + HOUR)
    assert town.ticket(ticket_id).next_step_key == "chase_report"


def test_handled_in_time_is_never_chased_for_it(town: Town) -> None:
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + HOUR)
    town.report(ticket_id, T0 + 3 * DAY)
    town.report_arrives(ticket_id, T0 + 3 * DAY + HOUR)
    town.steps(T0 + 30 * DAY)
    assert keys(town.taken(ticket_id)) == ["dispatch"]


def test_what_was_waited_is_measured(town: Town) -> None:
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + HOUR)
    town.wait(ticket_id, T0 + 2 * HOUR, T0 + DAY)
    assert town.ticket(ticket_id).waiting_since == T0 + 2 * HOUR
    town.start(ticket_id, T0 + 5 * HOUR)
    town.wait(ticket_id, T0 + 6 * HOUR, T0 + DAY)
    town.wake(T0 + DAY)
    town.wait(ticket_id, T0 + DAY, T0 + 2 * DAY)
    town.report(ticket_id, T0 + DAY + HOUR)
    ticket = town.ticket(ticket_id)
    assert ticket.waited_s == (3 + 18 + 1) * 3600
    assert ticket.waiting_since is None
