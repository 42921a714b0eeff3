"""Our caller against a real Asterisk: what it says arrives, what it hears is what was played."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ivr.caller import (
    Account,
    After,
    CallEvent,
    CallPlan,
    CallResult,
    HangUp,
    Heard,
    Press,
    Quiet,
    Say,
    place_call,
    place_calls,
    read_audio,
    speaking,
)
from ivr.caller.hearing import heard_numbers, heard_prompts, spoken_within
from ivr.numbers import is_valid, make_number
from tests.line.asterisk import RunningAsterisk, reserve, start, until

pytestmark = pytest.mark.line

FOLDER = Path(__file__).parents[2] / "recordings" / "prompts" / "id"
PROMPTS = {path.stem: path for path in FOLDER.glob("*.wav")}
SPOKEN = read_audio(PROMPTS["welcome_consent"])[: 6 * 8000]  # six seconds of speech
NUMBERS = [make_number(403_551 + i) for i in range(60)]

EXTENSIONS = f"""
[aduan-inbound]
exten => lab-echo,1,Answer()
 same => n,Echo()
exten => lab-record,1,Answer()
 same => n,Playback({FOLDER}/beep)
 same => n,Record(${{SPOOL}}/lab-${{CALLERID(num)}}.wav,3,30,kqy)
 same => n,Hangup()
exten => lab-keys,1,Answer()
 same => n,Read(got,{FOLDER}/ask_name,6,,1,3)
 same => n,Set(FILE(${{SPOOL}}/lab-${{CALLERID(num)}}.keys)=${{got}})
 same => n,Hangup()
exten => lab-ring,1,Ringing()
 same => n,Wait(20)
exten => lab-busy,1,Busy()
exten => lab-full,1,Congestion()
"""
ALICE = """
[alice](way-in)
auth = alice-auth
identify_by = username
[alice-auth]
type = auth
auth_type = userpass
username = alice
password = open "sesame"
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAsterisk]:
    """The exchange with the real prompts, a few extensions and an account more."""
    folder = tmp_path_factory.mktemp("lab")
    reserve(folder / "numbers", *NUMBERS)
    running = start(folder, prompts=FOLDER, silence_seconds=2, max_calls=200)
    etc = running.settings.etc
    append(etc / "extensions.conf", EXTENSIONS)
    append(etc / "pjsip.conf", ALICE)
    names = ("app_echo.so", "app_read.so", "res_pjsip_endpoint_identifier_user.so")
    append(etc / "modules.conf", "".join(f"load = {name}\n" for name in names))
    pjsip = (etc / "pjsip.conf").read_text()
    (etc / "pjsip.conf").write_text(pjsip.replace("order = ip", "order = username,ip"))
    running.restart()
    yield running
    running.stop()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def target(lab: RunningAsterisk, extension: str) -> str:
    return f"sip:{extension}@127.0.0.1:{lab.sip_port}"


def call(lab: RunningAsterisk, extension: str, plan: CallPlan | None = None) -> CallResult:
    return place_call(target(lab, extension), plan or CallPlan())


def no_channels(lab: RunningAsterisk) -> bool:
    return "0 active channels" in lab.order("core show channels count")


def test_an_echo_gives_back_every_sample(lab: RunningAsterisk) -> None:
    result = call(lab, "lab-echo", CallPlan(steps=(Say(SPOKEN, After(0.3)), HangUp(After(0.4)))))
    assert (result.outcome, result.sip_status, result.ended_by) == ("answered", 200, "caller")
    offset, matched = spoken_within(result.heard, SPOKEN)
    assert offset > 0.2  # not before it was said
    assert matched == pytest.approx(result.spoken_s) == pytest.approx(6.0)
    assert result.connected_s == pytest.approx(6.7, abs=0.2)


def test_the_recording_holds_what_was_said(lab: RunningAsterisk) -> None:
    result = call(lab, "lab-record", CallPlan(steps=speaking(SPOKEN), caller="0811"))
    recording = read_audio(lab.spool / "lab-0811.wav")
    assert result.ended_by == "line"
    assert [key for _, key in heard_prompts(result.heard, PROMPTS)] == ["beep"]
    assert spoken_within(recording, SPOKEN)[1] == pytest.approx(result.spoken_s, abs=0.3)


@pytest.mark.parametrize("seconds", [1.0, 2.53])
def test_a_caller_who_hangs_up_in_the_middle(lab: RunningAsterisk, seconds: float) -> None:
    plan = CallPlan(steps=speaking(SPOKEN), hangup_after=seconds, caller="0812")
    result = call(lab, "lab-record", plan)
    assert until(lambda: no_channels(lab))
    assert result.ended_by == "caller"
    assert result.spoken_s == pytest.approx(seconds, abs=0.05)
    _, matched = spoken_within(read_audio(lab.spool / "lab-0812.wav"), SPOKEN)
    assert matched == pytest.approx(result.spoken_s, abs=0.3)


