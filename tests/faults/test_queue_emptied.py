"""Redis is the postman, not the memory: emptied, killed or absent, every notice still leaves."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import select

from callcenter.gateways import valkey
from callcenter.store.models import Notice
from tests.faults.conftest import MakeSite
from tests.faults.deployment import Process, Site
from tests.running import until

pytestmark = pytest.mark.timeout(240)

PROMPT = timedelta(seconds=2)
RECOVERED = timedelta(seconds=15)
MINUTE = timedelta(seconds=60)


@pytest.fixture
def running(site: MakeSite) -> Site:
    """Queue, two workers and the clock; ready when a first notice has gone through."""
    here = site(enabled="false")
    for part in ("queue", "worker", "worker", "clock"):
        here.start(part)
    here.ticket(1)
    until(lambda: _all_handed_over(here), 30)
    return here


def _waits(here: Site) -> list[timedelta]:
    """From the commit of the dispatch until the notice was handed to the provider."""
    with here.store.read() as session:
        return [
            (n.sent_at or datetime.max.replace(tzinfo=UTC)) - n.created_at
            for n in session.scalars(select(Notice).order_by(Notice.id))
        ]


def _all_handed_over(here: Site) -> bool:
    with here.store.read() as session:
        states = set(session.scalars(select(Notice.state)))
    return bool(states) and states <= {"sent", "delivered"}


def _once(here: Site) -> bool:
    with here.store.read() as session:
        return all(len(n.attempts) == 1 for n in session.scalars(select(Notice)))


def _redis(here: Site) -> Redis:
    return Redis.from_url(here.config.queue.redis_url)


def test_a_notice_leaves_within_two_seconds(running: Site) -> None:
    for serial in range(2, 22):
        running.ticket(serial)
        time.sleep(0.05)
    until(lambda: _all_handed_over(running), 15)
    waits = _waits(running)[1:]
    print(f"dispatch to provider: longest {max(waits).total_seconds():.2f} s of {len(waits)}")
    assert max(waits) <= PROMPT
    assert _once(running)


def test_emptied_at_any_moment_it_takes_seconds_longer(running: Site) -> None:
    stop = threading.Event()
    flusher = threading.Thread(target=_flush_until, args=(_redis(running), stop.is_set))
    flusher.start()
    for serial in range(2, 42):
        running.ticket(serial)
    stop.set()
    flusher.join()
    _redis(running).flushall()
    until(lambda: _all_handed_over(running), 30)
    waits = _waits(running)[1:]
    print(f"with the queue emptied: longest {max(waits).total_seconds():.2f} s of {len(waits)}")
    assert max(waits) <= RECOVERED
    assert _once(running)


def _flush_until(redis: Redis, over: Callable[[], bool]) -> None:
    chance = random.Random(4)
    while not over():
        redis.flushall()
        time.sleep(chance.uniform(0, 0.05))


@pytest.mark.parametrize("how", ["killed and started empty", "hung"])
@pytest.mark.parametrize(
    ("away_s", "tickets"),
    [
        (2.5, 4),  # the workers' pauses have grown to their longest
        pytest.param(
            600, 200, marks=[pytest.mark.endurance, pytest.mark.timeout(1200)], id="10 minutes"
        ),
    ],
)
def test_after_a_time_without_it_everything_due_leaves_within_a_minute(
    running: Site, how: str, away_s: float, tickets: int
) -> None:
    queue = running.processes[0]
    over = time.monotonic() + away_s
    _take_away(queue, how)
    for serial in range(2, tickets + 2):
        running.ticket(serial)  # the dispatch itself does not wait for the queue
        time.sleep(max(0.0, over - time.monotonic()) / (tickets + 2 - serial))
    back = datetime.now(UTC)
    _give_back(running, how)
    until(lambda: _all_handed_over(running), MINUTE.total_seconds())
    with running.store.read() as session:
        sent = session.scalars(select(Notice.sent_at).order_by(Notice.sent_at)).all()
    latest = max(at for at in sent if at) - back
    print(
        f"\nqueue {how}, {away_s:.0f} s away: {len(sent) - 1} due notices, "
        f"the last one sent {latest.total_seconds():.1f} s after its return"
    )
    assert latest <= MINUTE
    assert _once(running)


def _take_away(queue: Process, how: str) -> None:
    if how == "hung":
        queue.child.send_signal(signal.SIGSTOP)
    else:
        queue.kill()


def _give_back(here: Site, how: str) -> None:
    queue = here.processes[0]
    if how == "hung":
        queue.child.send_signal(signal.SIGCONT)
    else:
        queue.start()
        until(lambda: valkey.answers(here.config.queue.port), 10)


def test_a_worker_killed_with_a_notice_in_hand_is_followed_by_another(site: MakeSite) -> None:
    here = site(enabled="false")
    here.ticket(1)
    with here.store.write() as session:  # as a worker leaves it that died after its claim
        notice = session.scalars(select(Notice)).one()
        notice.state, notice.fence = "sending", 7
        notice.claimed_at = datetime.now(UTC) - timedelta(seconds=43)
    for part in ("queue", "worker", "clock"):
        here.start(part)
    until(lambda: _all_handed_over(here), 30)
    with here.store.read() as session:
        assert session.scalars(select(Notice.fence)).one() == 8
