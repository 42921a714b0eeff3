"""Callers and operators, by real calls: the queue, the telephones, the conversation, and kills.

One exchange and one line process for the file; the operators' word is given as the console gives
it, through the services.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from callcenter.domain import call_back
from callcenter.domain.presence import NO_ANSWER, Phone, State
from callcenter.services import presences, receipts
from callcenter.store.models import Notice, Recording
from callcenter.store.operator_models import OperatorCall
from ivr.caller.hearing import contains
from ivr.caller.script import read_audio
from ivr.numbers import format_number
from tests.line.asterisk import until
from tests.line.desk import Desk, Talk
from tests.line.noises import RATE, noise
from tests.line.operating import Caller, Hotline
from tests.line.softphone import SILENCE, alaw, speech

pytestmark = [pytest.mark.line, pytest.mark.timeout(200)]

GREETING = noise("id", "what the operator says")
STORY = noise("id", "what the caller says")
GREETS = SILENCE * 25 + alaw(GREETING / 32768)  # nobody speaks as they lift the receiver
NOBODY = {"answers": lambda _caller: False}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hotline]:
    hotline = Hotline(tmp_path_factory.mktemp("operators"))
    try:
        hotline.start()
        hotline.has_talked("0810000", seconds=90)
        yield hotline
    finally:
        hotline.stop()


@pytest.fixture
def hotline(deployment: Hotline) -> Iterator[Hotline]:
    """Nobody is signed in before a test, and nobody after it."""
    yield deployment
    for username in ("operator", "operator2"):
        with deployment.store.read() as db:
            there = presences.of(db, deployment.user(username))
        if there is not None and there.state is not State.OUT:
            deployment.signs_out(username)


@pytest.mark.endurance
def test_nobody_signed_in_and_the_caller_records(hotline: Hotline) -> None:
    with hotline.calls("0811001") as caller:
        caller.asks_for_an_operator()
        caller.at("operators", "no_operator", "ask_complaint", "record_complaint")
        assert caller.heard("no_operator") and not caller.heard("operators")
        caller.call.say(speech(2))
        caller.at("review")
        caller.call.hang_up()
    call = hotline.filed("0811001")
    assert call.complaint and hotline.call_back(call) is None


@pytest.mark.endurance
def test_who_waits_hears_place_and_wait_in_their_language_and_is_offered_something_else(
    hotline: Hotline,
) -> None:
    """The operator talks with one caller: two wait, the next one is one too many."""
    with (
        hotline.at_the_desk("op1", Desk(talk_s=120)) as desk,
        hotline.calls("0811010") as talks,
        ExitStack() as stack,
    ):
        hotline.signs_in("operator", "op1")
        talks.asks_for_an_operator()
        assert desk.talk("0811010", 20).answered.wait(5)
        first, second, third = (
            _asks(hotline, stack, caller, language)
            for caller, language in (("0811011", "1"), ("0811012", "2"), ("0811013", "3"))
        )
        third.at("operators", "no_operator", "record_complaint")
        assert third.heard("no_operator", language="en")
        told = ("operators", "queue_position", "queue_wait")
        assert first.missed(*told) == [] and second.missed(*told, language="ban") == []
        until(lambda: first.heard("digit_1"))  # a lost frame hides a digit; it comes again
        until(lambda: second.heard("digit_2", language="ban"))
        row = until(lambda: hotline.talk("0811012"))
        assert (row.language, row.answered_at, row.ended_at) == ("ban", None, None)
        second.at("queue_offer")
        until(lambda: second.heard("queue_offer", language="ban"))
        second.press("2")
        second.at("call_back", "served")
        first.call.hang_up()
        until(lambda: _over(hotline, "0811011"))
        assert not _over(hotline, "0811010")
    for caller, reason in (
        ("0811011", call_back.Reason.ABANDONED),
        ("0811012", call_back.Reason.ASKED),
    ):
        call = hotline.filed(caller)
        entry = hotline.call_back(call)
        assert entry and entry.reason is reason
        assert call.complaint is None and not call.silent


def _asks(hotline: Hotline, stack: ExitStack, caller: str, language: str) -> Caller:
    """One more caller, who asks for an operator and gets as far as possible."""
    calling = stack.enter_context(hotline.calls(caller))
    calling.asks_for_an_operator(language)
    until(lambda: {"queue", "no_operator"} & set(calling.steps), 20)
    return calling


def _over(hotline: Hotline, caller: str) -> bool:
    row = hotline.talk(caller)
    return row is not None and row.ended_at is not None


@pytest.mark.endurance
def test_a_telephone_that_is_not_answered_is_paused_and_the_caller_records(
    hotline: Hotline,
) -> None:
    with hotline.at_the_desk("op1", Desk(**NOBODY)):
        hotline.signs_in("operator", "op1")
        with hotline.calls("0811021") as caller:
            caller.asks_for_an_operator()
            caller.at("queue", "no_operator", "record_complaint")
        told = until(lambda: _paused(hotline))
        assert told == NO_ANSWER
        assert not hotline.queue_has("op1")
        hotline.is_ready("operator")
        until(lambda: hotline.queue_has("op1"))


def _paused(hotline: Hotline) -> str | None:
    presence = hotline.presence("operator")
    return presence.reason if presence.state is State.PAUSED else None


@pytest.mark.endurance
@pytest.mark.parametrize(
    ("caller", "status"), [("0811022", "486 Busy Here"), ("0811023", "603 Decline")]
)
def test_a_telephone_that_refuses_sends_the_caller_on_at_once(
    hotline: Hotline, caller: str, status: str
) -> None:
    with hotline.at_the_desk("op1", Desk(refuses=status)):
        hotline.signs_in("operator", "op1")
        with hotline.calls(caller) as calling:
            calling.asks_for_an_operator()
            calling.at("queue", "no_operator", "record_complaint")
        assert until(lambda: _paused(hotline)) == NO_ANSWER


@pytest.mark.endurance
def test_a_refused_call_goes_to_another_operator(hotline: Hotline) -> None:
    with (
        hotline.at_the_desk("op1", Desk(refuses="486 Busy Here")),
        hotline.at_the_desk("op2", Desk(talk_s=60)) as other,
    ):
        hotline.signs_in("operator", "op1")
        hotline.signs_in("operator2", "op2")
        with hotline.calls("0811024") as caller:
            caller.asks_for_an_operator()
            assert other.talk("0811024", 20).answered.wait(5)
            row = until(lambda: _answered(hotline, "0811024"))
            assert row.extension == "op2"
            other.hang_up("0811024")
            caller.at("tell_number")


def _answered(hotline: Hotline, caller: str) -> OperatorCall | None:
    row = hotline.talk(caller)
    return row if row and row.answered_at else None


@pytest.mark.endurance
def test_a_telephone_that_drops_while_it_rings_sends_the_caller_on(hotline: Hotline) -> None:
    with hotline.at_the_desk("op1", Desk(**NOBODY)) as desk:
        hotline.signs_in("operator", "op1")
        with hotline.calls("0811025") as caller:
            caller.asks_for_an_operator()
            desk.talk("0811025")
            desk.vanish()
            caller.at("queue", "no_operator", "record_complaint")


@pytest.mark.endurance
def test_the_emergency_key_works_while_waiting(hotline: Hotline) -> None:
    with hotline.at_the_desk("op1", Desk(**NOBODY)) as desk:
        hotline.signs_in("operator", "op1")
        with hotline.calls("0811041") as caller:
            caller.asks_for_an_operator()
            desk.talk("0811041")
            caller.press("*")
            caller.at("queue", "emergency", "record_complaint")


# ---------------------------------------------------------------- the operator's word


@pytest.mark.endurance
def test_pause_ready_and_out_reach_the_exchange(hotline: Hotline) -> None:
    with hotline.at_the_desk("op1", Desk()):
        hotline.signs_in("operator", "op1")
        until(lambda: hotline.presence("operator").phone is Phone.FREE)
        hotline.pauses("operator", "prayer")
        until(lambda: hotline.board().members["op1"].reason == "prayer")
        hotline.is_ready("operator")
        until(lambda: hotline.queue_has("op1"))
        hotline.signs_out("operator")
        assert hotline.board().members == {}


@pytest.mark.endurance
def test_the_exchange_is_told_again_after_its_restart(hotline: Hotline) -> None:
    with hotline.at_the_desk("op1", Desk()) as desk:
        hotline.signs_in("operator", "op1")
        hotline.signs_in("operator2", "op2")
        hotline.pauses("operator2", "meal")
        until(lambda: hotline.board().members["op2"].reason == "meal")
        until(lambda: hotline.remembers(desk))
        hotline.pbx.kill9()
        until(lambda: hotline.presence("operator").phone is Phone.UNKNOWN)
        hotline.pbx.run()
        until(lambda: hotline.queue_has("op1", phone=Phone.FREE), 20)
        until(lambda: hotline.board().members["op2"].reason == "meal")
        until(lambda: hotline.presence("operator").phone is Phone.FREE)


# ---------------------------------------------------------------- the conversation


def test_a_conversation_is_a_complaint_at_once_and_recorded_whole(hotline: Hotline) -> None:
    """The operator hangs up first; the caller hears the number, and again on a key."""
    with hotline.at_the_desk("op1", Desk(say=GREETS, talk_s=60)) as desk:
        hotline.signs_in("operator", "op1")
        with hotline.calls("0812001") as caller:
            caller.asks_for_an_operator()
            talk = desk.talk("0812001", 20)
            assert talk.answered.wait(5)
            row = until(lambda: _answered(hotline, "0812001"))
            (draft,) = hotline.complaints("0812001")
            assert (row.user_id, row.ended_at) == (hotline.user("operator"), None)
            assert row.call.complaint and row.call.complaint.id == draft.id
            assert draft.public_number == row.call.public_number
            until(lambda: contains(caller.samples(), GREETING))
            _tells(caller, talk)
            desk.hang_up("0812001")
            caller.at("tell_number", "tell_again", "repeat")
            caller.press("1")
            caller.at("repeat", "tell_again", "repeat")
            assert caller.call.ended.wait(20)
            assert caller.numbers().count(draft.public_number) == 3
    call = hotline.filed("0812001")
    assert [each.id for each in hotline.complaints("0812001")] == [draft.id]
    (audio,) = hotline.audio(call, "talk")
    recorded = read_audio(audio)
    assert contains(recorded, GREETING) and contains(recorded, STORY)
    assert _over(hotline, "0812001")


def _tells(caller: Caller, talk: Talk) -> None:
    """The caller speaks, and the operator has heard it and half a second more."""
    caller.call.say(alaw(STORY / 32768))
    until(lambda: contains(talk.samples(), STORY))
    heard = len(talk.heard)
    until(lambda: len(talk.heard) > heard + 25)


@pytest.mark.endurance
def test_who_hangs_up_first_gets_the_number_as_a_message(hotline: Hotline) -> None:
    with hotline.at_the_desk("op1", Desk(talk_s=60)) as desk:
        hotline.signs_in("operator", "op1")
        with hotline.calls("081234567001") as caller:
            caller.asks_for_an_operator()
            assert desk.talk("081234567001", 20).answered.wait(5)
            until(lambda: _answered(hotline, "081234567001"))
            assert _receipt(hotline, "081234567001") is None  # they are still talking
            caller.call.hang_up()
            assert desk.talk("081234567001").over.wait(5)
    call = hotline.filed("081234567001")
    assert len(hotline.audio(call, "talk")) == 1 and not call.number_heard
    receipt = _receipt(hotline, "081234567001")
    assert receipt and call.complaint
    assert format_number(call.complaint.public_number) in receipt.body


def _receipt(hotline: Hotline, caller: str) -> Notice | None:
    """As the clock does it."""
    with hotline.store.write() as db:
        receipts.write_receipts(db, now=datetime.now(UTC), rules=hotline.wiring.receipt_rules)
    (complaint,) = hotline.complaints(caller)
    with hotline.store.read() as db:
        return db.scalars(select(Notice).where(Notice.complaint_id == complaint.id)).one_or_none()


@pytest.mark.endurance
def test_the_application_is_killed_while_they_talk(hotline: Hotline) -> None:
    """They talk on; the exchange reads the number; the recording comes to the same complaint."""
    with hotline.at_the_desk("op1", Desk(talk_s=60)) as desk:
        hotline.signs_in("operator", "op1")
        with hotline.calls("0812003") as caller:
            caller.asks_for_an_operator()
            talk = desk.talk("0812003", 20)
            assert talk.answered.wait(5)
            until(lambda: _answered(hotline, "0812003"))
            (draft,) = hotline.complaints("0812003")
            hotline.line.end(signal.SIGKILL)
            _tells(caller, talk)
            desk.hang_up("0812003")
            assert caller.call.ended.wait(20)
            assert draft.public_number in caller.numbers()
            assert not contains(caller.samples(), noise("id", "fallback_intro"))
        hotline.begin()
    call = hotline.filed("0812003")
    assert [each.id for each in hotline.complaints("0812003")] == [draft.id]
    assert call.mode == "fallback-died" and call.number_heard
    (audio,) = hotline.audio(call, "talk")
    assert contains(read_audio(audio), STORY)
    until(lambda: _over(hotline, "0812003"))


@pytest.mark.endurance
def test_the_exchange_is_killed_while_they_talk(hotline: Hotline) -> None:
    with hotline.at_the_desk("op1", Desk(talk_s=60)) as desk:
        hotline.signs_in("operator", "op1")
        with hotline.calls("0812004") as caller:
            caller.asks_for_an_operator()
            assert desk.talk("0812004", 20).answered.wait(5)
            caller.call.say(speech(30))
            until(lambda: _answered(hotline, "0812004"))
            (draft,) = hotline.complaints("0812004")
            until(lambda: _talk_bytes(hotline) > 5 * 2 * RATE, 20)
            hotline.pbx.kill9()
            hotline.pbx.run()
    filed = until(lambda: _repaired(hotline), 20)
    assert filed.seconds > 4
    assert [each.id for each in hotline.complaints("0812004")] == [draft.id]
    until(lambda: _over(hotline, "0812004"))


def _talk_bytes(hotline: Hotline) -> int:
    return max((path.stat().st_size for path in hotline.pbx.spool.glob("*_talk-*.wav")), default=0)


def _repaired(hotline: Hotline) -> Recording | None:
    with hotline.store.read() as db:
        return db.scalars(
            select(Recording).where(Recording.kind == "talk", Recording.repaired)
        ).first()
