"""Who comes in while many call, on a real exchange with the application away: no state of the
application makes the door weaker."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ivr.resting import RESTS_S, Resting
from tests.line.asterisk import RunningAsterisk, reserve, start, until
from tests.line.conftest import block
from tests.line.softphone import Call, speech

pytestmark = [pytest.mark.line, pytest.mark.timeout(90)]

PLACES, BUSY = 8, 486
HIDDEN = "anonymous"
LONGER_THAN_SILENCE = 2 * 16000  # bytes: a second more than the silence that ends a recording


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAsterisk]:
    folder = tmp_path_factory.mktemp("pbx")
    reserve(folder / "numbers", *block(200))
    running = start(folder, max_calls=PLACES, max_calls_per_caller=2, record_seconds=60)
    yield running
    running.stop()


@pytest.fixture
def calls(door: RunningAsterisk) -> Iterator[ExitStack]:
    """Calls that are entered here are over before the next test begins."""
    with ExitStack() as stack:
        yield stack
    until(lambda: "0 active calls" in door.order("core show calls"))


def ring(door: RunningAsterisk, calls: ExitStack, *callers: str) -> list[int]:
    """What each of these hears, one after the other: 200, or busy."""
    statuses = []
    for caller in callers:
        call = calls.enter_context(Call(door.sip_port, caller=caller, say=speech(60)))
        until(lambda call=call: call.status)  # type: ignore[misc]
        statuses.append(call.status)
    return statuses


def recorded(door: RunningAsterisk, caller: str) -> int:
    """Bytes on disk of this caller's voice."""
    ids = [sidecar.call_id for sidecar in door.sidecars() if sidecar.get("caller") == caller]
    return sum(path.stat().st_size for each in ids for path in door.spool.glob(f"{each}_*"))


def numbers(first: int, count: int) -> list[str]:
    return [f"0813{first + n:07d}" for n in range(count)]


def test_hidden_callers_have_half_of_the_line_and_leave_the_other_half(
    door: RunningAsterisk, calls: ExitStack
) -> None:
    assert ring(door, calls, *[HIDDEN] * 5) == [200] * 4 + [BUSY]
    assert ring(door, calls, *numbers(100, 5)) == [200] * 4 + [BUSY]


def test_a_quarter_stays_for_hidden_callers_when_others_were_first(
    door: RunningAsterisk, calls: ExitStack
) -> None:
    assert ring(door, calls, *numbers(200, 5)) == [200] * 5
    assert ring(door, calls, *[HIDDEN] * 3) == [200] * 2 + [BUSY]


def test_a_second_call_of_a_number_is_of_the_crowd_and_a_third_is_none(
    door: RunningAsterisk, calls: ExitStack
) -> None:
    ours, others = numbers(300, 1), numbers(310, 2)
    assert ring(door, calls, *ours * 3) == [200, 200, BUSY]
    assert ring(door, calls, *others) == [200, 200]
    assert ring(door, calls, *others) == [200, BUSY]  # two of the crowd are in, four of all


def test_who_was_silent_rests_and_who_spoke_does_not(
    door: RunningAsterisk, calls: ExitStack
) -> None:
    silent, spoke = numbers(400, 2)
    with (
        Call(door.sip_port, caller=silent) as quiet,
        Call(door.sip_port, caller=spoke, say=speech(60)),
    ):
        until(lambda: recorded(door, spoke) > LONGER_THAN_SILENCE)
        assert quiet.ended.wait(20)
    until(lambda: "0 active calls" in door.order("core show calls"))
    assert ring(door, calls, *[HIDDEN] * 4) == [200] * 4
    assert ring(door, calls, silent, spoke) == [BUSY, 200]


def test_who_is_held_back_by_the_desk_is_of_the_crowd_however_the_number_is_shown(
    door: RunningAsterisk, calls: ExitStack
) -> None:
    Resting(door.settings.resting).hold(["+628135550001", "+628135550002"])
    assert ring(door, calls, *[HIDDEN] * 4) == [200] * 4
    shown = ("08135550001", "+628135550001", "628135550002")
    assert ring(door, calls, *shown, "08135550003") == [BUSY] * 3 + [200]


def test_rest_is_over_after_a_while(door: RunningAsterisk, calls: ExitStack) -> None:
    resting = Resting(door.settings.resting)
    resting.hold(["+628135550004", "+628135550005"])
    _age(resting, RESTS_S)
    resting.hold(["+628135550005"])
    assert ring(door, calls, *[HIDDEN] * 4) == [200] * 4
    assert ring(door, calls, "08135550004", "08135550005") == [200, BUSY]


def test_the_refused_hear_why_before_any_answer_and_leave_no_recording(
    door: RunningAsterisk, calls: ExitStack
) -> None:
    ring(door, calls, *[HIDDEN] * 4)
    with Call(door.sip_port, caller=HIDDEN, say=speech(5)) as call:
        assert call.ended.wait(10)
        assert not call.answered.is_set()
        assert call.status == BUSY
    refused = [s for s in door.sidecars() if s.get("refused") == "busy"]
    assert refused
    for sidecar in refused:
        assert sidecar.keys == ["started", "caller", "called", "refused", "mode", "ended"]
        assert not list(door.spool.glob(f"{sidecar.call_id}_*"))


def _age(resting: Resting, seconds: float) -> None:
    assert isinstance(resting.folder, Path)
    for mark in resting.folder.iterdir():
        os.utime(mark, (time.time() - seconds,) * 2)
