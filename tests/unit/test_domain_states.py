"""The lives of a complaint and a ticket, told state by state; the tables must tell the same."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain import complaint, ticket
from callcenter.domain.complaint import ComplaintState, NotAllowed, all_answered, all_reported
from callcenter.domain.ticket import FINAL, TicketNotAllowed, TicketState, verbs_from

C, T = ComplaintState, TicketState

#: What may be done with a ticket in each state, and where it leads.
TICKET: dict[str, dict[str, str]] = {
    "dispatched": {
        "accept": "accepted",
        "respond": "responded",
        "handle": "handled",
        "return": "returned",
    },
    "accepted": {"respond": "responded", "handle": "handled", "return": "returned"},
    "responded": {"start": "in_progress", "wait": "waiting", "handle": "handled"},
    "waiting": {
        "prolong": "waiting",
        "start": "in_progress",
        "wake": "in_progress",
        "handle": "handled",
    },
    "in_progress": {"wait": "waiting", "handle": "handled"},
    "handled": {"report": "reported"},
    "reported": {"close": "closed"},
    "closed": {},
    "returned": {},
}

#: The same for a complaint. Saving at the desk again, a second ticket, another answer: no change.
COMPLAINT: dict[str, dict[str, str]] = {
    "received": {
        "transcribe": "transcribed",
        "reject": "not_actionable",
        "merge": "merged",
    },
    "transcribed": {
        "transcribe": "transcribed",
        "categorise": "categorised",
        "reject": "not_actionable",
        "merge": "merged",
    },
    "categorised": {
        "transcribe": "categorised",
        "categorise": "categorised",
        "dispatch": "dispatched",
        "reject": "not_actionable",
        "merge": "merged",
    },
    "dispatched": {"dispatch": "dispatched", "return": "categorised", "answer": "answered"},
    "answered": {
        "dispatch": "dispatched",
        "return": "categorised",
        "answer": "answered",
        "close": "closed",
        "reopen": "reopened",
    },
    "closed": {"reopen": "reopened"},
    "reopened": {"dispatch": "dispatched"},
    "merged": {},
    "not_actionable": {},
}


def _verbs(life: dict[str, dict[str, str]]) -> list[str]:
    return sorted({verb for steps in life.values() for verb in steps})


def _reach(life: dict[str, dict[str, str]], start: str, without: str = "") -> set[str]:
    """Every state that some course of things leads to, never passing `without`."""
    seen, ahead = set[str](), [start]
    while ahead:
        state = ahead.pop()
        if state not in seen and state != without:
            seen.add(state)
            ahead += life[state].values()
    return seen


# ---------------------------------------------------------------- every pair


def test_the_stories_tell_of_every_state_and_every_verb() -> None:
    assert set(TICKET) == set(TicketState)
    assert set(COMPLAINT) == set(ComplaintState)
    assert _verbs(TICKET) == sorted(ticket.TRANSITIONS)
    assert _verbs(COMPLAINT) == sorted(complaint.TRANSITIONS)


@pytest.mark.parametrize(("state", "verb"), list(product(TicketState, [*_verbs(TICKET), "undo"])))
def test_a_ticket_goes_where_its_story_says_or_nowhere(state: TicketState, verb: str) -> None:
    if verb in TICKET[state]:
        assert ticket.advance(state, verb) is TicketState(TICKET[state][verb])
    else:
        with pytest.raises(TicketNotAllowed) as refused:
            ticket.advance(state, verb)
        assert (refused.value.verb, refused.value.state) == (verb, state)


@pytest.mark.parametrize(
    ("state", "verb"), list(product(ComplaintState, [*_verbs(COMPLAINT), "undo"]))
)
def test_a_complaint_goes_where_its_story_says_or_nowhere(state: ComplaintState, verb: str) -> None:
    if verb in COMPLAINT[state]:
        assert complaint.advance(state, verb) is ComplaintState(COMPLAINT[state][verb])
    else:
        with pytest.raises(NotAllowed) as refused:
            complaint.advance(state, verb)
        told = (refused.value.thing, refused.value.verb, refused.value.state)
        assert told == ("complaint", verb, state)


@pytest.mark.parametrize("state", list(TicketState))
def test_the_verbs_of_a_ticket_are_those_of_its_story(state: TicketState) -> None:
    assert verbs_from(state) == set(TICKET[state])


# ---------------------------------------------------------------- what the stories promise


def test_no_ticket_closes_without_its_report() -> None:
    assert "closed" in _reach(TICKET, "dispatched")
    assert "closed" not in _reach(TICKET, "dispatched", without="reported")
    assert "reported" not in _reach(TICKET, "dispatched", without="handled")


def test_the_work_may_wait_but_never_the_answer() -> None:
    assert "waiting" not in _reach(TICKET, "dispatched", without="responded")


def test_whoever_has_answered_cannot_send_the_ticket_back() -> None:
    for state in ("responded", "waiting", "in_progress", "handled", "reported"):
        assert "returned" not in _reach(TICKET, state)


def test_every_ticket_can_still_be_brought_to_its_end() -> None:
    for state in set(TICKET) - {"returned"}:
        assert "closed" in _reach(TICKET, state)
    assert {state for state in TicketState if not TICKET[state]} == FINAL


def test_no_complaint_closes_unanswered() -> None:
    assert "closed" in _reach(COMPLAINT, "received")
    assert "closed" not in _reach(COMPLAINT, "received", without="answered")
    assert "dispatched" not in _reach(COMPLAINT, "received", without="categorised")


def test_a_citizen_who_says_no_reopens_it_even_when_it_was_closed() -> None:
    assert complaint.advance(C.ANSWERED, "reopen") is C.REOPENED
    assert complaint.advance(C.CLOSED, "reopen") is C.REOPENED
    assert "closed" in _reach(COMPLAINT, "reopened")


def test_what_was_sent_off_is_never_thrown_away() -> None:
    assert [s for s in COMPLAINT if "reject" in COMPLAINT[s]] == [
        "received",
        "transcribed",
        "categorised",
    ]


# ---------------------------------------------------------------- a complaint of several tickets

tickets = st.lists(st.sampled_from(TicketState), max_size=5)


@given(tickets)
def test_a_complaint_is_answered_when_no_agency_owes_an_answer(states: list[TicketState]) -> None:
    owed = [s for s in states if s in (T.DISPATCHED, T.ACCEPTED)]
    asked = [s for s in states if s is not T.RETURNED]
    assert all_answered(states) is (not owed and asked != [])


@given(tickets)
def test_a_complaint_is_reported_when_no_agency_owes_a_report(states: list[TicketState]) -> None:
    settled = sum(s in (T.REPORTED, T.CLOSED) for s in states)
    sent_back = states.count(T.RETURNED)
    assert all_reported(states) is (settled > 0 and settled + sent_back == len(states))


@given(tickets, st.randoms())
def test_the_order_of_the_tickets_does_not_matter(
    states: list[TicketState], random: Random
) -> None:
    shuffled = states[:]
    random.shuffle(shuffled)
    assert all_answered(shuffled) is all_answered(states)
    assert all_reported(shuffled) is all_reported(states)
