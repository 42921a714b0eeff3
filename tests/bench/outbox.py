"""Goal 8: from the outbox in the database to Redis, beside RQ's own enqueue_many.

Ours is one turn of the clock's sweep: it asks the database what is due and posts it, without a
second letter for what waits already. The limit has the ids at hand.
"""

from __future__ import annotations

import time
from pathlib import Path

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from callcenter.clock import duties
from callcenter.gateways.postman import ORDINARY, SEND, Postman
from tests.bench.figures import Part, Ratio
from tests.bench.queues import url_of, valkey
from tests.bench.towns import KINDS, Bench, filled, towns
from tests.services.conftest import T0

DUE, TURNS = 5000, 5


def bench(folder: Path, rounds: int) -> Part:
    """In each round both post as many, into an empty queue."""
    part = Part("outbox", f"{DUE} notices are due; letters per second into an empty queue")
    with towns(folder) as make, valkey(folder) as redis:
        for kind in KINDS:
            filled(bench_ := make(kind), DUE)
            for index in range(rounds):
                for name in ("ours", "enqueue_many")[:: -1 if index % 2 else 1]:
                    part.add(f"{name}, {kind}", letters_per_s=_measured(name, bench_, redis))
            series = [
                part.series(f"{who}, {kind}", "letters_per_s") for who in ("ours", "enqueue_many")
            ]
            part.figures.append(
                Ratio(f"enqueue_many, {kind}", *series, "letters/s", ("at least", 0.8), "8")
            )
    return part


def _measured(name: str, bench_: Bench, redis: Redis) -> float:
    posted = seconds = 0.0
    sweep = _sweep(bench_, redis)
    for _ in range(TURNS):
        redis.flushall()
        began = time.perf_counter()
        if name == "ours":
            sweep(T0)
        else:
            _enqueue_many(redis)
        seconds += time.perf_counter() - began
        posted += Queue(ORDINARY, connection=redis, serializer=JSONSerializer).count
    return posted / seconds


def _sweep(bench_: Bench, redis: Redis):  # type: ignore[no-untyped-def]
    made = duties(bench_.store, Postman(url_of(redis)), bench_.town.rules)
    return next(duty.work for duty in made if duty.name == "sweep")


def _enqueue_many(redis: Redis) -> None:
    queue = Queue(ORDINARY, connection=redis, serializer=JSONSerializer)
    queue.enqueue_many(
        [
            Queue.prepare_data(
                SEND, args=(number,), job_id=f"{ORDINARY}-{number}-1", timeout=40, result_ttl=0
            )
            for number in range(500)
        ]
    )
