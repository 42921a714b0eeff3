"""Callers who are gone before anything was said: each is in the log, and each has ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.line.asterisk import RunningAsterisk
from tests.line.softphone import Call
from tests.line.test_dialplan import fresh_caller, sidecar_of


def test_of_many_who_hang_up_at_the_answer_each_has_ended(line: RunningAsterisk) -> None:
    """That moment falls between any two priorities, also of the subroutine that writes lines."""
    callers = [fresh_caller(700 + index) for index in range(96)]

    def at_the_answer(caller: str) -> None:
        with Call(line.sip_port, caller=caller) as call:
            assert call.answered.wait(10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(at_the_answer, callers))
    for caller in callers:
        sidecar = sidecar_of(line, caller)
        assert sidecar.keys[:4] == ["started", "caller", "called", "number"]
        assert sidecar.get("mode") in {"unanswered", "app", "fallback-refused"}
        assert sidecar.keys[-1] == "ended"


def test_of_many_who_give_up_before_the_answer_each_is_in_the_log(line: RunningAsterisk) -> None:
    callers = [fresh_caller(800 + index) for index in range(48)]

    def before_the_answer(caller: str) -> bool:
        with Call(line.sip_port, caller=caller) as call:
            call.give_up()
            assert call.ended.wait(10) or call.answered.is_set()
            return call.answered.is_set()

    with ThreadPoolExecutor(8) as pool:
        answered = dict(zip(callers, pool.map(before_the_answer, callers), strict=True))
    for caller in callers:
        sidecar = sidecar_of(line, caller)
        assert sidecar.keys[0] == "started"
        assert sidecar.get("called") == "5501000"
        assert sidecar.get("mode") == "unanswered" or answered[caller]
