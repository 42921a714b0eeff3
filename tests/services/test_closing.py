"""Closing: by the citizen's word and with every report delivered, or after a long silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.domain.complaint import ComplaintState, Outcome, Urgency
from callcenter.domain.people import Post
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import Standing, Step, Until, standing
from callcenter.services import closing, escalation
from callcenter.services.errors import NotFound, Refused
from callcenter.store.models import Complaint, History, Ticket
from tests.databases import Database
from tests.services.conftest import DAY, HOUR, MINUTE, POSTGRES, T0, TICK, Town, together
from tests.services.test_tickets import Stops

SILENCE = timedelta(days=3)


@pytest.fixture
def handled(town: Town) -> int:
    """A complaint whose only agency has filed its report; the report is still on its way."""
    complaint_id = town.complaint()
    town.report(town.dispatch(complaint_id), T0 + HOUR)
    return complaint_id


@pytest.fixture
def reported(town: Town, handled: int) -> int:
    """The same with the report delivered."""
    town.report_arrives(_ticket(town, handled), T0 + 2 * HOUR)
    return handled


def _ticket(town: Town, complaint_id: int) -> int:
    with town.store.read() as db:
        return db.get_one(Complaint, complaint_id).tickets[-1].id


def _is(town: Town, complaint_id: int) -> tuple[ComplaintState, Outcome | None]:
    found = town.found(complaint_id)
    return found.state, found.outcome


# ---------------------------------------------------------------- yes


def test_a_yes_with_every_report_delivered_closes_at_once(town: Town, reported: int) -> None:
    town.word(reported, Outcome.SOLVED, T0 + 3 * HOUR)
    assert _is(town, reported) == (ComplaintState.CLOSED, Outcome.SOLVED)
    ticket = town.ticket(_ticket(town, reported))
    assert (ticket.state, ticket.closed_at) == (TicketState.CLOSED, T0 + 3 * HOUR)
    assert ticket.next_step_at is None


def test_a_yes_before_the_report_closes_when_it_arrives_and_not_before(
    town: Town, handled: int
) -> None:
    town.word(handled, Outcome.SOLVED, T0 + 90 * MINUTE)
    town.clock(T0 + 30 * DAY)  # and no silence closes what the citizen has spoken about
    assert _is(town, handled) == (ComplaintState.ANSWERED, Outcome.SOLVED)
    town.report_arrives(_ticket(town, handled), T0 + 31 * DAY)
    assert _is(town, handled) == (ComplaintState.CLOSED, Outcome.SOLVED)
    assert town.found(handled).closed_at == T0 + 31 * DAY


def test_of_two_agencies_both_reports_must_have_arrived(town: Town) -> None:
    complaint_id = town.complaint()
    one, two = town.dispatch(complaint_id), town.dispatch(complaint_id, T0, "pdam")
    town.report(one, T0 + HOUR)
    town.report(two, T0 + HOUR)
    town.report_arrives(one, T0 + 2 * HOUR)
    town.word(complaint_id, Outcome.SOLVED, T0 + 3 * HOUR)
    assert town.state(complaint_id) is ComplaintState.ANSWERED
    town.report_arrives(two, T0 + 4 * HOUR)
    assert town.state(complaint_id) is ComplaintState.CLOSED
    assert {town.ticket(t).state for t in (one, two)} == {TicketState.CLOSED}


def test_a_returned_ticket_needs_no_report_and_is_not_closed(town: Town) -> None:
    complaint_id = town.complaint()
    one, two = town.dispatch(complaint_id), town.dispatch(complaint_id, T0, "pdam")
    town.return_(two, T0 + HOUR)
    town.report(one, T0 + HOUR)
    town.settle(complaint_id, T0 + HOUR)
    town.report_arrives(one, T0 + 2 * HOUR)
    town.word(complaint_id, Outcome.SOLVED, T0 + 3 * HOUR)
    assert town.state(complaint_id) is ComplaintState.CLOSED
    assert town.ticket(two).state is TicketState.RETURNED


def test_nobody_is_asked_before_every_agency_has_answered(town: Town) -> None:
    complaint_id = town.complaint()
    one, two = town.dispatch(complaint_id), town.dispatch(complaint_id, T0, "pdam")
    town.respond(one, T0 + HOUR)
    for verb in (
        lambda: town.asked(complaint_id, T0 + HOUR),
        lambda: town.word(complaint_id, Outcome.SOLVED, T0 + HOUR),
        lambda: town.word(complaint_id, Outcome.NOT_SOLVED, T0 + HOUR),
    ):
        with pytest.raises(Refused):
            verb()
    town.respond(two, T0 + 2 * HOUR)
    town.asked(complaint_id, T0 + 2 * HOUR)
    with pytest.raises(NotFound):
        town.asked(10**6, T0)


def test_silence_is_not_a_word_that_anybody_can_say(town: Town, reported: int) -> None:
    with pytest.raises(Refused) as refused:
        town.word(reported, Outcome.UNCONFIRMED, T0 + 3 * HOUR)
    assert refused.value.field == "outcome"
    assert _is(town, reported) == (ComplaintState.ANSWERED, None)


# ---------------------------------------------------------------- silence


def test_silence_closes_as_unconfirmed_after_its_days_never_earlier(
    town: Town, reported: int
) -> None:
    town.asked(reported, T0 + DAY)
    assert town.close(T0 + DAY + SILENCE - TICK) == 0
    assert _is(town, reported) == (ComplaintState.ANSWERED, None)
    assert town.close(T0 + DAY + SILENCE) == 1
    assert town.close(T0 + DAY + SILENCE) == 0
    assert _is(town, reported) == (ComplaintState.CLOSED, Outcome.UNCONFIRMED)
    assert [h.why for h in town.history(verb="close", ticket_id=None)] == ["unconfirmed"]


def test_who_was_never_asked_is_never_closed(town: Town, reported: int) -> None:
    town.clock(T0 + 400 * DAY)
    assert _is(town, reported) == (ComplaintState.ANSWERED, None)


def test_asked_again_the_days_begin_again(town: Town, reported: int) -> None:
    town.asked(reported, T0 + DAY)
    town.asked(reported, T0 + 2 * DAY)
    town.close(T0 + 2 * DAY + SILENCE - TICK)
    assert town.state(reported) is ComplaintState.ANSWERED
    town.close(T0 + 2 * DAY + SILENCE)
    assert town.state(reported) is ComplaintState.CLOSED


def test_silence_waits_for_every_report(town: Town, handled: int) -> None:
    town.asked(handled, T0 + DAY)
    town.clock(T0 + 10 * DAY)
    assert _is(town, handled) == (ComplaintState.ANSWERED, None)
    town.report_arrives(_ticket(town, handled), T0 + 11 * DAY)
    assert town.state(handled) is ComplaintState.ANSWERED
    town.clock(T0 + 11 * DAY)
    assert _is(town, handled) == (ComplaintState.CLOSED, Outcome.UNCONFIRMED)


def test_a_new_agency_after_asking_takes_the_question_back(town: Town, reported: int) -> None:
    town.asked(reported, T0 + DAY)
    second = town.dispatch(reported, T0 + DAY, "pdam")
    town.report(second, T0 + DAY + HOUR)
    town.report_arrives(second, T0 + DAY + HOUR)
    town.clock(T0 + 30 * DAY)
    assert _is(town, reported) == (ComplaintState.ANSWERED, None)


def test_two_clocks_close_once(town: Town) -> None:
    silent = []
    for _ in range(4):
        complaint_id = town.complaint()
        ticket_id = town.dispatch(complaint_id)
        town.report(ticket_id, T0)
        town.report_arrives(ticket_id, T0)
        town.asked(complaint_id, T0)
        silent.append(complaint_id)
    came = together(*(lambda: town.close(T0 + SILENCE) for _ in range(3)))
    assert not [one for one in came if isinstance(one, Exception)], came
    assert [h.complaint_id for h in town.history(verb="close", ticket_id=None)] == silent


def test_the_citizens_word_and_the_end_of_their_silence_at_the_same_moment(town: Town) -> None:
    for word in (Outcome.SOLVED, Outcome.NOT_SOLVED) * 3:
        complaint_id = town.complaint()
        ticket_id = town.dispatch(complaint_id)
        town.report(ticket_id, T0)
        town.report_arrives(ticket_id, T0)
        town.asked(complaint_id, T0)
        came = together(
            lambda c=complaint_id, w=word: town.word(c, w, T0 + SILENCE),
            lambda: town.close(T0 + SILENCE),
        )
        states = _is(town, complaint_id)
        if word is Outcome.NOT_SOLVED:
            assert states == (ComplaintState.REOPENED, Outcome.NOT_SOLVED)
            assert came[0] is None
        elif isinstance(came[0], Refused):  # the silence was over first
            assert states == (ComplaintState.CLOSED, Outcome.UNCONFIRMED)
        else:
            assert (came[0], *states) == (None, ComplaintState.CLOSED, Outcome.SOLVED)


def test_a_complaint_that_cannot_be_closed_holds_up_no_other(
    town: Town, reported: int, caplog: pytest.LogCaptureFixture
) -> None:
    town.asked(reported, T0 + DAY)
    emergency = town.complaint(urgency="emergency")
    ticket_id = town.dispatch(emergency)
    town.report(ticket_id, T0)
    town.report_arrives(ticket_id, T0)
    town.asked(emergency, T0 + DAY)
    town.rules = replace(town.rules, ladders={Urgency.REPORT: town.rules.ladders[Urgency.REPORT]})
    assert town.close(T0 + 10 * DAY) == 1
    assert town.state(reported) is ComplaintState.CLOSED
    assert _is(town, emergency) == (ComplaintState.ANSWERED, None)
    assert "closing a complaint failed" in caplog.text


# ---------------------------------------------------------------- no


def test_a_no_reopens_and_the_next_round_has_its_own_window(town: Town, reported: int) -> None:
    first = _ticket(town, reported)
    town.asked(reported, T0 + DAY)
    town.word(reported, Outcome.NOT_SOLVED, T0 + 2 * DAY)
    assert _is(town, reported) == (ComplaintState.REOPENED, Outcome.NOT_SOLVED)
    town.clock(T0 + 30 * DAY)
    assert town.state(reported) is ComplaintState.REOPENED
    second = town.dispatch(reported, T0 + 30 * DAY)
    assert _is(town, reported) == (ComplaintState.DISPATCHED, None)
    assert town.ticket(second).due_at == T0 + 31 * DAY
    assert standing(town.ticket(first).times, T0 + 31 * DAY) is Standing.MET
    assert town.told(second) == [("dispatch", "pupr_1")]
    assert standing(town.ticket(second).times, T0 + 31 * DAY) is Standing.MISSED


def test_late_stays_late_through_a_reopening(town: Town) -> None:
    complaint_id = town.complaint()
    first = town.dispatch(complaint_id)
    town.report(first, T0 + DAY)
    town.report_arrives(first, T0 + DAY)
    town.word(complaint_id, Outcome.NOT_SOLVED, T0 + 2 * DAY)
    second = town.dispatch(complaint_id, T0 + 2 * DAY)
    town.report(second, T0 + 2 * DAY + HOUR)
    town.report_arrives(second, T0 + 2 * DAY + HOUR)
    town.word(complaint_id, Outcome.SOLVED, T0 + 3 * DAY)
    assert town.state(complaint_id) is ComplaintState.CLOSED
    assert standing(town.ticket(first).times, T0 + 9 * DAY) is Standing.MISSED
    assert standing(town.ticket(second).times, T0 + 9 * DAY) is Standing.MET
    assert {town.ticket(t).state for t in (first, second)} == {TicketState.CLOSED}


def test_a_no_after_a_yes_that_waited_for_the_report_reopens(town: Town, handled: int) -> None:
    town.word(handled, Outcome.SOLVED, T0 + 2 * HOUR)
    town.word(handled, Outcome.NOT_SOLVED, T0 + 3 * HOUR)
    town.report_arrives(_ticket(town, handled), T0 + 4 * HOUR)
    assert _is(town, handled) == (ComplaintState.REOPENED, Outcome.NOT_SOLVED)
    assert town.ticket(_ticket(town, handled)).state is TicketState.REPORTED


@pytest.mark.parametrize("before", [Outcome.SOLVED, None])
def test_a_no_after_closing_reopens_it_too(
    town: Town, reported: int, before: Outcome | None
) -> None:
    if before:
        town.word(reported, before, T0 + DAY)
    else:
        town.asked(reported, T0)
        town.clock(T0 + 4 * DAY)
    assert town.state(reported) is ComplaintState.CLOSED
    with pytest.raises(Refused):
        town.word(reported, Outcome.SOLVED, T0 + 5 * DAY)
    town.word(reported, Outcome.NOT_SOLVED, T0 + 5 * DAY)
    found = town.found(reported)
    assert (found.state, found.outcome) == (ComplaintState.REOPENED, Outcome.NOT_SOLVED)
    assert found.closed_at is found.asked_at is None
    second = town.dispatch(reported, T0 + 6 * DAY)
    town.report(second, T0 + 6 * DAY)
    town.report_arrives(second, T0 + 6 * DAY)
    town.word(reported, Outcome.SOLVED, T0 + 7 * DAY)
    assert town.found(reported).closed_at == T0 + 7 * DAY


def test_words_are_in_the_history(town: Town, reported: int) -> None:
    town.asked(reported, T0 + DAY)
    town.word(reported, Outcome.NOT_SOLVED, T0 + 2 * DAY)
    rows = [(h.verb, h.from_state, h.to_state, h.why) for h in town.history(ticket_id=None)]
    assert rows[-3:] == [
        ("asked", "", "", ""),
        ("word", "", "", "not_solved"),
        ("reopen", "answered", "reopened", ""),
    ]
    assert town.count(History) == len(town.history())


# ---------------------------------------------------------------- with the clock in between


@POSTGRES
def test_a_step_that_is_taken_meanwhile_does_not_break_the_closing(
    town: Town, database: Database, reported: int
) -> None:
    """A rung that never ends: the clock changes the ticket after it was read for closing."""
    ladders = town.rules.ladders
    rung = Step("yearly", 30 * DAY, (Post.HEAD,), Until.NEVER)
    steps: Sequence[Step] = (*ladders[Urgency.REPORT], rung)
    town.rules = replace(town.rules, ladders={**ladders, Urgency.REPORT: tuple(steps)})
    ticket_id = _ticket(town, reported)
    with town.store.write() as db:
        escalation.reschedule(db.get_one(Ticket, ticket_id), town.rules)
    operator = Stops(database, "FROM tickets WHERE %(param_1)s::INTEGER = tickets.complaint_id")

    def word() -> None:
        with operator.store.write() as db:
            closing.word(
                db,
                reported,
                Outcome.SOLVED,
                actor="operator",
                now=T0 + 31 * DAY,
                rules=town.rules,
            )

    def step() -> None:
        assert operator.reached.wait(10)
        town.steps(T0 + 31 * DAY)
        operator.go_on.set()

    works: list[Callable[[], object]] = [word, step]
    assert together(*works) == [None, None]
    assert town.state(reported) is ComplaintState.CLOSED
    assert town.ticket(ticket_id).next_step_at is None
