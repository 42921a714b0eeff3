"""Goal 7: a clock that finds nothing to do among a million open tickets.

The peer is RQ's scheduler with a million jobs that are not due: its lists are what an idle pass
looks at. What a job of its costs in Redis is measured with ten thousand of them; a ticket of ours
costs nothing there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from redis import Redis
from rq import Queue
from rq.registry import ScheduledJobRegistry
from rq.scheduler import RQScheduler

from callcenter.clock import duties
from callcenter.gateways.postman import Postman
from tests.bench.figures import Count, Part, Ratio
from tests.bench.queues import url_of, valkey
from tests.bench.towns import KINDS, filled, towns
from tests.services.conftest import MINUTE, T0

OPEN, PASSES, SAMPLE = 1_000_000, 200, 10_000
_VARIES = 65_536  # bytes, of Redis's own accounts and its clients
IDLE = T0 + MINUTE  # after the dispatch, before the next officer is told


def bench(folder: Path, rounds: int) -> Part:
    """A million open tickets in each database and a million scheduled jobs, all at once."""
    part = Part("idle", f"{OPEN} open tickets, of which none is due; {PASSES} passes each")
    with towns(folder) as make, valkey(folder, most="1gb") as redis:
        per_job = _per_job(redis)
        turns: dict[str, Callable[[], object]] = {"RQ": _scheduler(redis)}
        for kind in KINDS:
            filled(made := make(kind), OPEN, bare=True)
            town = made.town
            postman = Postman(url_of(redis))
            named = {d.name: d.work for d in duties(made.store, postman, town.rules)}
            turns[f"ours, {kind}"] = lambda w=named["steps"]: w(IDLE)  # type: ignore[misc]
            work = list(named.values())
            turns[f"all duties, {kind}"] = lambda w=work: [one(IDLE) for one in w]  # type: ignore[misc]
        for turn in turns.values():
            turn()  # connections are made, statements are known
        before = _used(redis)
        for _ in range(rounds):
            for name, turn in turns.items():
                part.add(name, pass_ms=_pass(turn))
        grown = max(0, _used(redis) - before - _VARIES)
    rq = part.series("RQ", "pass_ms")
    for kind in KINDS:
        ours = part.series(f"ours, {kind}", "pass_ms")
        part.figures.append(Ratio(f"RQ's idle pass, {kind}", ours, rq, "ms", ("at most", 5), "7"))
    part.figures.append(
        Count(f"Redis bytes for our tickets (RQ: {per_job:.0f} per job)", [grown], OPEN, "7")
    )
    return part


def _pass(turn: Callable[[], object]) -> float:
    taken = []
    for _ in range(PASSES):
        began = time.perf_counter()
        turn()
        taken.append(time.perf_counter() - began)
    return median(taken) * 1e3


def _scheduler(redis: Redis) -> Callable[[], object]:
    queue = Queue("later", connection=redis)
    key, due = ScheduledJobRegistry(queue=queue).key, datetime.now(UTC).timestamp() + 86400
    with redis.pipeline(transaction=False) as pipe:
        for first in range(0, OPEN, 10_000):
            pipe.zadd(key, {f"job-{n}": due + n for n in range(first, first + 10_000)})
            pipe.execute()
    scheduler = RQScheduler([queue], connection=redis, logging_level=logging.WARNING)
    scheduler.acquire_locks()
    return scheduler.enqueue_scheduled_jobs


def _per_job(redis: Redis) -> float:
    """Bytes of Redis for one scheduled job."""
    queue, before = Queue("sample", connection=redis), _used(redis)
    for number in range(SAMPLE):
        queue.enqueue_in(timedelta(days=1), "time.sleep", 0, job_id=f"s{number}")
    used = (_used(redis) - before) / SAMPLE
    redis.flushall()
    return used


def _used(redis: Redis) -> int:
    return int(redis.info("memory")["used_memory"])  # type: ignore[index]
