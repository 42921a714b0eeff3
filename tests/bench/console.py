"""Goals 5 and 6: the console's pages beside a bare Flask + SQL page and django-helpdesk.

All three hold as many complaints with the same texts, and are asked without a server, in turns. The
bare page says one SQL statement that its index answers (its search is the database's own, over the
same tokens) and shows fifty rows with a template: it knows no users, badges, counts or languages.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from flask import Flask, render_template_string, request
from sqlalchemy import text

from callcenter.config.load import load
from callcenter.config.secrets import read_secrets
from callcenter.domain.people import Role
from callcenter.services import directory, ladders
from callcenter.store.migrate import upgrade
from callcenter.store.models import Base, User
from callcenter.web import create_app
from callcenter.wiring import Wiring
from tests.bench.figures import Part, Ratio
from tests.bench.running import ROOT
from tests.databases import running
from tests.services.conftest import DAY, T0, Town

TIMES = 15
_RARE = "Zamzam di Banjar Buungan"
_AGENCIES = ("pupr", "dlh", "dishub", "pln")
LISTS = ("list", "filter", "search common", "search rare")
PAGES = {
    "list": "/complaints",
    "filter": "/complaints?agency=pupr&state=open",
    "search common": "/complaints?q=jalan",
    "search rare": "/complaints?q=zamzam",
    "detail": "/complaints/{detail}",
    "dashboard": "/",
}
#: Goal 5: at most so much of django-helpdesk at 100,000. Goal 6: detail and create.
_OF_HELPDESK = {"filter": 0.05, "detail": 0.25, "create": 0.4}


def bench(folder: Path, rounds: int, *, quick: bool = False) -> Part:
    """Sizes of each kind; `quick`: a thousand rows alone, for a smoke test."""
    sizes = {"postgresql": (1_000, 100_000, 1_000_000), "sqlite": (100_000,)}
    if quick:
        sizes = {"postgresql": (1_000,), "sqlite": (1_000,)}
    part = Part("console", f"median ms of {TIMES} requests; lists of 50 rows")
    with running(durable=True) as server:
        for kind, counts in sizes.items():
            for count in counts:
                name = f"console_{kind}_{count}"
                url = f"sqlite:///{folder}/{name}.db"
                if kind == "postgresql":
                    url = server.create(name)
                    peer = f"postgresql:{server.folder}/{name}_peer"
                    server.create(f"{name}_peer")
                else:
                    peer = f"sqlite:{folder}/{name}_peer.db"
                place = _Place(folder / name, url, peer)
                _one(part, place, count, rounds, f"{kind} {count:,}")
                if kind == "postgresql":
                    server.drop(f"{name}_peer")
    for kind, counts in sizes.items():
        for count in counts:
            part.figures += _compared(part, f"{kind} {count:,}", count)
        if len(counts) > 1:
            part.figures += _grown(part, f"{kind} {counts[-1]:,}", f"{kind} {counts[0]:,}")
    return part


@dataclass
class _Place:
    """Where the rows lie: ours (an address of storage.database) and the peer's."""

    folder: Path
    url: str
    peer: str


def _one(part: Part, place: _Place, count: int, rounds: int, mark: str) -> None:
    with (
        closing(_Ours(place.folder, place.url, count)) as ours,
        _helpdesk(place.peer, count) as others,
    ):
        bare = _bare(place.url)
        for _ in range(rounds):
            part.add(f"ours, {mark}", **{n: _median(ask) for n, ask in ours.pages().items()})
            told = {
                n: _median(lambda path=path: _seen(bare, path)) for n, path in bare.paths.items()
            }
            part.add(f"bare, {mark}", **told)
            if others is not None:
                part.add(f"django-helpdesk, {mark}", **others(TIMES if count < 50_000 else 2))


def _median(ask: Callable[[], None]) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1e3)
    return median(taken)


def _seen(client: Any, path: str) -> None:
    answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code}")


# ---------------------------------------------------------------- ours


