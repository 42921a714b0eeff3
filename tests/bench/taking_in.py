"""Goal 4: a complaint, its ticket, their events and the outbox in one durable transaction.

Ours is what line and console do, all in one: file the call, write it down, send it to an agency.
The limit is the bare driver that says the very statements which ours wrote with. Four writers are
four threads of one process (the console), and four processes (line, console, workers).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench.figures import Part, Ratio
from tests.bench.replay import recorded, replayed
from tests.bench.running import ROOT
from tests.bench.towns import KINDS, Bench, Towns, filled, towns
from tests.bench.writers import take_in

COUNT, FEW = 300, 17
_APART = 50_000  # serials of one writer


def bench(folder: Path, rounds: int) -> Part:
    """In each round one writer, the driver, four threads and four processes have their turn."""
    part = Part("intake", f"{COUNT} calls, filed and sent on, each one durable transaction")
    with towns(folder) as make:
        for kind in KINDS:
            original = make(kind)
            filled(original, FEW)
            said = _said(make, original)
            rows = sum(len(one) for one in said) / len(said)
            for _ in range(rounds):
                with make.copied(original) as bench_:
                    part.add(f"ours 1, {kind}", **_figures(bench_, [1]))
                with make.copied(original) as bench_:
                    part.add(f"driver 1, {kind}", **_told(replayed(bench_.database.url, said)))
                with make.copied(original) as bench_:
                    part.add(f"ours 4 threads, {kind}", **_figures(bench_, [4]))
                with make.copied(original) as bench_:
                    part.add(f"ours 4 processes, {kind}", **_figures(bench_, [1] * 4))
            part.figures += _compared(part, kind, rows)
    return part


def _compared(part: Part, kind: str, rows: float) -> list[Ratio]:
    def series(who: str, key: str) -> list[float]:
        return part.series(f"{who}, {kind}", key)

    goal: Any = ("at least", 0.5) if kind == "sqlite" else None
    found = [
        Ratio(
            f"driver, same {rows:.0f} statements, {kind}",
            series("ours 1", "per_s"),
            series("driver 1", "per_s"),
            "per s",
            goal,
            "4",
        )
    ]
    for many in ("4 threads", "4 processes"):
        found.append(
            Ratio(
                f"one writer's p99: {many}, {kind}",
                series(f"ours {many}", "p99_ms"),
                series("ours 1", "p99_ms"),
                "ms",
                ("at most", 8),
                "4",
            )
        )
    return found


def _said(make: Towns, original: Bench) -> Any:
    with make.copied(original) as bench_:

        def work() -> None:
            for serial in range(COUNT):
                take_in(bench_.store, bench_.town.rules, 100_000 + serial)

        return recorded(bench_.store.engine, work)


def _figures(bench_: Bench, writers: list[int]) -> dict[str, float]:
    """`writers`: threads of each process."""
    each = COUNT // sum(writers)
    with ExitStack() as stack:
        running = [
            stack.enter_context(_writer(bench_, threads, each, 100_000 + n * _APART))
            for n, threads in enumerate(writers)
        ]
        began = time.perf_counter()
        for process in running:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        taken: list[float] = []
        for process in running:
            assert process.stdout
            taken += json.loads(process.stdout.readline())
        seconds = time.perf_counter() - began
    return _told(taken, seconds)


def _told(taken: list[float], seconds: float | None = None) -> dict[str, float]:
    seconds, ordered = seconds or sum(taken), sorted(taken)
    return {
        "per_s": len(taken) / seconds,
        "p50_ms": ordered[len(ordered) // 2] * 1e3,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
    }


@contextmanager
def _writer(bench_: Bench, threads: int, each: int, first: int) -> Iterator[subprocess.Popen[str]]:
    numbers = (str(threads), str(each), str(first))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.writers", bench_.database.url, *numbers],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("a writer did not start")
        yield process
    finally:
        process.terminate()
        process.wait(10)
