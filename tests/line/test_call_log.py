"""The log of calls beside a real exchange's own record: after every gap they are equal.

The exchange, the line process and the database go away one after the other, with calls in them.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from callcenter.services import call_counts
from callcenter.services.call_counts import Figure
from callcenter.store.exchange_models import ExchangeCall
from callcenter.store.models import Call as LoggedCall
from callcenter.watching import watching
from tests.line.asterisk import until
from tests.line.softphone import Call, Samples, alaw, speech
from tests.line.test_line_process import (
    Deployment,
    deployment,  # noqa: F401 (fixture)
    line_process,
    long,  # noqa: F401 (fixture)
    prompts,  # noqa: F401 (fixture)
)

pytestmark = [pytest.mark.line, pytest.mark.timeout(200)]

GONE_WITHIN = 30.0  # no call lasts longer here after its end
# ruff: noqa: F811 (fixtures are arguments)


class Comparison:
    """What the exchange recorded and what is in the log, since this object was made."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment, self.begun = deployment, datetime.now(UTC)

    def figure(self) -> Figure:
        zone = self.deployment.wiring.config.programme.zone
        now = datetime.now(UTC)
        with self.deployment.store.read() as session:
            return call_counts.count(
                session, "pbx1", now.astimezone(zone).date(), zone=zone, now=now
            )

    def recorded(self) -> list[ExchangeCall]:
        mine = select(ExchangeCall).where(ExchangeCall.started_at >= self.begun)
        with self.deployment.store.read() as session:
            return list(session.scalars(mine.order_by(ExchangeCall.id)))

    def live(self) -> list[str]:
        return [call.call_uid for call in self.recorded() if call.ended_at is None]

    def modes(self) -> list[str]:
        ids = [call.call_uid for call in self.recorded()]
        rows = select(LoggedCall.mode).where(LoggedCall.call_uid.in_(ids))
        with self.deployment.store.read() as session:
            return sorted(session.scalars(rows))

    def settled(self, calls: int) -> bool:
        """So many calls were recorded, each has ended and has its row."""
        found = self.recorded()
        return len(found) == calls and not self.live() and len(self.modes()) == calls


@pytest.fixture
def compared(deployment: Deployment) -> Comparison:
    return Comparison(deployment)


@contextmanager
def watched(deployment: Deployment) -> Iterator[None]:
    """The clock's look at the exchange, more often than in earnest."""
    with watching(deployment.wiring):
        yield


def gives_up(deployment: Deployment, caller: str) -> None:
    with Call(deployment.pbx.sip_port, caller=caller) as call:
        call.give_up()
        assert call.ended.wait(10) or call.answered.is_set()


def abandons(deployment: Deployment, caller: str) -> None:
    """In the middle of the welcome."""
    with Call(deployment.pbx.sip_port, caller=caller) as call:
        assert call.answered.wait(10)
        assert not call.ended.wait(0.5)


def test_calls_that_the_application_never_saw_are_in_the_log(
    deployment: Deployment, compared: Comparison
) -> None:
    """Given up, abandoned in the welcome, busy, taken by the exchange alone."""
    abandons(deployment, "0871001")  # the application is away: the fallback's
    with line_process(deployment.config) as line, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: gives_up(deployment, f"087110{n}"), range(4)))
        abandons(deployment, "0871201")
        with ExitStack() as stack:
            for _ in range(4):
                call = stack.enter_context(Call(deployment.pbx.sip_port, caller="0871301"))
                assert call.answered.wait(10)
            fifth = stack.enter_context(Call(deployment.pbx.sip_port, caller="0871301"))
            assert fifth.ended.wait(10)
            assert fifth.status == 486
        until(lambda: compared.settled(11), 20)
        assert line.end() == 0
    modes = compared.modes()
    assert modes.count("busy") == 1
    assert modes.count("fallback-refused") == 1
    assert set(modes) <= {"app", "busy", "fallback-refused", "unanswered"}
    figure = compared.figure()
    assert figure.equal and figure.in_exchange == figure.here
    assert figure.here_alone == 0


