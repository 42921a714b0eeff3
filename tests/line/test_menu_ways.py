"""Each way through the menu as a real call to a real Asterisk, all of them at the same time.

The prompts are noises of known length, so that a call takes seconds and what was heard is
certain. The emergency desk and the operator are telephones of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from callcenter.gateways.asterisk import Operator
from ivr.asterisk import LineSettings, serve
from ivr.caller import (
    After,
    Beep,
    CallPlan,
    CallResult,
    HangUp,
    Heard,
    Press,
    Say,
    Wait,
    place_calls,
)
from ivr.caller.hearing import contains, heard_numbers
from ivr.caller.script import Step, read_audio
from ivr.conduct import Inquiry
from ivr.flow import Found, Lookup, NotFound
from ivr.menu import Limits, build_menu
from ivr.numbers import make_number
from ivr.spool import Spool, SpooledCall
from ivr.wav import duration
from tests.line.asterisk import RunningAsterisk, reserve, start, until
from tests.line.desk import Desk
from tests.line.noises import DIGITS, RATE, keys_of, make_noises, noise
from tests.line.softphone import SILENCE, Call, alaw, key_tone

LIMITS = Limits(
    complaint_s=8,
    complaint_silence_s=2,
    short_s=4,
    short_silence_s=1,
    language_wait_s=1.5,
    menu_wait_s=2.0,
    again_wait_s=1.5,
    review_wait_s=1.0,
    digit_wait_s=2.0,
    emergency_ring_s=3.0,
    queue_round_s=3.0,
    queue_rounds=2,
    operators=True,
    emergency=True,
)
MENU = build_menu(LIMITS)
LANGUAGES = ("id", "ban", "en")
ACCOUNT = Operator("op1", "a-secret-of-op1")
KNOWN, PIN, OWN_PIN, NO_DESK = make_number(900), "0427", "4711", "9999"
SPOKEN = read_audio(Path(__file__).parents[2] / "recordings/prompts/id/thanks.wav")[: 3 * RATE]
GREETING = noise("id", "what the desk and the operator say")
TALK_S = 3.0
PAUSE_MS = 250  # a telephone whose frames are later than this stood still
LONG_TALK_S = 15.0  # the operator's: whoever asks for one meanwhile waits
HIDDEN = "anonymous"
BETWEEN = ("number_intro", "number_again", "pin_intro")  # what ends a number that is read


def at(prompt: str, keys: str, language: str = "id") -> Press:
    """Press keys when this prompt was said."""
    return Press(keys, Heard(noise(language, prompt)))


SAY = Say(SPOKEN, Beep())
INDONESIAN = Press("1", After(0.3))
REPORT = (INDONESIAN, at("menu", "1"), SAY)
STATUS = (INDONESIAN, at("menu", "2"))
OPERATOR = (INDONESIAN, at("menu", "0"))
AFTER_NAME_AND_VILLAGE = (Wait(Beep()), Wait(Beep()))

#: What the caller does, by the caller's number.
WAYS: dict[str, tuple[Step, ...]] = {
    "0821001": REPORT,
    "0821002": (SAY,),
    "0821003": (
        Press("7", After(0.3)),
        at("menu", "8"),
        at("menu_again", "9"),
        Press("9", After(0.8)),
        SAY,
    ),
    "0821011": (Press("1", After(0.3)), at("menu", "1"), HangUp(Beep())),
    "0821012": (Press("2", After(0.3)), at("menu", "1", "ban"), HangUp(Beep())),
    "0821013": (Press("3", After(0.3)), at("menu", "1", "en"), HangUp(Beep())),
    "0822001": (*STATUS, at("ask_number", KNOWN), at("ask_pin", PIN)),
    "0822002": (
        *(*STATUS, at("ask_number", KNOWN), at("ask_pin", "1111")),
        *(at("not_found", "#"), at("ask_pin", OWN_PIN)),
    ),
    "0822003": (*STATUS, at("ask_number", KNOWN), at("ask_pin", NO_DESK), SAY),
    "0823001": (Press("*", After(0.3)), Say(SPOKEN, Heard(noise("id", "emergency")))),
    "0823002": (INDONESIAN, Press("*", After(0.8)), SAY),
    "0823003": (*REPORT, Press("*", After(0.2)), SAY),
    "0823004": (Press("**", After(0.3)), HangUp(After(2.0))),
    "0823005": (Press("*", After(0.3)), Press("5", After(2.0)), SAY),
    "0824001": OPERATOR,
    "0824002": (*OPERATOR, at("queue_offer", "1"), SAY),
    "0824003": (
        *(*OPERATOR, Wait(Heard(noise("id", "operators")))),
        *(Press("5", After(1.0)), at("queue_offer", "2")),
    ),
    "0824004": (*OPERATOR, Wait(Heard(noise("id", "operators"))), Press("*", After(1.0))),
    HIDDEN: (*REPORT, *AFTER_NAME_AND_VILLAGE, at("ask_phone", "081234567#")),
    "0826001": (*REPORT, *AFTER_NAME_AND_VILLAGE, at("repeat", "1")),
    "0827001": (SAY,),
    "0827002": (SAY,),
    "0827003": (Press("*", Heard(noise("id", "announcement"))),),
}
# The others ring in vain.
AT_THE_DESK = {"0823001", "0823004", "0824004", "0827003"}
AT_THE_OPERATOR = {"0824001"}
WAIT = {"0824002", "0824003", "0824004"}
MODES = {"0827001": "emergency_only", "0827002": "limited", "0827003": "announcement"}
EARLY, SOUNDS = "0824000", "0828001"  # before any operator is signed in; keys as sound


def inquiry(caller: str) -> Inquiry:
    def ask(lookup: Lookup) -> Found | NotFound:
        number, pin = lookup.number, lookup.pin
        if pin == NO_DESK:
            raise OSError("no database")
        own = (caller, number, pin) == ("0822002", "", OWN_PIN)
        return Found(("state_waiting",)) if own or (number, pin) == (KNOWN, PIN) else NotFound()

    return ask


@dataclass
class Done:
    """What a caller heard and what the spool holds of the call."""

    call: SpooledCall
    heard: CallResult | None = None

    def values(self, key: str) -> list[str]:
        return [event.value for event in self.call.events if event.key == key]

    @property
    def steps(self) -> list[str]:
        return self.values("step")

    def seconds(self, kind: str) -> list[float]:
        """How long the clips of this kind are."""
        return [duration(clip.path) for clip in self.call.clips_of(kind)]

    def said(self, *prompts: str, language: str = "id") -> bool:
        """Whether all these prompts were heard."""
        assert self.heard
        return all(contains(self.heard.heard, noise(language, prompt)) for prompt in prompts)


@dataclass
class Evening:
    """All calls of the file, over; the desk and the operator who took some of them."""

    calls: dict[str, Done]
    desk: Desk
    operator: Desk
    prompts: Path

    def __getitem__(self, caller: str) -> Done:
        return self.calls[caller]

    @property
    def steady(self) -> bool:
        return all(
            done.heard.pacing.worst_ms < PAUSE_MS for done in self.calls.values() if done.heard
        )

    def numbers(self, caller: str) -> list[str]:
        """The numbers that were read to this caller; a lost frame of 20 ms can hide a digit."""
        heard = self.calls[caller].heard
        assert heard
        files = {key: self.prompts / "id" / f"{key}.wav" for key in (*DIGITS, *BETWEEN)}
        return heard_numbers(heard.heard, files)


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    """An evening on telephones that spoke without a pause.

    What a telephone did that stood still itself says nothing about the line; so a machine that
    paused in the middle costs another evening.
    """
    for last in (False, False, True):
        with _evening(tmp_path_factory.mktemp("pbx")) as evening:
            if last or evening.steady:
                yield evening
                return


@contextmanager
def _evening(folder: Path) -> Iterator[Evening]:
    keys = keys_of(MENU) | {"state_waiting"}
    books = {name: make_noises(folder / "prompts", name, keys) for name in LANGUAGES}
    reserve(folder / "numbers", *(make_number(serial) for serial in range(1, 100)))
    with ExitStack() as stack:
        sound = alaw(GREETING / 32768)
        desk, operator = (
            stack.enter_context(Desk(say=sound, talk_s=talk_s, answers=callers.__contains__))
            for talk_s, callers in ((TALK_S, AT_THE_DESK), (LONG_TALK_S, AT_THE_OPERATOR))
        )
        prompts = folder / "prompts"
        pbx = start(
            folder,
            prompts=prompts / "id",
            emergency=desk.uri,
            operators=(ACCOUNT,),
            handover_seconds=8,
        )
        stack.callback(pbx.stop)
        settings = LineSettings(
            *(pbx.spool, folder / "quarantine", prompts),
            port=pbx.settings.agi_port,
            limits=LIMITS,
            inquiry=inquiry,
            pin=lambda _: OWN_PIN,
            mode=lambda caller: MODES.get(caller, "normal"),
        )
        line = serve(settings, books=lambda: books)
        line.start()
        stack.callback(line.stop)
        yield Evening(_all_calls(pbx, settings, operator), desk, operator, prompts)


def _all_calls(pbx: RunningAsterisk, settings: LineSettings, operator: Desk) -> dict[str, Done]:
    uri = f"sip:5501000@127.0.0.1:{pbx.sip_port}"
    early = place_calls(uri, [CallPlan((*OPERATOR, SAY), caller=EARLY)])
    assert operator.register(pbx.sip_port, ACCOUNT.user, ACCOUNT.secret) == "200"
    pbx.sign_in(ACCOUNT.user)
    sounds = threading.Thread(target=_call_with_sounds, args=(pbx,))
    sounds.start()
    plans = [
        CallPlan(steps, caller=caller, start_after=0.1 * n + 3.0 * (caller in WAIT))
        for n, (caller, steps) in enumerate(WAYS.items())
    ]
    heard = dict(zip(WAYS, place_calls(uri, plans), strict=True)) | {EARLY: early[0]}
    sounds.join()
    spool = Spool(settings.spool, settings.quarantine)
    until(lambda: len(spool.ready()) == len(heard) + 1)
    return {call.caller_raw: Done(call, heard.get(call.caller_raw)) for call in spool.ready()}


def _call_with_sounds(pbx: RunningAsterisk) -> None:
    """Language at once, the menu's key when the consent is over, both as sound."""
    say = SILENCE * 25 + key_tone("1") + SILENCE * 140 + key_tone("1") + SILENCE * 60
    with Call(pbx.sip_port, caller=SOUNDS, say=say + alaw(SPOKEN / 32768), events=False) as call:
        assert call.ended.wait(40)


