"""Goal 7: windows that are missed, all at once; and a clock that finds nothing to do.

`missed` tells three people and is the heaviest step of the ladder: the escalation, the event,
three notices with their links, the next step. The limit is what SQL can do at best: the next step
and the event row, in batches of a thousand, by the bare driver. django-helpdesk escalates as many
tickets of its own and tells three people as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from callcenter.store.models import Base
from tests.bench.figures import Part, Ratio
from tests.bench.replay import bare, recorded, replayed
from tests.bench.running import ROOT
from tests.bench.towns import KINDS, Bench, Towns, filled, towns
from tests.services.conftest import DAY, HOUR, T0

TICKETS, ESCALATED, BATCH = 3000, 300, 1000
MISSED = T0 + DAY


def bench(folder: Path, rounds: int) -> Part:
    """In each round every subject has its turn on both databases, on copies of the same town."""
    part = Part("window", f"{TICKETS} missed windows at once, three people told of each; durable")
    with towns(folder) as make, ExitStack() as stack:
        helpdesk = {kind: stack.enter_context(_Helpdesk.on(kind, folder, make)) for kind in KINDS}
        for kind in KINDS:
            original = make(kind)
            tickets = filled(original, TICKETS, until=MISSED - HOUR)
            said = _said(make, original)
            turns = [
                ("ours", partial(_ours, make, original, tickets)),
                ("SQL", partial(_sql, make, original, tickets)),
                ("same rows", partial(_same_rows, make, original, said, tickets)),
                ("helpdesk", helpdesk[kind].escalated),
            ]
            for index in range(rounds):
                for name, turn in turns[index % 4 :] + turns[: index % 4]:
                    part.add(f"{name}, {kind}", tickets_per_s=turn())
    for kind in KINDS:
        ours = part.series(f"ours, {kind}", "tickets_per_s")
        for name, goal in (("SQL", 0.5), ("helpdesk", 40.0), ("same rows", None)):
            other = part.series(f"{name}, {kind}", "tickets_per_s")
            bound: Any = ("at least", goal) if goal else None
            part.figures.append(Ratio(f"{name}, {kind}", ours, other, "tickets/s", bound, "7"))
    return part


def _ours(make: Towns, original: Bench, tickets: int) -> float:
    with make.copied(original) as bench:
        done, began = 0, time.perf_counter()
        while taken := bench.town.steps(MISSED):
            done += taken
        seconds = time.perf_counter() - began
    if done != tickets:
        raise RuntimeError(f"the sweep took {done} of {tickets}")
    return done / seconds


def _said(make: Towns, original: Bench) -> Any:
    with make.copied(original) as bench:

        def sweep() -> None:
            while bench.town.steps(MISSED):
                pass

        return recorded(bench.store.engine, sweep)


def _same_rows(make: Towns, original: Bench, said: Any, tickets: int) -> float:
    with make.copied(original) as bench:
        return tickets / sum(replayed(bench.database.url, said))


def _sql(make: Towns, original: Bench, tickets: int) -> float:
    with make.copied(original) as bench, bare(bench.database.url) as connection:
        done, began = 0, time.perf_counter()
        while taken := _batch(connection, bench.kind):
            done += taken
        seconds = time.perf_counter() - began
    if done != tickets:
        raise RuntimeError(f"SQL took {done} of {tickets}")
    return done / seconds


def _batch(connection: Any, kind: str) -> int:
    sqlite = kind == "sqlite"
    mark = "?" if sqlite else "%s"
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE" if sqlite else "BEGIN")
    cursor.execute(
        f"SELECT id, complaint_id FROM tickets WHERE next_step_at <= {mark} "
        f"ORDER BY next_step_at, id LIMIT {BATCH}" + ("" if sqlite else " FOR UPDATE SKIP LOCKED"),
        (_stored(MISSED, sqlite),),
    )
    due = cursor.fetchall()
    later = _stored(MISSED + DAY, sqlite)
    cursor.executemany(
        f"UPDATE tickets SET next_step_key = {mark}, next_step_at = {mark} WHERE id = {mark}",
        [("missed_48h", later, ticket_id) for ticket_id, _ in due],
    )
    columns = ("complaint_id", "ticket_id", "at", "actor", "verb", "from_state", "to_state", "why")
    cursor.executemany(
        f"INSERT INTO {Base.metadata.tables['history'].name} ({', '.join(columns)}) "
        f"VALUES ({', '.join([mark] * len(columns))})",
        [(c, t, _stored(MISSED, sqlite), "clock", "missed", "", "", "missed_24h") for t, c in due],
    )
    cursor.execute("COMMIT")
    return len(due)


def _stored(moment: datetime, sqlite: bool) -> object:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f") if sqlite else moment


class _Helpdesk:
    """django-helpdesk in a process of its own (`tests.bench.helpdesk`)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def on(cls, kind: str, folder: Path, make: Towns) -> Iterator[_Helpdesk]:
        place = f"sqlite:{folder}/helpdesk.db"
        if kind == "postgresql":
            url = make_url(make.server.create("helpdesk"))
            place = f"postgresql:{url.query['host']}/helpdesk"
        with (folder / f"helpdesk-{kind}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.helpdesk", place],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            assert process.stdout
            if process.stdout.readline() != "ready\n":
                raise RuntimeError((folder / f"helpdesk-{kind}.log").read_text()[-2000:])
            yield cls(process)
        finally:
            process.terminate()
            process.wait(10)

    def escalated(self) -> float:
        """Tickets per second."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{ESCALATED}\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return float(told["escalated"] / told["seconds"])