def test_the_line_process_was_away_and_nothing_is_missing_when_it_is_back(
    deployment: Deployment, compared: Comparison
) -> None:
    with line_process(deployment.config) as line:
        abandons(deployment, "0872001")
        line.end(signal.SIGKILL)
    for caller in ("0872002", "0872003"):
        abandons(deployment, caller)
    assert len(compared.recorded()) <= 1
    with line_process(deployment.config):
        until(lambda: compared.settled(3), 20)
    assert compared.figure().equal


def test_a_database_that_was_put_back_gets_its_calls_again_and_each_once(
    deployment: Deployment, compared: Comparison, tmp_path: Path, long: Samples
) -> None:
    folder = deployment.config.parent / "var"
    abandons(deployment, "0873001")
    with line_process(deployment.config):
        until(lambda: compared.settled(1), 20)
    deployment.store.engine.dispose()
    for file in folder.glob("aduan24.db*"):
        shutil.copy(file, tmp_path)
    with line_process(deployment.config):
        with Call(deployment.pbx.sip_port, caller="081287654321", say=alaw(long)) as call:
            assert call.answered.wait(10)
            until(lambda: _recording(deployment), 30)
            assert not call.ended.wait(2)
        until(lambda: compared.settled(2), 20)
        before = _told(deployment, "081287654321")
    deployment.store.engine.dispose()
    for file in folder.glob("aduan24.db*"):
        file.unlink()
    for file in tmp_path.glob("aduan24.db*"):
        shutil.copy(file, folder)
    assert len(compared.recorded()) == 1
    with line_process(deployment.config):
        until(lambda: compared.settled(2), 20)
    assert _told(deployment, "081287654321") == before
    assert before[0] and before[1]
    assert compared.figure().equal
    assert deployment.spool.call_ids() == []


def _recording(deployment: Deployment) -> bool:
    return any(path.stat().st_size > 44 for path in deployment.spool.folder.glob("*complaint*.wav"))


def _told(deployment: Deployment, caller: str) -> tuple[str | None, str | None, list[str]]:
    """Number of the call, number of the complaint, its recordings."""
    (call,) = deployment.filed(caller)[caller]
    complaint = call.complaint.public_number if call.complaint else None
    return call.public_number, complaint, [recording.sha256 for recording in call.recordings]


# ---------------------------------------------------------------- no call lives on


def gone(compared: Comparison, ended: float) -> float:
    """Seconds from the end of the last call until none lasts here."""
    until(lambda: not compared.live(), GONE_WITHIN)
    return time.monotonic() - ended


def killed_with_a_call(deployment: Deployment, compared: Comparison, caller: str) -> float:
    """A call of more than five seconds in an exchange that is killed; the moment of the kill."""
    with Call(deployment.pbx.sip_port, caller=caller, say=speech(60)) as call:
        assert call.answered.wait(10)
        until(compared.live, 20)
        deployment.pbx.kill9()
        return time.monotonic()


@pytest.mark.parametrize("returns", [True, False], ids=["returns", "stays away"])
def test_a_call_ends_here_when_its_exchange_is_killed(
    deployment: Deployment, compared: Comparison, returns: bool
) -> None:
    with line_process(deployment.config):
        ended = killed_with_a_call(deployment, compared, f"087400{returns:d}")
        if returns:
            deployment.pbx.run()
        print(f"gone after {gone(compared, ended):.1f} s")
        until(lambda: compared.settled(1), 20)
    if not returns:
        deployment.pbx.run()
    (call,) = compared.recorded()
    assert call.noticed


def test_a_call_that_ended_while_the_line_process_hung_ends_by_the_clock(
    deployment: Deployment, compared: Comparison
) -> None:
    with line_process(deployment.config) as line, watched(deployment):
        with Call(deployment.pbx.sip_port, caller="0875001") as call:
            assert call.answered.wait(10)
            until(compared.live, 20)
            with deployment.store.write() as session:
                session.connection()  # ours now: it must not hang with the database in its hands
                line.send(signal.SIGSTOP)
            call.hang_up()
            ended = time.monotonic()
        print(f"gone after {gone(compared, ended):.1f} s")
        ended = killed_with_a_call(deployment, compared, "0875002")
        deployment.pbx.run()
        print(f"gone after {gone(compared, ended):.1f} s")
        line.send(signal.SIGCONT)
        until(lambda: compared.settled(2), 30)