TO_THE_END = [
    *("review", "ask_name", "record_name", "ask_village", "record_village"),
    *("tell_number", "tell_again", "repeat", "thanks", "end"),
]


def test_report_by_key(evening: Evening) -> None:
    call = evening["0821001"]
    assert call.steps == [
        *("language", "welcome", "menu", "ask_complaint", "record_complaint", *TO_THE_END)
    ]
    assert call.said("welcome", "welcome_consent", "ask_complaint", "pin_intro", "thanks")
    assert call.said("caller_ordinal")
    assert call.call.number in evening.numbers("0821001")
    assert call.seconds("complaint")[0] > 2.5
    assert call.call.kept == "complaint-1"
    assert call.call.consent_version


def test_report_by_silence(evening: Evening) -> None:
    call = evening["0821002"]
    assert call.steps[:5] == ["language", "welcome", "menu", "ask_complaint", "record_complaint"]
    assert call.steps[-len(TO_THE_END) :] == TO_THE_END
    assert call.values("key") == []


def test_report_by_wrong_keys(evening: Evening) -> None:
    call = evening["0821003"]
    assert call.values("key") == ["7", "8", "9", "9"]
    assert call.steps[-len(TO_THE_END) :] == TO_THE_END


@pytest.mark.parametrize(
    ("caller", "language"), [("0821011", "id"), ("0821012", "ban"), ("0821013", "en")]
)
def test_three_languages(evening: Evening, caller: str, language: str) -> None:
    call = evening[caller]
    assert call.values("language") == [language]
    assert call.said("welcome_consent", "menu", "ask_complaint", language=language)


