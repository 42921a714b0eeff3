"""TwiML and back: what a document asks for, what a form means, and what is kept of a call."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.flow import (
    Ask,
    Bridge,
    Clip,
    Connected,
    Event,
    Failed,
    Finish,
    Found,
    Gather,
    HungUp,
    Listen,
    Lookup,
    NotFound,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    Spelled,
    Started,
)
from ivr.menu import Limits, build_menu
from ivr.nodes import ANY_KEY, Outcome
from ivr.twilio import Addresses, event_of, twiml
from ivr.walking import Standing, event_from, plain, walk

WHERE = Addresses("https://x/twilio", lambda clip: f"signed-{clip}", {"emergency": "+62366112"})
RECORD = Record(Clip("complaint", 1), max_s=180, silence_s=4)
TEXT, CONSENT = Play(("menu",)), Play(("welcome_consent",), keys="*")


def read(text: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(text))  # noqa: S314 - our own document


def document(*actions: Any, again: int = 0) -> list[ElementTree.Element]:
    standing = Standing(7, "ban", actions=actions)
    return read(twiml(standing, WHERE, again))


# ---------------------------------------------------------------- what a document asks for


def test_a_text_that_may_be_cut_listens_to_every_key() -> None:
    (gather,) = document(TEXT)
    assert gather.attrib == {
        "action": "https://x/twilio/voice?step=7",
        "actionOnEmptyResult": "true",
        "finishOnKey": "",
        "input": "dtmf",
        "numDigits": "1",
        "timeout": "1",
    }
    assert [play.text for play in gather] == ["https://x/twilio/prompts/ban/menu.wav"]


def test_a_text_for_the_emergency_key_alone_begins_again_twice_and_then_listens_no_more() -> None:
    for again in (0, 1):
        (gather,) = document(CONSENT, again=again)
        assert gather.get("action") == f"https://x/twilio/voice?step=7&again={again + 1}"
    play, redirect = document(CONSENT, again=2)
    assert (play.tag, redirect.text) == ("Play", "https://x/twilio/voice?step=7")


def test_a_question_waits_whole_seconds() -> None:
    (gather,) = document(Ask(("menu",), "120", 2.5))
    assert (gather.get("timeout"), gather.get("numDigits")) == ("3", "1")


def test_digits_are_ended_at_once_by_the_emergency_key() -> None:
    (gather,) = document(Gather(("ask_pin",), 4, 5.0))
    assert (gather.get("finishOnKey"), gather.get("numDigits")) == ("*", "4")


def test_a_recording_follows_its_beep_and_keeps_its_silence() -> None:
    beep, record, redirect = document(Play(("beep",), keys="*"), RECORD)
    assert beep.text == "https://x/twilio/prompts/ban/beep.wav"
    assert record.attrib == {
        "action": "https://x/twilio/voice?step=7",
        "finishOnKey": ANY_KEY,
        "maxLength": "180",
        "playBeep": "false",
        "recordingStatusCallback": "https://x/twilio/recording?clip=complaint-1",
        "recordingStatusCallbackEvent": "completed absent",
        "timeout": "4",
        "trim": "do-not-trim",
    }
    assert redirect.text == "https://x/twilio/voice?step=7"


def test_a_conversation_is_recorded_from_the_answer() -> None:
    (dial,) = document(Bridge("emergency", 40.0, 1))
    assert (dial.get("record"), dial.get("timeout")) == ("record-from-answer", "40")
    assert dial.get("recordingStatusCallback") == "https://x/twilio/recording?clip=talk-1"
    assert [(child.tag, child.text) for child in dial] == [("Number", "+62366112")]


def test_a_person_may_be_reached_by_sip_and_nobody_at_all() -> None:
    where = replace(WHERE, people={"operators": "sip:desk@example.org"})
    standing = Standing(1, "id", actions=(Bridge("operators", 30.0, 1),))
    assert "<Sip>sip:desk@example.org</Sip>" in twiml(standing, where)
    (redirect,) = document(Bridge("operators", 30.0, 1))
    assert redirect.tag == "Redirect"


def test_a_clip_has_a_signed_address() -> None:
    (gather,) = document(Listen(Clip("complaint", 2)))
    assert gather[0].text == "https://x/twilio/clips/signed-complaint-2.wav"


def test_the_end_hangs_up_and_a_failure_says_so_first() -> None:
    for outcome, tags in ((Outcome.FILED, ["Hangup"]), (Outcome.FAILED, ["Play", "Hangup"])):
        standing = Standing(9, "id", finish=Finish(outcome))
        assert [verb.tag for verb in read(twiml(standing, WHERE))] == tags


# ---------------------------------------------------------------- what a form means

GONE = {"CallStatus": "completed"}


@pytest.mark.parametrize(
    ("action", "form", "event"),
    [
        (TEXT, {}, Played()),
        (TEXT, {"Digits": "5"}, Played("5")),
        (TEXT, {"Digits": "", "FinishedOnKey": "#"}, Played("#")),
        (TEXT, GONE, HungUp()),
        (CONSENT, {"Digits": "*"}, Played("*")),
        (CONSENT, {"Digits": "5"}, None),
        (ReadNumber("1", ("a",), "*"), {"Digits": "5"}, None),
        (Listen(Clip("complaint", 1)), {"Digits": "2"}, Played("2")),
        (Ask(("menu",), "12", 3), {"Digits": "7"}, Pressed("7")),
        (Ask(("menu",), "12", 3), {"Digits": ""}, Silence()),
        (Ask(("menu",), "12", 3), {"Digits": "x"}, Silence()),
        (Gather(("a",), 8, 5), {"Digits": "12345678"}, Spelled("12345678")),
        (Gather(("a",), 8, 5), {"Digits": "123#"}, Spelled("123", "#")),
        (Gather(("a",), 8, 5), {"Digits": "12", "FinishedOnKey": "*"}, Spelled("12", "*")),
        (Gather(("a",), 8, 5), {}, Spelled("")),
        (Gather(("a",), 4, 5), {"Digits": "1\0٣2'"}, Spelled("12")),
        (Bridge("emergency", 40, 1), {"DialCallStatus": "completed"}, Connected(talked=True)),
        (Bridge("emergency", 40, 1), {"DialCallStatus": "no-answer"}, Connected(talked=False)),
        (Bridge("emergency", 40, 1), {"DialCallStatus": "completed", **GONE}, HungUp()),
    ],
)
def test_a_form_is_an_event(action: Any, form: dict[str, str], event: Event | None) -> None:
    assert event_of(action, form) == event


@pytest.mark.parametrize(
    ("form", "speech", "ended_by", "key"),
    [
        ({"RecordingDuration": "10"}, 6.0, "silence", None),
        ({"RecordingDuration": "4"}, 0.0, "silence", None),
        ({}, 0.0, "silence", None),
        ({"RecordingDuration": "10", "Digits": "#"}, 10.0, "key", "#"),
        ({"RecordingDuration": "10", "Digits": "*"}, 10.0, "key", "*"),
        ({"RecordingDuration": "180"}, 180.0, "timeout", None),
        ({"RecordingDuration": "9", "Digits": "hangup"}, 9.0, "hangup", None),
        ({"RecordingDuration": "9", **GONE}, 9.0, "hangup", None),
        ({"RecordingDuration": "-5"}, 0.0, "silence", None),
        ({"RecordingDuration": "1e9"}, 0.0, "silence", None),
    ],
)
def test_a_recording_is_speech_but_for_the_silence_that_ended_it(
    form: dict[str, str], speech: float, ended_by: str, key: str | None
) -> None:
    event = event_of(RECORD, form)
    assert isinstance(event, Recorded)
    assert (event.speech_seconds, event.ended_by, event.key) == (speech, ended_by, key)


def test_a_hang_up_without_a_word_leaves_no_recording() -> None:
    assert event_of(RECORD, {"Digits": "hangup", "RecordingDuration": "0"}) == HungUp()
    assert event_of(RECORD, GONE) == HungUp()


# ---------------------------------------------------------------- what is kept of a call

clips = st.builds(Clip, st.sampled_from(["complaint", "name"]), st.integers(1, 9))
keys = st.none() | st.sampled_from(ANY_KEY)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Played, keys),
    st.builds(Pressed, st.sampled_from(ANY_KEY)),
    st.just(Silence()),
    st.builds(Spelled, st.text("0123456789", max_size=14), keys),
    st.builds(Recorded, clips, st.floats(0, 200), st.floats(0, 200), st.just("silence"), keys),
    st.builds(Found, st.lists(st.just("status_closed"), max_size=3).map(tuple)),
    st.just(NotFound()),
    st.builds(Connected, st.booleans(), keys),
    st.just(HungUp()),
    st.builds(Failed, st.just("x")),
)


@given(EVENTS)
def test_an_event_is_kept_and_found_again(event: Event) -> None:
    assert event_from(json.loads(json.dumps(plain(event)))) == event


@given(st.lists(EVENTS, max_size=60))
def test_any_events_lead_somewhere_and_a_prefix_leads_to_the_same_place(
    events: list[Event],
) -> None:
    menu, asked = build_menu(Limits(operators=True, emergency=True)), []

    def inquiry(lookup: Lookup) -> NotFound:
        asked.append(lookup)
        return NotFound()

    standing = walk(menu, Started("10000004"), events, inquiry)
    assert (standing.finish is None) == (standing.awaited is not None)
    assert len(asked) <= 1  # an inquiry is answered from what is kept, or made once at the end
    again = walk(menu, Started("10000004"), [*events, *standing.learnt], inquiry)
    assert (again.actions, again.finish, again.learnt) == (standing.actions, standing.finish, ())
    assert len(read(twiml(standing, WHERE))) >= 1


def test_an_inquiry_that_fails_is_an_event_and_not_the_end_of_the_call() -> None:
    def broken(_lookup: Lookup) -> NotFound:
        raise ConnectionError

    told = [Silence(), Played(), Pressed("2"), Spelled("10000007"), Spelled("4711")]
    standing = walk(build_menu(), Started("10000004"), told, broken)
    assert standing.learnt == (Failed("inquiry: ConnectionError"),)
    assert standing.awaited == Play(("status_unavailable",))