class _Ours:
    """The whole console over a database with `count` complaints, and somebody signed in."""

    def __init__(self, folder: Path, url: str, count: int) -> None:
        folder.mkdir()
        settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        settings["storage"]["database"] = url
        file = folder / "config.yaml"
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        config = load(file)
        config.storage.state.mkdir(parents=True, exist_ok=True)
        config.storage.recordings.mkdir(parents=True, exist_ok=True)
        self._wiring = Wiring(config, read_secrets(config))
        self._detail = _filled(self._wiring, folder, count)
        self._client = create_app(self._wiring).test_client()
        with self._client.session_transaction() as session:
            session.update({"_user_id": "1.1", "_fresh": True, "seen": int(time.time())})
        page = self._client.get("/complaints/new").text
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found, page[:300]
        self._token = found[1]

    def pages(self) -> dict[str, Callable[[], None]]:
        asked: dict[str, Callable[[], None]] = {
            name: lambda path=path: _seen(self._client, path.format(detail=self._detail))  # type: ignore[misc]
            for name, path in PAGES.items()
        }
        return asked | {"create": self._create}

    def _create(self) -> None:
        form = {"source": "walk_in", "text": "Jalan rusak di depan pura", "reference": ""}
        came_at = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 7 * 3600))
        form |= {"came_at": came_at, "csrf_token": self._token}
        answer = self._client.post("/complaints/new", data=form)
        if answer.status_code != 302:
            raise RuntimeError(f"create: {answer.status_code}")

    def close(self) -> None:
        self._wiring.store.engine.dispose()


def _texts() -> list[str]:
    """Four hundred real reports."""
    lines = (ROOT / "tests/data/reports_held_out.tsv").read_text("utf-8").splitlines()
    return [line.partition("\t")[2] for line in lines][:400]


def _filled(wiring: Wiring, folder: Path, count: int) -> int:
    """`count` complaints: three rare ones first, 400 that are open last, the others closed copies
    of those. Gives the id of one that is open."""
    store, config = wiring.store, wiring.config
    upgrade(store.engine)
    with store.write() as db:
        directory.sync(db, config, T0 - DAY)
        ladders.adopt_first(db, config, T0 - DAY)
        db.add(
            User(
                username="operator",
                name="Operator",
                role=Role.OPERATOR,
                password_hash="x",
                created_at=T0,
            )
        )
    town = Town(store, wiring.rules, folder, [])
    agencies = [a.key for a in config.agencies if a.key in _AGENCIES] or [config.agencies[0].key]
    for _ in range(3):
        town.complaint(T0, transcript=_RARE)
    for number, said in enumerate(_texts()):
        town.sent(T0, agencies[number % len(agencies)], transcript=said)
    step = len(_texts())
    newest = 3 + step * (max(0, count - step - 3) // step)
    with store.write() as db:
        if newest > 3:
            for table in ("complaints", "complaint_search", "tickets"):
                db.execute(text(_copied(table, step)), {"most": newest - 3})
            for statement in _CLOSING:
                db.execute(text(statement), {"newest": newest})
    _settled(wiring)
    return newest + 7


#: Copies are numbered upwards: all but the last ones become old, closed work.
_CLOSING = (
    "UPDATE complaints SET state = 'closed' WHERE id > 3 AND id <= :newest",
    "UPDATE complaint_search SET facets = replace(facets, ' s_dispatched', ' s_closed'),"
    " tickets = replace(tickets, ' w_open', ' w_in_time')"
    " WHERE complaint_id > 3 AND complaint_id <= :newest",
    "UPDATE tickets SET state = 'closed', responded_at = dispatched_at, handled_at = dispatched_at,"
    " closed_at = dispatched_at, next_step_at = NULL"
    " WHERE complaint_id > 3 AND complaint_id <= :newest",
)


def _copied(table: str, step: int) -> str:
    columns = [column.name for column in Base.metadata.tables[table].columns]
    changed = {
        "id": "o.id + n.o",
        "complaint_id": "o.complaint_id + n.o",
        "public_number": "CAST(20000000 + o.id + n.o AS VARCHAR(8))",
    }
    chosen = ", ".join(changed.get(name, f'o."{name}"') for name in columns)
    quoted = ", ".join(f'"{name}"' for name in columns)
    key = "id" if table == "complaints" else "complaint_id"
    return (
        f"INSERT INTO {table} ({quoted}) WITH RECURSIVE n(o) AS (SELECT {step} UNION ALL "
        f"SELECT o + {step} FROM n WHERE o < :most) SELECT {chosen} FROM {table} o CROSS JOIN n "
        f"WHERE o.{key} > 3 ORDER BY o.{key} + n.o"
    )


def _settled(wiring: Wiring) -> None:
    """What a database of this size knows about itself."""
    with wiring.store.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        if wiring.store.engine.dialect.name == "sqlite":
            raw.execute("ANALYZE")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        raw.rollback()
        raw.autocommit = True
        raw.execute("VACUUM ANALYZE")
        for table in ("complaints", "tickets"):
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            raw.execute(f"SELECT setval({sequence}, (SELECT max(id) FROM {table}))")
        raw.autocommit = False


# ---------------------------------------------------------------- the limit


_TEMPLATE = """<!doctype html><title>Aduan</title><table>{% for r in rows %}
<tr><td><a href="/complaints/{{ r[0] }}">{{ r[1] }}</a><td>{{ r[2] }}<td>{{ r[3] }}
<td>{{ r[4]|truncate(160) }}<td>{{ r[5] }}<td>{{ r[6] }}</tr>{% endfor %}</table>"""
_ROWS = (
    "SELECT c.id, c.public_number, c.state, c.received_at, c.transcript, c.village_code,"
    " c.category_key FROM complaints c"
)


@dataclass
class _Bare:
    client: Any
    paths: dict[str, str]

    def get(self, path: str) -> Any:
        return self.client.get(path)


def _bare(url: str) -> _Bare:
    connection, mark = _connected(url)
    sqlite = mark == "?"
    hits = (
        "SELECT rowid AS complaint_id FROM complaint_fts WHERE complaint_fts MATCH ?"
        " ORDER BY rowid DESC LIMIT 50"
        if sqlite
        else "SELECT complaint_id FROM complaint_search WHERE tokens @@ %s::tsquery"
        " ORDER BY complaint_id DESC LIMIT 50"
    )
    app = Flask("bare")

    @app.get("/list")
    def listed() -> str:
        rows = connection.execute(f"{_ROWS} ORDER BY c.id DESC LIMIT 50").fetchall()
        return render_template_string(_TEMPLATE, rows=rows)

    @app.get("/filter")
    def filtered() -> str:
        rows = connection.execute(
            f"{_ROWS} JOIN tickets t ON t.complaint_id = c.id WHERE t.agency_key = {mark}"
            f" AND t.state = {mark} ORDER BY c.id DESC LIMIT 50",
            ("pupr", "dispatched"),
        ).fetchall()
        return render_template_string(_TEMPLATE, rows=rows)

    @app.get("/search")
    def searched() -> str:
        rows = connection.execute(
            f"{_ROWS} JOIN ({hits}) h ON h.complaint_id = c.id ORDER BY c.id DESC",
            (request.args["q"],),
        ).fetchall()
        return render_template_string(_TEMPLATE, rows=rows)

    paths = {
        "list": "/list",
        "filter": "/filter",
        "search common": "/search?q=jalan",
        "search rare": "/search?q=zamzam",
    }
    return _Bare(app.test_client(), paths)


def _connected(url: str) -> tuple[Any, str]:
    if url.startswith("sqlite"):
        import sqlite3

        return sqlite3.connect(url.removeprefix("sqlite:///")), "?"
    import psycopg

    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True), "%s"


