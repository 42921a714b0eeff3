"""Talking to a desk and to operators: what the dialplan keeps, whatever the application does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from callcenter.gateways.asterisk import Operator
from ivr.wav import duration
from tests.line.asterisk import RunningAsterisk, reserve, start, until
from tests.line.conftest import block
from tests.line.desk import Desk
from tests.line.softphone import Call, speech
from tests.line.test_dialplan import played, reads, sidecar_of, spoken_number

TALK_S = 2.5  # longer than the application's time to hand over: the switch must wait meanwhile
CONNECT = ("SET VARIABLE ADUAN_CONSENT 1", 'GOSUB aduan-emergency s 1 "1,3,0"')
ACCOUNT = Operator("op1", "a-secret-of-op1")


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """Answers everybody but those whose number ends in 9."""
    answers = Desk(talk_s=TALK_S, answers=lambda caller: not caller.endswith("9"))
    with answers as desk:
        yield desk


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, desk: Desk) -> Iterator[RunningAsterisk]:
    folder = tmp_path_factory.mktemp("pbx")
    reserve(folder / "numbers", *block(100))
    running = start(folder, emergency=desk.uri, operators=(ACCOUNT,), max_calls_per_caller=2)
    yield running
    running.stop()


def rests(line: RunningAsterisk, caller: str) -> bool:
    """Whether this telephone is marked as one that called and did not speak."""
    name = hashlib.md5(caller.encode(), usedforsecurity=False).hexdigest()
    return (line.settings.resting / name).read_text().startswith("1")


def talk_seconds(line: RunningAsterisk, call_id: str) -> float:
    return duration(line.spool / f"{call_id}_talk-1.wav")


def test_the_application_dies_in_the_conversation(line: RunningAsterisk, desk: Desk) -> None:
    """It goes on to its end, is whole on disk, and the number is read for it."""
    with played(line, *CONNECT) as process, Call(line.sip_port, caller="0841") as call:
        assert [reads(process) for _ in CONNECT][-1] == "at 1"
        assert desk.talk("0841").answered.wait(5)
        process.kill()
        assert call.ended.wait(20)
        heard = call.heard()
    sidecar = sidecar_of(line, "0841")
    assert talk_seconds(line, sidecar.call_id) == pytest.approx(TALK_S, abs=0.4)
    assert sidecar.get("clip") == f"{sidecar.call_id}_talk-1.wav"
    assert sidecar.get("mode") == "fallback-died"
    assert spoken_number(heard)[0] == sidecar.get("number")
    assert "fallback_intro" not in heard


def test_the_application_hangs_after_the_conversation(line: RunningAsterisk, desk: Desk) -> None:
    with played(line, *CONNECT), Call(line.sip_port, caller="0842") as call:
        assert desk.talk("0842").over.wait(10)
        assert call.ended.wait(20)
        heard = call.heard()
    sidecar = sidecar_of(line, "0842")
    assert sidecar.get("mode") == "fallback-hung"
    assert spoken_number(heard)[0] == sidecar.get("number")


def test_the_application_dies_while_it_rings(line: RunningAsterisk, desk: Desk) -> None:
    """Nobody answers: the fallback takes the complaint."""
    with (
        played(line, *CONNECT) as process,
        Call(line.sip_port, caller="0849", say=speech(9)) as call,
    ):
        desk.talk("0849")
        process.kill()
        assert call.ended.wait(30)
        heard = call.heard()
    sidecar = sidecar_of(line, "0849")
    assert "fallback_intro" in heard
    assert str(sidecar.get("clip")).endswith("_complaint-9.wav")
    assert desk.talk("0849").over.is_set()


def test_a_hang_up_in_the_conversation_ends_it_on_disk_first(
    line: RunningAsterisk, desk: Desk
) -> None:
    with played(line, *CONNECT), Call(line.sip_port, caller="0843") as call:
        assert desk.talk("0843").answered.wait(5)
        assert not call.ended.wait(1.5)
    sidecar = sidecar_of(line, "0843")
    assert talk_seconds(line, sidecar.call_id) == pytest.approx(1.5, abs=0.4)
    assert sidecar.keys[-2:] == ["clip", "ended"]
    assert desk.talk("0843").over.wait(5)
    assert not rests(line, "0843")  # whoever talked and calls again is not of a crowd


@pytest.mark.parametrize(
    "dialled",
    ["aduan-emergency", "aduan-operators", "op1", "desk", "112", "s", "aduan-talk", "emergency"],
)
def test_nothing_that_is_dialled_leads_out(line: RunningAsterisk, desk: Desk, dialled: str) -> None:
    """The application is away: the call gets the fallback, and nobody else's telephone rings."""
    caller = f"0844{sum(dialled.encode())}"
    with Call(line.sip_port, caller=caller, dialled=dialled) as call:
        assert call.answered.wait(5)
        until(lambda: "welcome_consent" in call.heard())
    assert sidecar_of(line, caller).get("mode") == "fallback-refused"
    assert caller not in desk.callers


@pytest.mark.parametrize("name", ["emergency", "line", "trunk"])
def test_a_caller_named_like_an_endpoint_is_a_caller(line: RunningAsterisk, name: str) -> None:
    with Call(line.sip_port, caller=name) as call:
        assert call.answered.wait(5)
    assert sidecar_of(line, name).get("called") == "5501000"


def test_an_operators_account_needs_its_secret_and_cannot_call(line: RunningAsterisk) -> None:
    with Desk() as stranger:
        assert stranger.register(line.sip_port, ACCOUNT.user, "guessed") == "401"
        assert stranger.register(line.sip_port, "op2", ACCOUNT.secret) != "200"
        assert stranger.register(line.sip_port, "emergency", ACCOUNT.secret) != "200"
    with Call(line.sip_port, caller=ACCOUNT.user) as call:
        assert call.ended.wait(5)
        assert call.status == 401
    assert ACCOUNT.user not in {one.get("caller") for one in line.sidecars()}


def test_one_caller_too_often_at_once_is_busy_and_not_recorded(line: RunningAsterisk) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            call = stack.enter_context(Call(line.sip_port, caller="0845"))
            assert call.answered.wait(5)
        third = stack.enter_context(Call(line.sip_port, caller="+0845"))
        assert third.ended.wait(5)
        assert third.status == 486
        other = stack.enter_context(Call(line.sip_port, caller="0846"))
        assert other.answered.wait(5)
    sidecar = sidecar_of(line, "+0845")
    assert sidecar.get("refused") == "busy"
    assert not list(line.spool.glob(f"{sidecar.call_id}_*"))


def test_hidden_callers_do_not_count_as_one(line: RunningAsterisk) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            call = stack.enter_context(Call(line.sip_port, caller="anonymous"))
            assert call.answered.wait(5)


def test_no_number_reaches_the_log(line: RunningAsterisk, desk: Desk) -> None:
    with played(line, *CONNECT), Call(line.sip_port, caller="081777888777"):
        assert desk.talk("081777888777").over.wait(10)
    sidecar_of(line, "081777888777")
    assert "081777888777" not in line.log()
