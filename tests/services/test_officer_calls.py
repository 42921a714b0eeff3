"""Calls to officers and to citizens for closing: planned once, and what is said takes effect."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.complaint import Outcome as Solved
from callcenter.domain.out_call import Outcome, Purpose, State
from callcenter.domain.ticket import TicketState
from callcenter.gateways.channel import Arrival, Outgoing, TransportError
from callcenter.services import closing_calls, out_calls
from callcenter.services.call_channel import CallChannel
from callcenter.services.closing import close_due
from callcenter.services.intake import Clip, HeardCall
from callcenter.services.out_plans import Ground
from callcenter.store.models import Complaint, History, Ticket
from callcenter.store.outgoing_models import OutCall
from tests.services.calls import file
from tests.services.conftest import DAY, HOUR, MINUTE, T0, Town
from tests.services.test_callbacks import HOURS, local

DIAL = ("dial", "ANSWER")


def ground(town: Town, tries: int = 3) -> Ground:
    return Ground(HOURS, town.rules, town.folder, tries)


@pytest.fixture
def calling(town: Town) -> Town:
    """The town, where the ladder calls the duty officer and the next one."""
    ladders = {
        urgency: tuple(
            replace(step, call=step.key in ("dispatch", "next_officer")) for step in steps
        )
        for urgency, steps in town.rules.ladders.items()
    }
    town.rules = replace(town.rules, ladders=ladders)
    return town


def calls(town: Town) -> list[OutCall]:
    with town.store.read() as db:
        return list(db.scalars(select(OutCall).order_by(OutCall.id)).all())


def people(town: Town) -> list[str | None]:
    return [call.person_key for call in calls(town)]


def place(town: Town, at: datetime) -> str | None:
    """Place the next call; its id on the exchange."""
    with town.store.write() as db:
        placing = out_calls.next_to_place(db, at, node="pbx1", most=9, ground=ground(town))
        if placing is not None:
            out_calls.taken(db, placing)
    return placing.call_uid if placing else None


def over(
    town: Town,
    uid: str | None,
    at: datetime,
    *notes: tuple[str, str],
    tries: int = 3,
    clips: tuple[Clip, ...] = (),
) -> None:
    assert uid is not None
    call = HeardCall(
        call_uid=uid,
        line="pbx1",
        caller_raw="+628120000011",
        called="",
        started_at=at,
        ended_at=at,
        cause="16",
        mode="out",
        consent_at=None,
        number=None,
        number_heard=False,
        path=tuple((at.timestamp(), key, value) for key, value in notes),
        clips=clips,
    )
    file(town.store, call, now=at)
    with town.store.write() as db:
        out_calls.finish_filed(db, now=at, ground=ground(town, tries))


# ---------------------------------------------------------------- officers


def test_a_step_of_the_ladder_calls_its_people_once(calling: Town) -> None:
    calling.sent(T0)
    calling.clock(T0 + 16 * MINUTE)
    assert people(calling) == ["pupr_1", "pupr_2"]
    calling.clock(T0 + 17 * MINUTE)
    assert people(calling) == ["pupr_1", "pupr_2"]


def test_officers_are_called_at_night_too(calling: Town) -> None:
    calling.sent(local(2, 23))
    assert place(calling, local(2, 23)) is not None


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("accept", TicketState.ACCEPTED),
        ("return", TicketState.RETURNED),
        ("waiting", TicketState.ACCEPTED),
    ],
)
def test_what_an_officer_decides_takes_effect(calling: Town, word: str, state: TicketState) -> None:
    ticket = calling.sent(T0)
    over(calling, place(calling, T0), T0 + MINUTE, DIAL, ("officer", word))
    assert calling.ticket(ticket).state is state
    assert calls(calling)[0].word == word


@pytest.mark.parametrize(
    "notes", [(("dial", "NOANSWER"),), (("dial", "BUSY"),), (DIAL,), (("dial", "CONGESTION"),), ()]
)
def test_without_a_word_the_next_of_the_team_is_called(
    calling: Town, notes: tuple[tuple[str, str], ...]
) -> None:
    calling.sent(T0)
    over(calling, place(calling, T0), T0 + MINUTE, *notes)
    assert people(calling) == ["pupr_1", "pupr_2"]
    over(calling, place(calling, T0 + MINUTE), T0 + 2 * MINUTE, *notes)
    assert people(calling) == ["pupr_1", "pupr_2"]
    assert place(calling, T0 + 3 * MINUTE) is None


def test_who_is_not_needed_any_more_is_not_called(calling: Town) -> None:
    ticket = calling.sent(T0)
    calling.accept(ticket, T0 + MINUTE)
    assert place(calling, T0 + 2 * MINUTE) is None
    assert calls(calling)[0].outcome is Outcome.NEEDLESS


def test_a_word_that_comes_too_late_is_noted_and_changes_nothing(calling: Town) -> None:
    ticket = calling.sent(T0)
    uid = place(calling, T0)
    calling.accept(ticket, T0 + MINUTE)
    over(calling, uid, T0 + 2 * MINUTE, DIAL, ("officer", "accept"))
    assert calling.ticket(ticket).accepted_at == T0 + MINUTE
    assert people(calling) == ["pupr_1"]


# ---------------------------------------------------------------- closing


@pytest.fixture
def answered(town: Town) -> int:
    """A complaint that is answered and reported; its id."""
    ticket_id = town.sent(T0)
    with town.store.write() as db:
        ticket = db.get_one(Ticket, ticket_id)
        ticket.state, ticket.reported_at = TicketState.REPORTED, T0 + HOUR
        ticket.complaint.state = ComplaintState.ANSWERED
        return ticket.complaint_id


def plan(town: Town, at: datetime, tries: int = 3) -> int:
    with town.store.write() as db:
        return closing_calls.plan_due(db, now=at, ground=ground(town, tries))


def complaint(town: Town, complaint_id: int) -> Complaint:
    with town.store.read() as db:
        return db.get_one(Complaint, complaint_id)


def test_who_is_to_be_asked_is_asked_once(town: Town, answered: int) -> None:
    assert [plan(town, T0 + HOUR), plan(town, T0 + HOUR)] == [1, 0]
    [call] = calls(town)
    assert (call.purpose, call.telephone) == (Purpose.CLOSING, "+628123456789")


def test_without_tries_nobody_is_called(town: Town, answered: int) -> None:
    assert plan(town, T0 + HOUR, tries=0) == 0


def test_no_citizen_is_asked_at_night(town: Town, answered: int) -> None:
    plan(town, local(2, 21))
    assert place(town, local(2, 21)) is None
    assert place(town, local(3, 7, 59)) is None
    assert place(town, local(3, 8)) is not None


def test_a_no_reopens(town: Town, answered: int) -> None:
    plan(town, T0 + HOUR)
    over(town, place(town, T0 + HOUR), T0 + HOUR, DIAL, ("citizen", "not_solved"))
    assert complaint(town, answered).state is ComplaintState.REOPENED


def test_a_yes_closes(town: Town, answered: int) -> None:
    plan(town, T0 + HOUR)
    over(town, place(town, T0 + HOUR), T0 + HOUR, DIAL, ("citizen", "solved"))
    assert complaint(town, answered).outcome is Solved.SOLVED
    assert complaint(town, answered).state is ComplaintState.CLOSED


def test_silence_counts_only_after_the_last_try(town: Town, answered: int) -> None:
    at = T0 + HOUR
    plan(town, at)
    for number in (1, 2, 3):
        assert complaint(town, answered).asked_at is None
        over(town, place(town, at), at, ("dial", "NOANSWER"))
        assert len(calls(town)) == min(number + 1, 3)
        at = calls(town)[-1].not_before
    asked_at = complaint(town, answered).asked_at
    assert asked_at is not None
    with town.store.write() as db:
        assert close_due(db, now=asked_at + 3 * DAY, rules=town.rules) == 1
    assert complaint(town, answered).outcome is Solved.UNCONFIRMED


def test_nothing_is_closed_in_silence_while_a_try_is_to_come(town: Town, answered: int) -> None:
    town.asked(answered, T0 + HOUR)
    plan(town, T0 + 2 * HOUR)
    with town.store.write() as db:
        assert close_due(db, now=T0 + 10 * DAY, rules=town.rules) == 0


@pytest.mark.parametrize("why", ["a report is missing", "a number of another country"])
def test_who_cannot_be_asked_yet_keeps_nobody_else_waiting(
    town: Town, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Work that waits for a budget stays answered and unreported for months."""
    monkeypatch.setattr(closing_calls, "_BATCH", 1)
    ids = [town.sent(T0), town.sent(T0)]
    with town.store.write() as db:
        for number, ticket in enumerate(db.get_one(Ticket, ticket_id) for ticket_id in ids):
            ticket.state, ticket.complaint.state = TicketState.REPORTED, ComplaintState.ANSWERED
            if number == 0 and why == "a report is missing":
                ticket.state = TicketState.WAITING
            elif number == 0:
                ticket.complaint.reporter_phone = "+14155550100"
    assert plan(town, T0 + HOUR) == 1
    assert plan(town, T0 + HOUR) == 0