# ---------------------------------------------------------------- the peer


@contextmanager
def _helpdesk(database: str, count: int) -> Iterator[Callable[[int], dict[str, float]] | None]:
    """None beyond 100,000: a dashboard of it takes half a minute there."""
    if count > 100_000:
        yield None
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.helpdesk_pages", database, str(count)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def ask(what: object) -> str:
        stdin.write(f"{what}\n")
        stdin.flush()
        return stdout.readline()

    try:
        if ask(json.dumps([*_texts()[:-1], f"{_texts()[-1]} {_RARE}"])) != "ready\n":
            raise RuntimeError("django-helpdesk did not start")
        yield lambda times: json.loads(ask(times))
    finally:
        process.terminate()
        process.wait(10)


# ---------------------------------------------------------------- what follows


def _compared(part: Part, mark: str, count: int) -> list[Ratio]:
    found = []
    for page in LISTS:
        series = (part.series(f"{who}, {mark}", page) for who in ("ours", "bare"))
        goal: Any = ("at most", 2) if count >= 1_000_000 else None
        found.append(Ratio(f"bare: {page}, {mark}", *series, "ms", goal, "5"))
    if f"django-helpdesk, {mark}" not in part.measured:
        return found
    for page in (*PAGES, "create"):
        series = (part.series(f"{who}, {mark}", page) for who in ("ours", "django-helpdesk"))
        goal = None
        if page in ("detail", "create") or (page in LISTS and count == 100_000):
            goal = ("at most", _OF_HELPDESK.get(page, 0.02))
        number = "6" if page in ("detail", "create") else "5"
        found.append(Ratio(f"django-helpdesk: {page}, {mark}", *series, "ms", goal, number))
    return found


def _grown(part: Part, large: str, small: str) -> list[Ratio]:
    return [
        Ratio(
            f"{small}: {page}, {large}",
            part.series(f"ours, {large}", page),
            part.series(f"ours, {small}", page),
            "ms",
            ("at most", 1.3),
            "5",
        )
        for page in LISTS
    ]
