"""The workers' side of the queue: ids in, one service call each.

Nothing exists only in the queue. A job that is lost is posted again by the clock, a job that
runs twice finds nothing to claim.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.worker import WorkerStatus

from callcenter.gateways.postman import QUEUES
from callcenter.heart import Heart
from callcenter.services import delivery, media
from callcenter.services.batch import named
from callcenter.services.delivery import Carriers
from callcenter.wiring import Wiring

log = logging.getLogger("aduan24.worker")

_AGAIN_AFTER_S = 0.5
#: RQ's own pauses grow to a minute while the queue is away; all work would wait as long for them.
_LONGEST_PAUSE_S = 2.0
_RESULT_TTL_S = 0
_BEATS_EVERY_S = 5.0


class _Bench:
    """What the jobs of this process work with; set once, by `work`."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring

    @cached_property
    def carriers(self) -> Carriers:
        wiring = self.wiring
        return Carriers.of(wiring.channels, wiring.links, wiring.pin_of, wiring.paper)


_bench: _Bench | None = None


def _here() -> _Bench:
    if _bench is None:
        raise RuntimeError("jobs run in `aduan24 worker` only")
    return _bench


def _now() -> datetime:
    return datetime.now(UTC)


def send_notice(notice_id: int) -> None:
    """Send one notice.

    Running it twice is harmless: the notice is claimed by a conditional UPDATE, and a second
    claim finds it sent, or in the hands of the first.
    """
    bench = _here()
    delivery.deliver(
        bench.wiring.store, notice_id, bench.carriers, clock=_now, rules=bench.wiring.rules
    )


def ask_arrival(notice_id: int) -> None:
    """Ask the provider whether a notice arrived.

    Running it twice is harmless: a question has its time, and an answer is written once.
    """
    bench = _here()
    delivery.ask(
        bench.wiring.store, notice_id, bench.carriers, clock=_now, rules=bench.wiring.rules
    )


def fetch_media(file_id: int) -> None:
    """Fetch one file of a citizen's message.

    Running it twice is harmless: the file is claimed by a conditional UPDATE, and the same content
    is one file.
    """
    wiring = _here().wiring
    if wiring.media_source is not None:
        folder = wiring.config.storage.recordings
        media.fetch(wiring.store, file_id, wiring.media_source, folder, clock=_now)


def employ(wiring: Wiring) -> None:
    """Let the jobs of this process work with `wiring`."""
    global _bench  # noqa: PLW0603 (RQ calls plain functions)
    _bench = _Bench(wiring)


class NoticeWorker(SimpleWorker):
    """Runs jobs in this process: each is one claim and one request with a time limit of its own.

    One that brings the process down takes no other along: what it had claimed is due again when
    its lease ends, and everything else is in the database.

    RQ keeps books in Redis about every job that runs; ours are in the database. So a job costs its
    letter alone: taken, run, put away. One that breaks is kept where RQ keeps such jobs, and the
    worker says every few seconds, not several times for each job, that it lives.
    """

    max_connection_wait_time = _LONGEST_PAUSE_S
    _said_at = 0.0
    _said = ""

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run it and put its letter away."""
        self.set_state(WorkerStatus.BUSY)
        try:
            with self.death_penalty_class(job.timeout or 60, JobTimeoutException, job_id=job.id):
                job.perform()
        except Exception as error:  # whatever a notice provokes, the next one is sent
            log.error("a job failed: %s", named(error))
            job.started_at = job.ended_at = _now()
            self.handle_job_failure(job, queue, exc_string=named(error))
        else:
            with self.connection.pipeline(transaction=False) as pipe:
                pipe.delete(job.key)
                self.set_state(WorkerStatus.IDLE, pipe)
                pipe.execute()

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Only when the last one is old."""
        if pipeline is not None or time.monotonic() - self._said_at > _BEATS_EVERY_S:
            super().heartbeat(timeout, pipeline)
            self._said_at = time.monotonic()

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Only what is new."""
        if state != self._said:
            super().set_state(state, pipeline)
            self._said = state


def work(wiring: Wiring) -> None:
    """Send notices until SIGTERM or SIGINT; waits for the queue when it is away."""
    employ(wiring)
    stop = threading.Event()
    part = os.environ.get("ADUAN24_PART", "worker")
    with Heart(wiring.store, part):
        while not stop.is_set():
            listen(wiring.config.queue.redis_url, stop, QUEUES)


def listen(
    url: str, stop: threading.Event, names: Sequence[str], kind: type[NoticeWorker] = NoticeWorker
) -> None:
    """One worker's life: until it is asked to stop, or the queue goes away.

    `names`: of its queues, in order; `kind`: of worker.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        connection: Redis = Redis.from_url(url, socket_connect_timeout=1)
        connection.ping()
        queues = [Queue(name, connection=connection, serializer=JSONSerializer) for name in names]
        worker = kind(
            queues,
            connection=connection,
            serializer=JSONSerializer,
            default_result_ttl=_RESULT_TTL_S,
            default_worker_ttl=30,
            maintenance_interval=60,
        )
        worker.work(logging_level="WARNING")
        stop.set()  # it returns only when it was asked to
    except RedisError as error:
        log.warning("the queue is away: %s", type(error).__name__)
        stop.wait(_AGAIN_AFTER_S)
