"""The limit of a piece of work: the very statements that wrote, said again by the bare driver.

    said = recorded(engine, work)        # what `work` wrote, transaction by transaction
    seconds = replayed(url, said)        # the same on a copy of the database, durable

What was read, decided and worded in between costs nothing there. Keys that the database gives are
the same on a copy, so what refers to them stays right.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)", re.IGNORECASE)
_ROWS = re.compile(r"\s*INSERT INTO (\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """One statement with its parameters; `many`: with each of them in turn."""

    statement: str
    parameters: Any
    many: bool

    @property
    def table(self) -> str:
        """Where it puts rows; empty where it changes some."""
        found = _ROWS.match(self.statement)
        return found[1] if found else ""


Transaction = list[Said]


def recorded(engine: Engine, work: Callable[[], object]) -> list[Transaction]:
    """What `work` writes through this engine, by one thread."""
    done: list[Transaction] = []
    now: Transaction = []

    def say(_c: Any, _k: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        if _WRITES.match(statement):
            # rows that are put in by one long statement count as many, with all values in one
            now.append(Said(statement, parameters, many and isinstance(parameters, list)))

    def end(_connection: Any) -> None:
        if now:
            done.append(list(now))
            now.clear()

    event.listen(engine, "before_cursor_execute", say)
    event.listen(engine, "commit", end)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", say)
        event.remove(engine, "commit", end)
    return done


def replayed(url: str, said: list[Transaction]) -> list[float]:
    """Seconds of each transaction, said by the bare driver over one connection."""
    with bare(url) as connection:
        return [_one(connection, transaction) for transaction in said]


def _one(connection: Any, transaction: Transaction) -> float:
    began = time.perf_counter()
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE" if isinstance(connection, sqlite3.Connection) else "BEGIN")
    for said in transaction:
        if said.many:
            cursor.executemany(said.statement, said.parameters)
        else:
            cursor.execute(said.statement, said.parameters)
            if "RETURNING" in said.statement:
                cursor.fetchall()
    cursor.execute("COMMIT")
    return time.perf_counter() - began


@contextmanager
def bare(url: str) -> Iterator[Any]:
    """A connection of the driver alone, with the rules of our own."""
    parsed = make_url(url)
    connection: Any
    if parsed.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(parsed.database), isolation_level=None, timeout=30)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
    else:
        connection = psycopg.connect(
            dbname=parsed.database,
            user=parsed.username,
            host=str(parsed.query["host"]),
            autocommit=True,
        )
    try:
        yield connection
    finally:
        connection.close()