def _another(town: Town, complaint_id: int, state: TicketState) -> int:
    ticket_id = town.sent(T0)
    with town.store.write() as db:
        ticket = db.get_one(Ticket, ticket_id)
        ticket.state, ticket.complaint_id = state, complaint_id
    return ticket_id


def test_a_returned_ticket_needs_no_report_and_every_other_does(town: Town, answered: int) -> None:
    with town.store.write() as db:
        [ticket] = db.get_one(Complaint, answered).tickets
        ticket.state = TicketState.RETURNED
    assert plan(town, T0 + HOUR) == 0
    _another(town, answered, TicketState.REPORTED)
    waits = _another(town, answered, TicketState.WAITING)
    assert plan(town, T0 + HOUR) == 0
    with town.store.write() as db:
        db.get_one(Ticket, waits).state = TicketState.CLOSED
    assert plan(town, T0 + HOUR) == 1


def test_a_spoken_report_that_is_lost_is_noted_and_holds_up_nothing(calling: Town) -> None:
    ticket = calling.sent(T0)
    uid = place(calling, T0)
    clip = Clip("report", 1, "gone/report-1.wav", "0" * 64, 1, 3.0, 3.0)
    over(calling, uid, T0 + MINUTE, DIAL, ("officer", "report"), clips=(clip,))
    assert calls(calling)[0].state is State.ENDED
    with calling.store.read() as db:
        whys = db.scalars(select(History.why).where(History.ticket_id == ticket)).all()
    assert any(why.startswith("report: ") for why in whys)


