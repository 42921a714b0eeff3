"""Goal 9: from the commit to the worker, and how many tickets a worker carries.

Ours is the real worker with its whole work: claim, attempt, channel (the screen), result, two
durable transactions for each notice. RQ's own workers run jobs that do nothing. One process each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import yaml
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from callcenter.gateways.postman import Postman
from callcenter.store.models import Notice
from callcenter.store.session import Letter
from tests.bench.figures import Count, Part, Ratio
from tests.bench.queues import url_of, valkey
from tests.bench.running import ROOT
from tests.bench.towns import KINDS, Bench, Towns, filled, towns
from tests.running import until
from tests.services.conftest import T0

ONE_BY_ONE, AT_ONCE, FORKED = 60, 400, 150
_REST_S = 0.005  # after each: the worker listens again


def bench(folder: Path, rounds: int) -> Part:
    """In each round each worker has its turn: one after the other first, then many at once."""
    part = Part("dispatch", f"{ONE_BY_ONE} one by one, then {AT_ONCE} at once; one worker")
    with towns(folder) as make, valkey(folder) as redis:
        originals = {kind: make(kind) for kind in KINDS}
        for original in originals.values():
            filled(original, AT_ONCE)
        for _ in range(rounds):
            for kind, original in originals.items():
                part.add(f"ours, {kind}", **_ours(make, original, folder, redis))
            for name in ("simple", "fork"):
                part.add(f"RQ {name}", **_peer(name, folder, redis))
        lost = [_crash(make, originals[kind], folder, redis) for kind in KINDS]
    fork, simple = part.series("RQ fork", "per_s"), part.series("RQ simple", "p50_ms")
    for kind in KINDS:
        p50, rate = (part.series(f"ours, {kind}", key) for key in ("p50_ms", "per_s"))
        part.figures += [
            Ratio(f"SimpleWorker's start, {kind}", p50, simple, "ms", ("at most", 1.3), "9"),
            Ratio(f"forking worker, {kind}", rate, fork, "tickets/s", ("at least", 5), "9"),
        ]
    part.figures.append(Count("others lost by one that crashed", lost, AT_ONCE * len(KINDS), "9"))
    return part


@dataclass
class _Worker:
    """A running worker and what it notes."""

    notes: Path
    process: subprocess.Popen[bytes]
    _seen: dict[tuple[str, int], int] = field(default_factory=dict)
    _read: int = 0

    def heard(self) -> dict[tuple[str, int], int]:
        """(what, number) -> the moment."""
        with self.notes.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            kind, number, at = line.split()
            self._seen.setdefault((kind.decode(), int(number)), int(at))
        return self._seen

    def waits(self, kind: str, numbers: Sequence[int], seconds: float = 60.0) -> None:
        """Until all of them are noted."""
        deadline = time.monotonic() + seconds
        while not all((kind, number) in self._seen for number in numbers):
            self.heard()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{kind} was not heard of all {len(numbers)}")
            time.sleep(0.0005)


@contextmanager
def _worker(name: str, target: str, folder: Path, redis: Redis, dies: int = 0) -> Iterator[_Worker]:
    notes = folder / f"notes-{time.monotonic_ns()}"
    notes.touch()
    with (folder / f"worker-{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.workers", name, target, str(notes)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ADUAN24_BENCH_DIES": str(dies)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        until(lambda: redis.scard("rq:workers"), 20)
        yield _Worker(notes, process)
    finally:
        process.terminate()
        process.wait(20)
        redis.flushall()


def _config(bench_: Bench, folder: Path, redis: Redis) -> Path:
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    place = folder / f"deployed-{bench_.name}"
    place.mkdir()
    settings["storage"]["database"] = bench_.database.url
    settings["queue"] = {"url": url_of(redis), "workers": 1}
    (place / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return place / "config.yaml"


def _ours(make: Towns, original: Bench, folder: Path, redis: Redis) -> dict[str, float]:
    with make.copied(original) as bench_:
        config, postman = _config(bench_, folder, redis), Postman(url_of(redis))
        with _worker("ours", str(config), folder, redis) as worker:
            waits = _one_by_one(bench_, postman, worker)
            with bench_.store.read() as db:
                queued = [(n.id, n.urgent) for n in db.query(Notice).filter_by(state="queued")]
            postman.post(queued)
            return {**waits, "per_s": _rate(worker, "sent", [number for number, _ in queued])}


def _one_by_one(bench_: Bench, postman: Postman, worker: _Worker) -> dict[str, float]:
    """From the commit of a dispatch to the start of its job."""
    committed: dict[int, int] = {}

    def posted(letters: Sequence[Letter]) -> None:
        committed.update(dict.fromkeys((number for number, _ in letters), time.monotonic_ns()))
        postman.post(letters)

    bench_.town.store = bench_.database.store(posted)
    bench_.town._serials = iter(range(900_000, 999_999))  # type: ignore[assignment]  # unused so far
    for _ in range(ONE_BY_ONE):
        bench_.town.sent(T0)
        worker.waits("sent", list(committed))
        time.sleep(_REST_S)
    began = worker.heard()
    return _figures([began["began", number] - at for number, at in committed.items()])


def _peer(name: str, folder: Path, redis: Redis) -> dict[str, float]:
    queue = Queue("peer", connection=redis, serializer=JSONSerializer)
    with _worker(name, url_of(redis), folder, redis) as worker:
        waits = []
        for number in range(ONE_BY_ONE):
            enqueued = time.monotonic_ns()
            queue.enqueue("tests.bench.workers.nothing", number, result_ttl=0)
            worker.waits("began", [number])
            waits.append(worker.heard()["began", number] - enqueued)
            time.sleep(_REST_S * (4 if name == "fork" else 1))
        many = list(range(1000, 1000 + (FORKED if name == "fork" else AT_ONCE)))
        queue.enqueue_many(
            [
                Queue.prepare_data("tests.bench.workers.nothing", args=(n,), result_ttl=0)
                for n in many
            ]
        )
        return {**_figures(waits), "per_s": _rate(worker, "began", many)}


def _figures(waits: list[int]) -> dict[str, float]:
    ordered = sorted(waits[5:])
    return {"p50_ms": median(ordered) / 1e6, "p95_ms": ordered[int(len(ordered) * 0.95)] / 1e6}


def _rate(worker: _Worker, kind: str, numbers: Sequence[int]) -> float:
    worker.waits(kind, numbers)
    heard = worker.heard()
    began = min(heard["began", number] for number in numbers)
    return (len(numbers) - 1) / ((max(heard[kind, number] for number in numbers) - began) / 1e9)


def _crash(make: Towns, original: Bench, folder: Path, redis: Redis) -> int:
    """One job kills its process, which is started again: how many of the others are not sent."""
    with make.copied(original) as bench_:
        config = _config(bench_, folder, redis)
        with bench_.store.read() as db:
            queued = [(n.id, n.urgent) for n in db.query(Notice).filter_by(state="queued")]
        dies = queued[len(queued) // 2][0]
        others = [number for number, _ in queued if number != dies]
        Postman(url_of(redis)).post(queued)
        kept = redis.lrange("rq:queue:notices", 0, -1)
        with _worker("ours", str(config), folder, redis, dies) as worker:
            worker.process.wait(60)
            rest = [n for n in others if ("sent", n) not in worker.heard()]
            left = len(redis.lrange("rq:queue:notices", 0, -1))
            assert len(kept) == len(queued)
            redis_keeps = left == len(rest)
            again = _Worker(folder / "again", _started_again(config, folder))
            try:
                again.waits("sent", rest)
            finally:
                again.process.terminate()
                again.process.wait(20)
        return 0 if redis_keeps else abs(left - len(rest))


def _started_again(config: Path, folder: Path) -> subprocess.Popen[bytes]:
    (folder / "again").write_bytes(b"")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.workers", "ours", str(config), str(folder / "again")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
