"""What an agency does with its ticket, alone, twice, late, and at the same moment as others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import Standing, standing
from callcenter.services import dispatch, tickets
from callcenter.services.errors import NotFound, Refused
from callcenter.store.models import History
from tests.databases import Database
from tests.services.conftest import (
    DAY,
    DUTY,
    HOUR,
    MINUTE,
    POSTGRES,
    SECOND,
    T0,
    TICK,
    Town,
    keys,
    together,
)

LONG_AGO = T0 + 3 * DAY


# ---------------------------------------------------------------- answers


def test_accepting_says_who_and_when_and_answers_nothing(town: Town) -> None:
    ticket_id = town.sent()
    town.accept(ticket_id, T0 + MINUTE)
    ticket = town.ticket(ticket_id)
    assert (ticket.state, ticket.accepted_at) == (TicketState.ACCEPTED, T0 + MINUTE)
    assert ticket.accepted_by == DUTY
    assert town.state(ticket.complaint_id) is ComplaintState.DISPATCHED
    assert standing(ticket.times, T0 + DAY) is Standing.MISSED


def test_a_second_tap_changes_nothing_and_a_second_person_is_told(town: Town) -> None:
    ticket_id = town.sent()
    town.accept(ticket_id, T0 + MINUTE)
    rows = town.count(History)
    town.accept(ticket_id, T0 + 2 * MINUTE)
    assert town.count(History) == rows
    with pytest.raises(Refused):
        town.accept(ticket_id, T0 + 2 * MINUTE, SECOND)
    ticket = town.ticket(ticket_id)
    assert (ticket.accepted_by, ticket.accepted_at) == (DUTY, T0 + MINUTE)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(DAY - TICK, Standing.MET), (DAY, Standing.MISSED), (DAY + TICK, Standing.MISSED)],
)
@pytest.mark.parametrize("by", ["respond", "report"])
def test_the_window_is_half_open(town: Town, by: str, moment: Any, expected: Standing) -> None:
    ticket_id = town.sent()
    getattr(town, by)(ticket_id, T0 + moment)
    assert standing(town.ticket(ticket_id).times, LONG_AGO) is expected


def test_being_late_stays_visible_after_everything(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + DAY)
    town.report_arrives(ticket_id, T0 + DAY + HOUR)
    town.word(town.complaint_of(ticket_id), Outcome.SOLVED, T0 + 2 * DAY)
    ticket = town.ticket(ticket_id)
    assert ticket.state is TicketState.CLOSED
    assert standing(ticket.times, LONG_AGO) is Standing.MISSED


def test_a_return_in_time_is_withdrawn_and_one_after_it_is_missed(town: Town) -> None:
    early, late = town.sent(), town.sent()
    town.return_(early, T0 + DAY - TICK)
    town.return_(late, T0 + DAY)
    assert standing(town.ticket(early).times, LONG_AGO) is Standing.WITHDRAWN
    assert standing(town.ticket(late).times, LONG_AGO) is Standing.MISSED


@pytest.mark.parametrize("text", ["", "   ", "\n\t\r\n", "\x00\u200b\u202e"])
def test_an_answer_or_a_reason_of_nothing_is_none(town: Town, text: str) -> None:
    ticket_id = town.sent()
    for field, verb in (("response", town.respond), ("reason", town.return_)):
        with pytest.raises(Refused) as refused:
            verb(ticket_id, T0 + HOUR, text)
        assert refused.value.field == field
    assert town.ticket(ticket_id).state is TicketState.DISPATCHED


def test_what_is_typed_is_kept_readable(town: Town) -> None:
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + HOUR, " Besok\u00a0pagi\tjam 8.\r\nTim\x00 dua\u202e orang. ")
    assert town.ticket(ticket_id).response == "Besok pagi jam 8.\nTim dua orang."


def test_a_ticket_that_is_not_there(town: Town) -> None:
    with pytest.raises(NotFound):
        town.accept(10**6, T0)


def test_only_the_tables_moves_are_possible(town: Town) -> None:
    """Every verb from every state: it moves by the table, or is refused and changes nothing."""
    verbs: dict[str, Callable[[int, datetime], None]] = {
        "accept": town.accept,
        "respond": town.respond,
        "return": town.return_,
        "start": town.start,
        "wait": lambda t, at: town.wait(t, at, at + DAY),
        "handle": town.report,
    }
    ways: dict[TicketState, tuple[str, ...]] = {
        TicketState.DISPATCHED: (),
        TicketState.ACCEPTED: ("accept",),
        TicketState.RESPONDED: ("respond",),
        TicketState.IN_PROGRESS: ("respond", "start"),
        TicketState.WAITING: ("respond", "wait"),
        TicketState.HANDLED: ("handle",),
        TicketState.RETURNED: ("return",),
    }
    allowed = {
        TicketState.DISPATCHED: {"accept", "respond", "return", "handle"},
        TicketState.ACCEPTED: {"respond", "return", "handle"},
        TicketState.RESPONDED: {"start", "wait", "handle"},
        TicketState.IN_PROGRESS: {"wait", "handle"},
        TicketState.WAITING: {"start", "wait", "handle"},  # which prolongs it
        TicketState.HANDLED: set(),
        TicketState.RETURNED: set(),
    }
    for state, way in ways.items():
        for name, verb in verbs.items():
            ticket_id = town.sent()
            for step in way:
                verbs[step](ticket_id, T0 + MINUTE)
            assert town.ticket(ticket_id).state is state
            before = _face(town, ticket_id)
            at = T0 + HOUR
            if name in allowed[state]:
                verb(ticket_id, at)
            elif (name, state) == ("accept", TicketState.ACCEPTED):
                verb(ticket_id, at)
                assert _face(town, ticket_id) == before
            else:
                with pytest.raises(Refused):
                    verb(ticket_id, at)
                assert _face(town, ticket_id) == before, (name, state)


def _face(town: Town, ticket_id: int) -> tuple[Any, ...]:
    ticket = town.ticket(ticket_id)
    shown = {c.name: getattr(ticket, c.key) for c in ticket.__table__.columns}
    return shown, town.count(History), town.state(ticket.complaint_id)


# ---------------------------------------------------------------- after a return


def test_a_return_in_a_second_round_goes_to_the_operators_whatever_the_first_round_said(
    town: Town,
) -> None:
    """The citizen said no to the first answer: it must not stand in for the second one."""
    complaint_id = town.complaint()
    first = town.dispatch(complaint_id)
    town.report(first, T0 + HOUR)
    town.report_arrives(first, T0 + HOUR)
    town.word(complaint_id, Outcome.NOT_SOLVED, T0 + DAY)
    second = town.dispatch(complaint_id, T0 + DAY, "pdam")
    third = town.dispatch(complaint_id, T0 + DAY, "dlh")
    town.return_(second, T0 + DAY + HOUR)
    assert town.state(complaint_id) is ComplaintState.DISPATCHED
    town.return_(third, T0 + DAY + HOUR)
    assert town.state(complaint_id) is ComplaintState.CATEGORISED
    fourth = town.dispatch(complaint_id, T0 + 2 * DAY)
    town.respond(fourth, T0 + 2 * DAY + HOUR)
    assert town.state(complaint_id) is ComplaintState.ANSWERED


# ---------------------------------------------------------------- waiting

DAY_THREE = T0 + 3 * DAY


@pytest.fixture
def answered(town: Town) -> int:
    """A ticket that was answered in time and now needs something."""
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + HOUR)
    return ticket_id


def _wakes(town: Town, ticket_id: int) -> list[str]:
    return [person for kind, person in town.told(ticket_id) if kind.startswith("wake")]


def test_waiting_wakes_on_its_day_once_and_tells_the_team_once(town: Town, answered: int) -> None:
    town.wait(answered, T0 + 2 * HOUR, DAY_THREE)
    assert town.wake(DAY_THREE - TICK) == 0
    assert town.ticket(answered).state is TicketState.WAITING
    town.clock(DAY_THREE)
    town.clock(DAY_THREE + MINUTE)
    assert town.ticket(answered).state is TicketState.IN_PROGRESS
    assert _wakes(town, answered) == ["pupr_1", "pupr_2"]
    assert [h.verb for h in town.history(ticket_id=answered)].count("wake") == 1


def test_waiting_again_until_another_day_wakes_again(town: Town, answered: int) -> None:
    town.wait(answered, T0 + 2 * HOUR, DAY_THREE)
    town.clock(DAY_THREE)
    town.wait(answered, DAY_THREE + HOUR, DAY_THREE + DAY)
    town.clock(DAY_THREE + DAY)
    assert len(_wakes(town, answered)) == 4


def test_a_day_that_was_moved_before_it_came_wakes_on_the_new_one_alone(
    town: Town, answered: int
) -> None:
    town.wait(answered, T0 + 2 * HOUR, DAY_THREE)
    town.start(answered, T0 + 3 * HOUR)
    town.wait(answered, T0 + 4 * HOUR, DAY_THREE + DAY)
    town.clock(DAY_THREE)
    assert town.ticket(answered).state is TicketState.WAITING
    town.clock(DAY_THREE + DAY)
    assert _wakes(town, answered) == ["pupr_1", "pupr_2"]


def test_a_clock_that_is_set_back_wakes_no_one_twice_and_stops_no_one(
    town: Town, answered: int
) -> None:
    other = town.sent()
    town.respond(other, T0 + HOUR)
    town.wait(answered, T0 + 2 * HOUR, DAY_THREE)
    town.clock(DAY_THREE)
    town.wait(answered, DAY_THREE - HOUR, DAY_THREE)  # the same day again: the clock was set back
    town.wait(other, DAY_THREE - HOUR, DAY_THREE)
    town.clock(DAY_THREE)
    assert town.ticket(answered).state is town.ticket(other).state is TicketState.IN_PROGRESS
    assert _wakes(town, answered) == _wakes(town, other) == ["pupr_1", "pupr_2"]


def test_two_clocks_wake_once(town: Town) -> None:
    sleeping = [town.sent() for _ in range(4)]
    for ticket_id in sleeping:
        town.respond(ticket_id, T0 + HOUR)
        town.wait(ticket_id, T0 + HOUR, DAY_THREE)
    came = together(*(lambda: town.wake(DAY_THREE) for _ in range(3)))
    assert not [one for one in came if isinstance(one, Exception)]
    for ticket_id in sleeping:
        assert _wakes(town, ticket_id) == ["pupr_1", "pupr_2"]


def test_what_was_handled_while_waiting_is_not_woken(town: Town, answered: int) -> None:
    town.wait(answered, T0 + 2 * HOUR, DAY_THREE)
    town.report(answered, T0 + 3 * HOUR)
    town.clock(DAY_THREE)
    assert town.ticket(answered).state is TicketState.HANDLED
    assert _wakes(town, answered) == []


def test_waiting_never_stops_the_window(town: Town) -> None:
    ticket_id = town.sent()
    with pytest.raises(Refused):
        town.wait(ticket_id, T0 + HOUR, DAY_THREE)
    town.respond(ticket_id, T0 + DAY)
    town.wait(ticket_id, T0 + DAY, DAY_THREE)
    assert town.ticket(ticket_id).due_at == T0 + DAY
    assert standing(town.ticket(ticket_id).times, LONG_AGO) is Standing.MISSED


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("until", {"until": T0 + HOUR}),
        ("until", {"until": T0 + HOUR - TICK}),
        ("until", {"until": datetime(1, 1, 1, tzinfo=UTC)}),
        ("until", {"until": datetime(9999, 12, 31, tzinfo=UTC)}),
        ("evidence", {"note": " "}),
        ("evidence", {"note": "x" * 4001}),
        ("approver", {"approver": "\u200b"}),
        ("approver", {"approver": "x" * 121}),
    ],
)
def test_waiting_needs_a_day_to_come_evidence_and_an_approver(
    town: Town, answered: int, field: str, change: dict[str, Any]
) -> None:
    before = _face(town, answered)
    with pytest.raises(Refused) as refused:
        town.wait(answered, T0 + HOUR, **{"until": DAY_THREE, **change})
    assert refused.value.field == field
    assert _face(town, answered) == before


# ---------------------------------------------------------------- at the same moment


def test_two_officers_accept_at_once_and_one_has_it(town: Town) -> None:
    for _ in range(8):
        ticket_id = town.sent()
        came = together(
            lambda t=ticket_id: town.accept(t, T0 + MINUTE, DUTY),
            lambda t=ticket_id: town.accept(t, T0 + MINUTE, SECOND),
        )
        assert [isinstance(one, Refused) for one in came].count(True) == 1, came
        winner = DUTY if came[0] is None else SECOND
        assert town.ticket(ticket_id).accepted_by == winner
        assert [h.actor for h in town.history(ticket_id=ticket_id, verb="accept")] == [winner]


def test_an_answer_and_a_return_at_once_leave_one_of_them(town: Town) -> None:
    for _ in range(8):
        ticket_id = town.sent()
        came = together(
            lambda t=ticket_id: town.respond(t, T0 + HOUR),
            lambda t=ticket_id: town.return_(t, T0 + HOUR),
        )
        assert [isinstance(one, Refused) for one in came].count(True) == 1, came
        ticket = town.ticket(ticket_id)
        assert (ticket.responded_at is None) != (ticket.returned_at is None)
        expected = ComplaintState.ANSWERED if ticket.responded_at else ComplaintState.CATEGORISED
        assert town.state(ticket.complaint_id) is expected


def test_officers_answer_while_the_clock_escalates_the_same_tickets(town: Town) -> None:
    at = T0 + 15 * MINUTE
    for _ in range(4):
        order = [town.sent() for _ in range(4)]
        came = together(
            lambda: town.clock(at),
            *(lambda t=t: town.accept(t, at) for t in order),
            lambda: town.clock(at),
        )
        assert set(came) == {None}, came
        for ticket_id in order:
            ticket = town.ticket(ticket_id)
            assert ticket.state is TicketState.ACCEPTED
            assert keys(town.taken(ticket_id)) in (["dispatch"], ["dispatch", "next_officer"])
            assert ticket.next_step_key == "remind_team"


class Stops:
    """Holds a connection after a statement until the other side has come as far."""

    def __init__(self, database: Database, words: str) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.store = database.store()
        self._words = words
        event.listen(self.store.engine, "after_cursor_execute", self._after)

    def _after(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if self._words in " ".join(statement.split()) and not self.reached.is_set():
            self.reached.set()
            assert self.go_on.wait(10)


@POSTGRES
def test_the_clock_and_an_officer_never_wait_for_each_other_in_a_circle(
    town: Town, database: Database
) -> None:
    """The officer holds the complaint, the clock the ticket: the clock's rows refer to both."""
    ticket_id = town.sent()
    officer = Stops(database, "FROM complaints WHERE complaints.id = %(pk_1)s::INTEGER FOR")
    clock = Stops(database, "LIMIT %(param_1)s::INTEGER FOR")

    def accept() -> None:
        with officer.store.write() as db:
            tickets.accept(db, ticket_id, actor=DUTY, now=T0 + HOUR, rules=town.rules)

    def escalate() -> None:
        assert officer.reached.wait(10)
        town.store = clock.store
        town.steps(T0 + HOUR)

    def release() -> None:
        assert officer.reached.wait(10)
        assert clock.reached.wait(10)
        officer.go_on.set()
        clock.go_on.set()

    assert together(accept, escalate, release) == [None, None, None]
    assert town.ticket(ticket_id).state is TicketState.ACCEPTED
    assert keys(town.taken(ticket_id)) == ["dispatch", "next_officer"]