def test_who_has_answered_meanwhile_is_not_called(town: Town, answered: int) -> None:
    plan(town, T0 + HOUR)
    town.word(answered, Solved.SOLVED, T0 + 2 * HOUR)
    assert place(town, T0 + 3 * HOUR) is None
    assert calls(town)[0].state is State.ENDED


# ---------------------------------------------------------------- the channel


def letter(key: str) -> Outgoing:
    return Outgoing(key, "+628120000011", "", "", "")


def test_a_notice_that_falls_back_to_a_call_is_the_ladders_own_call(calling: Town) -> None:
    ticket = calling.sent(T0)
    channel = CallChannel(calling.store)
    receipt = channel.send(letter(f"ticket:{ticket}:dispatch:pupr_1"))
    assert receipt.arrival is Arrival.SENT
    assert people(calling) == ["pupr_1"]
    over(calling, place(calling, T0), T0 + MINUTE, DIAL, ("officer", "accept"))
    assert channel.arrival(receipt.provider_id).arrival is Arrival.DELIVERED


def test_a_notice_is_called_once_however_often_it_is_sent(town: Town) -> None:
    key = f"ticket:{town.sent(T0)}:dispatch:pupr_1"
    channel = CallChannel(town.store)
    assert channel.find(letter(key), T0) is None
    assert channel.send(letter(key)) == channel.send(letter(key)) == channel.find(letter(key), T0)
    assert people(town) == ["pupr_1"]


def test_who_gives_no_word_was_not_reached(town: Town) -> None:
    key = f"ticket:{town.sent(T0)}:dispatch:pupr_1"
    receipt = CallChannel(town.store).send(letter(key))
    at = datetime.now(UTC)
    over(town, place(town, at), at, ("dial", "BUSY"))
    assert CallChannel(town.store).arrival(receipt.provider_id).arrival is Arrival.FAILED


@pytest.mark.parametrize("key", ["complaint:1:receipt", "ticket:1:dispatch:nobody", "nonsense"])
def test_what_no_officer_can_answer_by_keys_is_not_called(town: Town, key: str) -> None:
    town.sent(T0)
    with pytest.raises(TransportError) as refused:
        CallChannel(town.store).send(letter(key))
    assert refused.value.permanent
