"""Regencies in databases of both kinds, durable as in life, and many tickets in them.

with towns(folder) as make:
    town = make("sqlite")        # or "postgresql": migrated, with the people of config.yaml
    filled(town, 5000, T0)       # so many tickets, dispatched at T0, of every agency in turn
    other = make.copy(town)      # the same again
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import text

from callcenter.config import Config
from callcenter.config.load import load
from callcenter.services import directory, ladders
from callcenter.store.migrate import upgrade
from callcenter.store.models import Base
from callcenter.store.session import Store
from callcenter.wiring import rules_of
from tests.bench.running import ROOT
from tests.databases import Database, Postgres, running
from tests.services.conftest import DAY, T0, Town

KINDS = ("sqlite", "postgresql")

#: What a filled town is copied from (`o`), table by table; `n.o` is the copy's offset.
_COPIES = {
    "complaints": {
        "id": "o.id + n.o",
        "public_number": "CAST(20000000 + o.id + n.o AS VARCHAR(8))",
        "call_id": "NULL",
    },
    "tickets": {"id": "o.id + n.o", "complaint_id": "o.complaint_id + n.o"},
    "escalations": {"id": "o.id + n.o", "ticket_id": "o.ticket_id + n.o"},
    "officer_links": {"id": "o.id + n.o", "ticket_id": "o.ticket_id + n.o"},
    "history": {
        "id": "o.id + n.o",
        "complaint_id": "o.complaint_id + n.o",
        "ticket_id": "o.ticket_id + n.o",
    },
    "notices": {
        "id": "o.id + n.o",
        "key": "'ticket:' || CAST(o.ticket_id + n.o AS VARCHAR(12)) || ':' || o.kind || ':' "
        "|| o.person_key",
        "ticket_id": "o.ticket_id + n.o",
        "complaint_id": "o.complaint_id + n.o",
        "link_id": "o.link_id + n.o",
    },
}
_STEP = 1000  # of ids between two copies; more than the originals have rows of a kind
_QUARTER = timedelta(minutes=15)


@dataclass
class Bench:
    """A town and where it lies."""

    kind: str
    name: str
    database: Database
    town: Town

    @property
    def store(self) -> Store:
        return self.town.store


@dataclass
class Towns:
    """Makes towns in one folder and on one server."""

    folder: Path
    server: Postgres
    config: Config
    _names: Iterator[int] = field(default_factory=lambda: count(1))
    _made: list[Bench] = field(default_factory=list)

    def __call__(self, kind: str) -> Bench:
        """A town in which nothing happened yet."""
        bench = self._open(kind, self._new(kind))
        upgrade(bench.store.engine)
        with bench.store.write() as db:
            directory.sync(db, self.config, T0 - DAY)
            ladders.adopt_first(db, self.config, T0 - DAY)
        return bench

    def copy(self, original: Bench) -> Bench:
        """The same town again; nobody may be working in it."""
        if original.kind == "sqlite":
            with original.store.engine.connect() as connection:
                connection.exec_driver_sql("ROLLBACK")  # a checkpoint waits for no transaction
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            name = f"town{next(self._names)}"
            shutil.copy(self.folder / f"{original.name}.db", self.folder / f"{name}.db")
            return self._open("sqlite", name)
        original.database.close()
        name = f"town{next(self._names)}"
        self.server.create(name, copy_of=original.name)
        return self._open("postgresql", name)

    def drop(self, bench: Bench) -> None:
        """A town that is over."""
        bench.database.close()
        if bench.kind == "postgresql":
            self.server.drop(bench.name)
        else:
            for path in self.folder.glob(f"{bench.name}.db*"):
                path.unlink()
        self._made.remove(bench)

    @contextmanager
    def copied(self, original: Bench) -> Iterator[Bench]:
        """A copy that is dropped at the end of the block."""
        bench = self.copy(original)
        try:
            yield bench
        finally:
            self.drop(bench)

    def close(self) -> None:
        for bench in self._made:
            bench.database.close()

    def _new(self, kind: str) -> str:
        name = f"town{next(self._names)}"
        if kind == "postgresql":
            self.server.create(name)
        return name

    def _open(self, kind: str, name: str) -> Bench:
        sqlite = f"sqlite:///{self.folder}/{name}.db"
        database = Database(sqlite if kind == "sqlite" else self.server.url(name))
        town = Town(database.store(), rules_of(self.config), self.folder / name, [])
        self._made.append(Bench(kind, name, database, town))
        return self._made[-1]


@contextmanager
def towns(folder: Path) -> Iterator[Towns]:
    """A folder for SQLite, and a PostgreSQL that keeps what it acknowledges."""
    config = load(ROOT / "config.yaml")
    with running(durable=True) as server, closing(Towns(folder, server, config)) as made:
        yield made


def filled(
    bench: Bench,
    tickets: int,
    at: datetime = T0,
    *,
    until: datetime = T0,
    bare: bool = False,
) -> int:
    """At least so many tickets, dispatched at `at`, of every agency in turn, with all that the
    clock did until `until`; copied where they lie. How many there are.

    `bare`: complaints and tickets alone, for a town of which only the clock asks.
    """
    agencies = [a.key for a in load(ROOT / "config.yaml").agencies]
    for agency in agencies:
        bench.town.sent(at, agency)
    moment = at
    while moment <= until:
        bench.town.steps(moment)
        moment += _QUARTER
    copies = -(-tickets // len(agencies))
    tables = ("complaints", "tickets") if bare else tuple(_COPIES)
    with bench.store.write() as db:
        for table in tables:
            db.execute(text(_copied(table)), {"most": _STEP * (copies - 1)})
    _settle(bench)
    return copies * len(agencies)


def _copied(table: str) -> str:
    columns = [column.name for column in Base.metadata.tables[table].columns]
    changed = {name: f'o."{name}"' for name in columns} | _COPIES[table]
    quoted = ", ".join(f'"{name}"' for name in columns)
    return (
        f"INSERT INTO {table} ({quoted}) "
        f"WITH RECURSIVE n(o) AS (SELECT {_STEP} UNION ALL SELECT o + {_STEP} FROM n "
        f"WHERE o < :most) "
        f"SELECT {', '.join(changed[name] for name in columns)} FROM {table} o CROSS JOIN n"
    )


def _settle(bench: Bench) -> None:
    """What a database of this size knows about itself."""
    with bench.store.engine.connect() as connection:
        if bench.kind == "sqlite":
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        connection.commit()
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.rollback()
        raw.autocommit = True
        for table in _COPIES:
            raw.execute(f"VACUUM ANALYZE {table}")
            raw.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            )
        raw.autocommit = False