@POSTGRES
def test_an_operator_and_an_officer_at_the_same_complaint_lose_nothing(
    town: Town, database: Database
) -> None:
    """A second agency is sent for while the first one answers: neither overwrites the other."""
    ticket_id = town.sent()
    complaint_id = town.complaint_of(ticket_id)
    officer = Stops(database, "FROM complaints WHERE complaints.id = %(pk_1)s::INTEGER FOR")

    def respond() -> None:
        with officer.store.write() as db:
            tickets.respond(
                db, ticket_id, text="Besok.", actor=DUTY, now=T0 + HOUR, rules=town.rules
            )

    def send() -> None:
        assert officer.reached.wait(10)
        officer.go_on.set()
        with town.store.write() as db:
            dispatch.dispatch(
                db,
                complaint_id,
                agency_key="pdam",
                order="",
                actor="operator",
                now=T0 + HOUR,
                rules=town.rules,
            )

    assert together(respond, send) == [None, None]
    assert town.ticket(ticket_id).state is TicketState.RESPONDED
    assert town.state(complaint_id) is ComplaintState.DISPATCHED
    moves = [(h.from_state, h.to_state) for h in town.history(ticket_id=None) if h.to_state]
    assert moves[-2:] == [("dispatched", "answered"), ("answered", "dispatched")]