def test_status_found(evening: Evening) -> None:
    call = evening["0822001"]
    assert call.steps[-7:] == [
        *("ask_number", "ask_pin", "seek", "status", "status_end", "goodbye", "served")
    ]
    assert call.said("state_waiting")
    assert call.values("typed") == ["8", "4"]
    assert KNOWN not in str(call.call.events)
    assert call.call.clips == ()


def test_status_not_found_and_then_by_ones_own_telephone(evening: Evening) -> None:
    call = evening["0822002"]
    assert call.values("inquiry") == ["notfound", "found"]
    assert call.said("not_found", "state_waiting")


def test_status_unavailable_goes_on_to_recording(evening: Evening) -> None:
    call = evening["0822003"]
    assert "status_unavailable" in call.steps
    assert call.said("status_unavailable")
    assert call.call.kept == "complaint-1"


def test_emergency_from_the_language_prompt_is_answered(evening: Evening) -> None:
    call = evening["0823001"]
    assert call.steps[:3] == ["language", "emergency", "connect_emergency"]
    assert call.values("connected") == ["talked"]
    assert call.values("urgent") == ["1"]
    assert call.seconds("talk") == [pytest.approx(TALK_S, abs=0.4)]
    recorded = read_audio(call.call.clips_of("talk")[0].path)
    assert call.heard and contains(call.heard.heard, GREETING)
    assert contains(evening.desk.talk("0823001").samples(), SPOKEN[RATE : 2 * RATE])
    pieces = (SPOKEN[at : at + RATE // 2] for at in range(0, 2 * RATE, RATE // 2))
    assert any(contains(recorded, piece) for piece in (GREETING, *pieces))  # both speak at once
    assert call.call.number in evening.numbers("0823001")


def test_emergency_from_the_consent_rings_in_vain_and_is_recorded(evening: Evening) -> None:
    call = evening["0823002"]
    assert call.steps[1:4] == ["welcome", "emergency", "connect_emergency"]
    assert call.values("connected") == ["nobody"]
    assert call.values("consent") == ["emergency", "emergency_record"]
    assert call.call.kept == "complaint-1"
    assert call.seconds("talk") == []
    assert not call.said("welcome_consent")


def test_emergency_from_the_recording_keeps_what_was_said(evening: Evening) -> None:
    call = evening["0823003"]
    assert call.values("clip_status")[:2] == ["DTMF", "SILENCE"]
    assert call.values("kept") == ["complaint-1", "complaint-2"]
    assert all(seconds > 2.5 for seconds in call.seconds("complaint"))


def test_a_hang_up_in_the_conversation_keeps_it_whole(evening: Evening) -> None:
    call = evening["0823004"]
    assert call.steps[-1] == "hung_up"
    assert call.seconds("talk")[0] == pytest.approx(1.8, abs=0.7)
    assert call.values("clip") == [call.call.clips[0].path.name]
    assert evening.desk.talk("0823004").over.is_set()


def test_a_key_while_it_rings_records_at_once(evening: Evening) -> None:
    call = evening["0823005"]
    assert call.values("connected") == ["nobody"]
    assert call.call.kept == "complaint-1"


def test_an_operator_answers(evening: Evening) -> None:
    call = evening["0824001"]
    assert call.values("connected") == ["talked"]
    assert call.seconds("talk") == [pytest.approx(LONG_TALK_S, abs=0.4)]
    assert call.steps[-5:] == ["tell_number", "tell_again", "repeat", "thanks", "end"]
    assert evening.operator.talk("0824001").answered.is_set()


def test_no_operator_is_free_and_a_key_records(evening: Evening) -> None:
    call = evening["0824002"]
    assert call.values("connected") == ["nobody"]
    assert call.said("operators", "queue_position", "queue_offer")
    assert call.steps[-len(TO_THE_END) :] == TO_THE_END


def test_a_key_in_the_queue_asks_for_a_call_back(evening: Evening) -> None:
    call = evening["0824003"]
    assert call.values("call_back") == ["asked"]
    assert call.steps[-3:] == ["queue_offer", "call_back", "served"]


def test_emergency_from_the_queue(evening: Evening) -> None:
    call = evening["0824004"]
    assert call.values("connected") == ["nobody", "talked"]
    assert [clip.take for clip in call.call.clips_of("talk")] == [2]
    assert evening.desk.talk("0824004").answered.is_set()


def test_no_operator_at_all_goes_on_to_recording_at_once(evening: Evening) -> None:
    call = evening[EARLY]
    assert call.values("failed") == ["operators: nobody can answer"]
    assert call.said("no_operator")
    assert call.call.kept == "complaint-1"


def test_a_hidden_caller_is_asked_for_a_number(evening: Evening) -> None:
    call = evening[HIDDEN]
    assert call.values("phone") == ["081234567"]
    assert call.steps[-1] == "end"


def test_the_number_is_repeated_on_a_key(evening: Evening) -> None:
    call = evening["0826001"]
    assert call.steps[-6:] == ["tell_again", "repeat", "tell_again", "repeat", "thanks", "end"]
    assert {call.call.number, OWN_PIN} <= set(evening.numbers("0826001"))


@pytest.mark.parametrize(
    ("caller", "first"), [("0827001", "emergency_only"), ("0827002", "limited")]
)
def test_a_line_in_a_hurry_only_records(evening: Evening, caller: str, first: str) -> None:
    call = evening[caller]
    assert call.steps[:4] == [first, "welcome", "ask_complaint", "record_complaint"]
    assert call.steps[-1] == "end"


def test_the_emergency_key_works_after_the_announcement(evening: Evening) -> None:
    call = evening["0827003"]
    assert call.steps[:2] == ["announcement", "language"]
    assert call.values("connected") == ["talked"]


def test_keys_as_sound_are_keys(evening: Evening) -> None:
    call = evening[SOUNDS]
    assert call.values("key") == ["1", "1"]
    assert call.values("language") == ["id"]
    assert call.call.kept == "complaint-1"


def test_no_call_is_lost_or_left_to_the_fallback(evening: Evening) -> None:
    assert set(evening.calls) == {*WAYS, EARLY, SOUNDS}
    assert {call.call.mode for call in evening.calls.values()} == {"app"}
    assert all(call.call.number for call in evening.calls.values())
