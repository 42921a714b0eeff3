"""The session rule: one write transaction at a time on SQLite, begun as a writer.

A deferred BEGIN that later writes fails with "database is locked" at once, whatever the
timeout; the driver's own behaviour silently loses updates. BEGIN IMMEDIATE does neither
(SQLite documentation, "Transactions"). synchronous=FULL keeps an acknowledged commit through
a power cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from callcenter.store.turn import Turns

_READ_ONLY = "aduan24_read"
_POSTED = "aduan24_posted"
_AUDIT_KEY = "aduan24_audit_key"

T = TypeVar("T")

#: A notice for the workers: its id, and whether it is urgent.
Letter = tuple[int, bool]


def post_after_commit(session: Session, notice_id: int, *, urgent: bool) -> None:
    """Tell the workers of a notice once this transaction has been committed, never before."""
    session.info.setdefault(_POSTED, []).append((notice_id, urgent))


def audit_key(session: Session) -> bytes | None:
    """What marks the audit rows of this session; None where its store was given none."""
    key: bytes | None = session.info.get(_AUDIT_KEY)
    return key


def _nobody(_letters: Sequence[Letter]) -> None:
    """Nobody is told: the clock's sweep finds the notices in the database."""


def make_engine(url: str) -> Engine:
    """An engine for `url` with the rule applied; makes SQLite's folder when it is missing."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def key_of(audit_secret: str) -> bytes:
    """The key of the audit rows' marks: the installation's secret serves other purposes, too."""
    return sha256(f"audit rows {audit_secret}".encode()).digest()


def _file(url: URL) -> Path | None:
    return Path(url.database) if url.database and url.database != ":memory:" else None


class Store:
    """Opens sessions on one engine.

    `posted` is called after a commit with the notices that it wrote; it must not raise.
    `audit_secret` marks the audit rows as this installation's.
    """

    def __init__(
        self,
        engine: Engine,
        posted: Callable[[Sequence[Letter]], None] = _nobody,
        audit_secret: str | None = None,
    ) -> None:
        self.engine, self._posted = engine, posted
        self._info = {_AUDIT_KEY: key_of(audit_secret)} if audit_secret else {}
        self._sqlite = engine.dialect.name == "sqlite"
        self._turns = Turns(_file(engine.url)) if self._sqlite else None
        options: dict[str, Any] = {_READ_ONLY: True}
        if not self._sqlite:
            options["isolation_level"] = "REPEATABLE READ"
        self._reader = engine.execution_options(**options)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A write transaction: commits at the end, rolls back on an error."""
        with (
            self._turns.turn() if self._turns else nullcontext(),
            Session(self.engine, expire_on_commit=False, info=self._info) as session,
            session.begin(),
        ):
            yield session
        if letters := session.info.pop(_POSTED, None):
            self._posted(letters)

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """As `read`, for a statement or two that make no objects: a connection and no more."""
        with self._reader.connect() as connection:
            yield connection

    def glance(self, question: Callable[[Connection], T]) -> T:
        """Ask one small question, outside of any session: one trip, and nobody is held up.

        A connection that broke since the last one is made again, once.
        """
        try:
            return self._glanced(question)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._glanced(question)

    @cached_property
    def _glancer(self) -> Engine:
        """Does not ask a connection whether it lives: that is a trip as long as the question."""
        if self._sqlite:
            return self._reader
        made = create_engine(self.engine.url, pool_size=1, isolation_level="AUTOCOMMIT")
        event.listen(self.engine, "engine_disposed", lambda _engine: made.dispose())
        return made

    def _glanced(self, question: Callable[[Connection], T]) -> T:
        with self._glancer.connect() as connection:
            return question(connection)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent snapshot for reading; never blocks a writer on SQLite."""
        with Session(self._reader) as session:
            yield session
