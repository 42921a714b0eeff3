"""Workers that are compared, each in a process of its own, as each library starts them.

    python -m tests.bench.workers NAME TARGET NOTES

NAME is `ours` (TARGET: a configuration; it sends over the channel `screen`), `simple` or `fork`
(RQ's own, TARGET: an address of Redis; its jobs do nothing). Each job that begins is a line in
NOTES: its number and the monotonic nanosecond. Ours writes a second one when the notice is sent.
The job whose number stands in ADUAN24_BENCH_DIES brings its process down.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

_notes = -1
_DIES = int(os.environ.get("ADUAN24_BENCH_DIES", "0"))


def note(kind: str, number: int) -> None:
    """One line; lines of several processes never mix."""
    os.write(_notes, f"{kind} {number} {time.monotonic_ns()}\n".encode())


def nothing(number: int) -> None:
    """A peer's job."""
    note("began", number)


def ours(config: Path) -> None:
    from callcenter import jobs
    from callcenter.config.load import load
    from callcenter.config.secrets import read_secrets
    from callcenter.wiring import Wiring

    send = jobs.send_notice

    def watched(notice_id: int) -> None:
        note("began", notice_id)
        if notice_id == _DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        send(notice_id)
        note("sent", notice_id)

    jobs.send_notice = watched
    loaded = load(config)
    jobs.work(Wiring(loaded, read_secrets(loaded)))


def peer(name: str, url: str) -> None:
    from redis import Redis
    from rq import Queue, SimpleWorker, Worker
    from rq.serializers import JSONSerializer

    connection = Redis.from_url(url)
    queue = Queue("peer", connection=connection, serializer=JSONSerializer)
    kind = SimpleWorker if name == "simple" else Worker
    kind([queue], connection=connection, serializer=JSONSerializer).work(logging_level="WARNING")


def main(name: str, target: str, notes: str) -> None:
    global _notes  # noqa: PLW0603 (RQ calls plain functions)
    _notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sys.modules["tests.bench.workers"] = sys.modules[__name__]  # jobs find this very module
    ours(Path(target)) if name == "ours" else peer(name, target)


if __name__ == "__main__":
    main(*sys.argv[1:4])
