"""Calls at Twilio on both databases: what is told twice, or by two at once, is told once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from sqlalchemy import func, select

from callcenter.services import twilio_calls
from callcenter.services.twilio_calls import Request, TwilioLine
from callcenter.store.line_models import TwilioCall, TwilioRecording
from callcenter.store.session import Store
from ivr.flow import Clip
from ivr.menu import build_menu
from ivr.twilio import Addresses

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SID, RECORDING = "CA" + "1" * 32, "RE" + "1" * 32
LINE = TwilioLine(build_menu(), lambda _: Addresses("https://x/twilio", str))


def ask(store: Store, step: int | None, call_sid: str = SID, **form: str) -> str:
    told = {"From": "+6281234567890", **form}
    return twilio_calls.answer(store, Request(call_sid, step, 0, told), LINE, now=NOW)


def at_once(work: Callable[[int], object], times: int = 8) -> list[object]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))


def test_eight_first_requests_are_one_call_and_take_one_number(store: Store) -> None:
    assert len(set(at_once(lambda _: ask(store, None)))) == 1
    ask(store, None, "CA" + "2" * 32)
    with store.read() as db:
        first, second = db.scalars(select(TwilioCall).order_by(TwilioCall.call_sid))
    assert int((second.public_number or "")[:-1]) == int((first.public_number or "")[:-1]) + 1


def test_eight_answers_to_one_question_are_one_event(store: Store) -> None:
    ask(store, None)
    assert len(set(at_once(lambda key: ask(store, 0, Digits=str(key % 3 + 1))))) == 1
    with store.read() as db:
        assert len(db.get_one(TwilioCall, SID).events) == 1


def test_eight_words_about_one_recording_are_one_recording(store: Store) -> None:
    at_once(lambda _: twilio_calls.recorded(store, SID, RECORDING, "complaint-1", now=NOW))
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(TwilioRecording)) == 1


def test_two_recordings_of_one_clip_are_two_takes(store: Store) -> None:
    sids = [f"RE{number:032x}" for number in range(6)]
    at_once(lambda n: twilio_calls.recorded(store, SID, sids[n], "complaint-1", now=NOW), 6)
    with store.read() as db:
        takes = list(db.scalars(select(TwilioRecording.take).order_by(TwilioRecording.take)))
    assert takes == [1, 2, 3, 4, 5, 6]


def test_the_end_of_a_call_is_written_once(store: Store) -> None:
    ask(store, None)
    at_once(lambda _: twilio_calls.hung_up(store, SID, "completed", now=NOW))
    twilio_calls.hung_up(store, SID, "ringing", now=NOW)
    with store.read() as db:
        call = db.get_one(TwilioCall, SID)
    assert [kept["event"] for kept in call.events] == ["HungUp"]
    assert call.ended_at == NOW


def test_names_of_clips_are_ours_or_none() -> None:
    assert twilio_calls.clip_from("talk-2") == Clip("talk", 2)
    for name in ("", "complaint", "complaint-0", "../x-1", "citizen-1", "complaint-1\n", "name-٣"):
        assert twilio_calls.clip_from(name) is None
