"""kill -9 of the exchange while it records: every file is repaired or whole, nothing is lost.

Asterisk holds up to 2.05 s of a recording in a buffer of 32 KiB; the rest is on disk. With the
full figure: `make endurance ARGS="tests/line/test_exchange_killed.py"`.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from callcenter.services import call_counts
from callcenter.store.models import Call
from ivr.caller import CallEvent, CallPlan, Say, place_calls
from ivr.caller.g711 import Samples
from ivr.wav import inspect
from tests.line.asterisk import until
from tests.line.test_line_process import (
    Deployment,
    deployment,  # noqa: F401 (fixture)
    line_process,
    long,  # noqa: F401 (fixture)
    prompts,  # noqa: F401 (fixture)
)

pytestmark = pytest.mark.line
# ruff: noqa: F811 (fixtures are arguments)

LOST_AT_MOST = 2.1
VISIBLE_WITHIN = 60.0
AT_ONCE = 2
SLICES, KILLS = 5, 10
_serial = count(1)
FULL = [
    pytest.param(
        KILLS, id=f"kills {KILLS * n + 1} to {KILLS * n + KILLS}", marks=pytest.mark.endurance
    )
    for n in range(SLICES)
]


@dataclass
class Round:
    """One kill, with some calls in it; monotonic seconds."""

    deployment: Deployment
    said: Samples
    callers: list[str]
    begun: dict[str, float] = field(default_factory=dict)
    killed: float = 0.0
    back: float = 0.0
    seen: dict[str, float] = field(default_factory=dict)

    def run(self, after: float) -> None:
        """Phone, kill `after` so many seconds of the last caller's speech, start again."""
        pbx = self.deployment.pbx
        target = f"sip:5501000@127.0.0.1:{pbx.sip_port}"
        plans = [
            CallPlan((Say(self.said),), caller=who, start_after=1.3 * n, limit_s=after + 12)
            for n, who in enumerate(self.callers)
        ]
        phones = threading.Thread(
            target=place_calls, args=(target, plans), kwargs={"on_event": self._listen}
        )
        phones.start()
        until(lambda: len(self.begun) == len(self.callers), 30)
        until(lambda: time.monotonic() > max(self.begun.values()) + after, after + 5)
        assert pbx.process
        self.killed = time.monotonic()
        pbx.process.send_signal(signal.SIGKILL)
        pbx.kill9()
        pbx.run()
        self.back = time.monotonic()
        until(self._all_seen, VISIBLE_WITHIN)
        phones.join()

    def _listen(self, event: CallEvent) -> None:
        if event.what.startswith("say"):
            self.begun[self.callers[event.call]] = time.monotonic()

    def _all_seen(self) -> bool:
        for who, calls in self.deployment.filed(*self.callers).items():
            if any(call.complaint for call in calls):
                self.seen.setdefault(who, time.monotonic())
        return len(self.seen) == len(self.callers)

    def lost(self, who: str, call: Call) -> float:
        """Seconds of what was spoken until the kill that are in no recording."""
        spoken = self.said[: int((self.killed - self.begun[who]) * 8000)]
        return len(spoken) / 8000 - self.deployment.heard(call, spoken)


@pytest.fixture(scope="module")
def running(deployment: Deployment) -> Iterator[Deployment]:
    """The line process stays up all the time."""
    with line_process(deployment.config) as line:
        yield deployment
        assert line.process.poll() is None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [pytest.param(1, id="once"), *FULL])
def test_a_killed_exchange_costs_no_complaint_and_little_sound(
    running: Deployment, long: Samples, kills: int
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    rounds = []
    for _ in range(kills):
        rounds.append(Round(running, long, [f"0830{next(_serial):04d}" for _ in range(AT_ONCE)]))
        rounds[-1].run(after=chance.uniform(0.5, 12) if kills > 1 else 3.0)
    lost, late = [], []
    for one in rounds:
        for who, calls in running.filed(*one.callers).items():
            (call,) = calls
            lost.append(one.lost(who, call))
            late.append(one.seen[who] - one.back)
            for recording in call.recordings:
                path = running.wiring.config.storage.recordings / recording.path
                assert inspect(path).seconds == pytest.approx(recording.seconds, abs=0.001)
            assert call.complaint and call.complaint.public_number == call.public_number
    print(
        f"{kills} kills, {len(lost)} recordings: lost {max(lost):.2f} s at most, "
        f"{sum(lost) / len(lost):.2f} s on average; "
        f"visible {max(0.0, *late):.1f} s after the restart at most"
    )
    assert max(lost) <= LOST_AT_MOST
    given = [
        call.public_number for r in rounds for c in running.filed(*r.callers).values() for call in c
    ]
    assert None not in given and len(set(given)) == len(given)
    assert running.spool.call_ids() == []
    _equal(running)


def _equal(deployment: Deployment) -> None:
    """Every call of the exchange's record is in the log, and nothing else."""
    zone = deployment.wiring.config.programme.zone

    def compared() -> bool:
        now = datetime.now(UTC)
        day = now.astimezone(zone).date()
        with deployment.store.read() as session:
            figure = call_counts.count(session, "pbx1", day, zone=zone, now=now)
        return figure.here == figure.in_exchange > 0 and figure.here_alone == 0

    until(compared, 10)