def test_a_key_ends_the_recording(lab: RunningAsterisk) -> None:
    plan = CallPlan(steps=speaking(SPOKEN[:16000], keys="1"), caller="0813")
    result = call(lab, "lab-record", plan)
    assert result.connected_s < 0.3 + 2.0 + 0.5 + 1.0  # the silence alone would take 3 s


def test_keys_arrive_in_order(lab: RunningAsterisk) -> None:
    prompt = read_audio(PROMPTS["ask_name"])
    plan = CallPlan(steps=(Press("19*0", Heard(prompt)), Press("#")), caller="0814")
    result = call(lab, "lab-keys", plan)
    file = lab.spool / "lab-0814.keys"
    assert until(lambda: file.exists() and file.read_text().strip()) == "19*0"
    assert result.ended_by == "line"


def test_the_line_reads_a_number_aloud_and_it_is_understood(lab: RunningAsterisk) -> None:
    results = place_calls(
        target(lab, "24"),
        [CallPlan(steps=speaking(SPOKEN[:24000]), start_after=i / 10) for i in range(5)],
    )
    # A stutter may hide a digit of one reading; that is why there are two, and a check digit.
    heard = [list(filter(is_valid, heard_numbers(result.heard, PROMPTS))) for result in results]
    assert all(len(set(each)) == 1 for each in heard), heard
    numbers = {each[0] for each in heard}
    assert len(numbers) == len(results)  # whoever came first today got the first one
    assert numbers <= set(NUMBERS)
    undisturbed = next(n for n, each in enumerate(heard) if len(each) == 2)
    keys = [key for _, key in heard_prompts(results[undisturbed].heard, PROMPTS)]
    assert keys[:4] == ["welcome_consent", "fallback_intro", "beep", "number_intro"]
    assert keys[-1] == "thanks"


@pytest.mark.parametrize(
    ("extension", "plan", "outcome", "status"),
    [
        ("lab-busy", CallPlan(), "busy", 486),
        ("lab-full", CallPlan(), "refused", 503),
        ("LAB", CallPlan(), "refused", 404),
        ("lab-ring", CallPlan(ring_s=0.5), "no_answer", 487),
        ("lab-ring", CallPlan(cancel_after=0.5), "cancelled", 487),
    ],
)
def test_calls_that_come_to_nothing(
    lab: RunningAsterisk, extension: str, plan: CallPlan, outcome: str, status: int
) -> None:
    result = call(lab, extension, plan)
    assert (result.outcome, result.sip_status) == (outcome, status)
    assert result.reason and not len(result.heard) and result.connected_s == 0
    assert until(lambda: no_channels(lab))


@pytest.mark.parametrize(
    ("secret", "outcome"), [('open "sesame"', "answered"), ("wrong", "sign_in_failed")]
)
def test_an_account_signs_in(lab: RunningAsterisk, secret: str, outcome: str) -> None:
    plan = CallPlan(steps=(HangUp(After(0.2)),), account=Account("alice", secret))
    assert call(lab, "lab-echo", plan).outcome == outcome


def test_nobody_there() -> None:
    result = place_call("sip:24@127.0.0.1:9", CallPlan())
    assert (result.outcome, result.sip_status) == ("unreachable", None)
    assert "nobody listens" in result.reason


def test_ctrl_c_hangs_up_every_call(lab: RunningAsterisk) -> None:
    answered: set[int] = set()

    def interrupt(event: CallEvent) -> None:
        if event.what == "answered":
            answered.add(event.call)
            if len(answered) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place_calls(target(lab, "lab-echo"), [CallPlan()] * 3, on_event=interrupt)
    assert no_channels(lab)


def test_a_line_that_dies_is_noticed(lab: RunningAsterisk) -> None:
    """Killed in mid-call: our BYE goes unanswered and the call still ends."""

    def kill(event: CallEvent) -> None:
        if event.what == "answered":
            lab.kill9()

    plan = CallPlan(steps=(HangUp(After(0.5)),))
    result = place_call(target(lab, "lab-echo"), plan, on_event=kill)
    lab.run()
    assert result.outcome == "answered" and result.ended_by == "caller"


def test_forty_calls_at_once_leave_no_frame_out(lab: RunningAsterisk) -> None:
    """20 ms frames that are due are sent, late rather than never; how late `pacing` tells."""
    plans = [
        CallPlan(steps=(Say(SPOKEN, After(0.2)), HangUp(After(0.5))), start_after=i / 100)
        for i in range(40)
    ]
    results = place_calls(target(lab, "lab-echo"), plans)
    assert [result.outcome for result in results] == ["answered"] * 40
    assert min(result.spoken_s for result in results) == pytest.approx(6.0)
    echoed = [spoken_within(result.heard, SPOKEN)[1] for result in results]
    assert np.min(echoed) > 5.9


def test_the_line_falls_silent_and_the_caller_hangs_up(lab: RunningAsterisk) -> None:
    result = call(lab, "lab-keys", CallPlan(steps=(HangUp(Quiet(1.0)),)))
    length = len(read_audio(PROMPTS["ask_name"])) / 8000
    assert result.connected_s == pytest.approx(length + 1.0, abs=0.3)
