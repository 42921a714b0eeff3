"""Carries ids of notices from whoever wrote them to the workers, by RQ over Redis.

Redis is disposable: the database holds what is due, and a letter that is lost is posted again
by the clock's sweep. So nothing here may fail loudly, or hold anybody up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, Worker
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from callcenter.store.session import Letter

log = logging.getLogger("aduan24.postman")

URGENT, ORDINARY, QUESTIONS, MEDIA = "urgent", "notices", "questions", "media"
#: Queues in the order in which workers empty them: an emergency never waits behind a report.
QUEUES = (URGENT, ORDINARY, QUESTIONS, MEDIA)
SEND, ASK = "callcenter.jobs.send_notice", "callcenter.jobs.ask_arrival"
#: Recordings to be turned into words: a worker of its own empties it.
SPEECH, DRAFT = "speech", "callcenter.speech_worker.write_draft"
FETCH = "callcenter.jobs.fetch_media"

#: A letter is not posted again while one with the same id waits; after so many seconds it is,
#: because the worker that took it may be dead. The claim in the database makes that harmless.
_SAME_LETTER_S = 15
#: A job ends before its notice's lease does: nobody sends what another worker holds.
_JOB_S = 40
#: A letter that nobody took for so long is gone; whatever is still due has been posted again.
_LETTER_S = 3600
#: A draft may take long, and many may wait: its letter is known by how often it was tried before.
_DRAFT_JOB_S, _DRAFT_LETTER_S = 2400, 600
_QUICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Counted:
    """What the queue holds now. `waiting`: letters by queue; `failed`: jobs that broke."""

    waiting: Mapping[str, int]
    workers: int
    busy: int
    failed: int


class Postman:
    """Posts letters. A queue that is away is noted, never an error."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=_QUICK_S,
            socket_connect_timeout=_QUICK_S,
            retry=Retry(NoBackoff(), 1),
        )
        self._away = False

    def post(self, letters: Sequence[Letter]) -> None:
        """Tell the workers of these notices."""
        urgent = [notice_id for notice_id, is_urgent in letters if is_urgent]
        ordinary = [notice_id for notice_id, is_urgent in letters if not is_urgent]
        self._put(URGENT, SEND, _named(URGENT, urgent))
        self._put(ORDINARY, SEND, _named(ORDINARY, ordinary))

    def ask(self, notice_ids: Iterable[int]) -> None:
        """Have the provider asked what became of these notices."""
        self._put(QUESTIONS, ASK, _named(QUESTIONS, notice_ids))

    def draft(self, drafts: Sequence[tuple[int, int]]) -> None:
        """Have these drafts written: (id, tries so far) each."""
        wanted = {f"{SPEECH}-{number}-{tries}": number for number, tries in drafts}
        self._put(SPEECH, DRAFT, wanted, _DRAFT_JOB_S, _DRAFT_LETTER_S)

    def fetch(self, file_ids: Iterable[int]) -> None:
        """Have these files of messages fetched."""
        self._put(MEDIA, FETCH, _named(MEDIA, file_ids))

    def counted(self) -> Counted | None:
        """What the queue holds; None while it is away."""
        try:
            queues = [
                Queue(name, connection=self._redis, serializer=JSONSerializer) for name in QUEUES
            ]
            everybody = Worker.all(connection=self._redis, serializer=JSONSerializer)
            workers = [worker for worker in everybody if SPEECH not in worker.queue_names()]
            return Counted(
                waiting={queue.name: queue.count for queue in queues},
                workers=len(workers),
                busy=sum(worker.get_state() == WorkerStatus.BUSY for worker in workers),
                failed=sum(queue.failed_job_registry.count for queue in queues),
            )
        except Exception:  # see `_put`
            return None

    def _put(
        self,
        queue: str,
        function: str,
        wanted: Mapping[str, int],
        job_s: int = _JOB_S,
        letter_s: int = _LETTER_S,
    ) -> None:
        """`wanted`: the id of each letter, and what it is about."""
        if not wanted:
            return
        try:
            self._enqueue(queue, function, wanted, job_s, letter_s)
            self._away = False
        except Exception as error:
            # What is no Redis answers as it likes, and redis-py then fails as it likes: a port that
            # nobody holds may even be connected to itself. Whatever it is, nobody is held up.
            if not self._away:
                log.warning(
                    "the queue is away (%s); the sweep will post again", type(error).__name__
                )
            self._away = True

    def _enqueue(
        self, name: str, function: str, wanted: Mapping[str, int], job_s: int, letter_s: int
    ) -> None:
        queue = Queue(name, connection=self._redis, serializer=JSONSerializer)
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in wanted:
                pipe.exists(f"rq:job:{job_id}")
            waiting = pipe.execute()
        queue.enqueue_many(
            [
                Queue.prepare_data(
                    function,
                    args=(number,),
                    job_id=job_id,
                    timeout=job_s,
                    ttl=letter_s,
                    result_ttl=0,
                    failure_ttl=3600,
                    description=job_id,
                )
                for (job_id, number), there in zip(wanted.items(), waiting, strict=True)
                if not there
            ]
        )


def _named(queue: str, notice_ids: Iterable[int]) -> dict[str, int]:
    """Letters about notices: the same ones within a while are the same letters."""
    bucket = int(time.time()) // _SAME_LETTER_S
    return {f"{queue}-{notice_id}-{bucket}": notice_id for notice_id in notice_ids}
