"""The databases that the tests stand on: fresh for each, and gone however a run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from callcenter.store.models import Heartbeat
from callcenter.store.session import Store
from tests.databases import Database, Postgres, running

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("_turn", [1, 2])
def test_each_test_gets_an_empty_database(store: Store, _turn: int) -> None:
    with store.write() as session:
        session.add(Heartbeat(part="clock", at=NOW))  # refused if another test's were still there


def test_two_stores_share_the_database_of_a_test(database: Database) -> None:
    with database.store().write() as session:
        session.add(Heartbeat(part="clock", at=NOW))
    with database.store().read() as session:
        assert session.get(Heartbeat, "clock") is not None


def test_the_server_keeps_another_zone_than_utc(postgres: Postgres) -> None:
    with psycopg.connect(host=str(postgres.folder), user="postgres") as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("Asia/Makassar",)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_server_is_durable_only_when_asked(database: Database) -> None:
    with database.engine().connect() as connection:
        assert connection.scalar(text("SHOW fsync")) == "off"
    with running(durable=True) as server:
        own = Database(server.url("postgres"))
        with own.engine().connect() as connection:
            assert connection.scalar(text("SHOW fsync")) == "on"
            assert connection.scalar(text("SHOW synchronous_commit")) == "on"
        own.close()


def test_nothing_is_left_of_a_server_whose_process_was_killed() -> None:
    code = (
        "from tests.databases import running\n"
        "import sys\n"
        "with running() as server:\n"
        "    print(server.folder, flush=True)\n"
        "    sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    with process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        data = (folder / "data").resolve()
        postmaster = int((data / "postmaster.pid").read_text().split()[0])
        assert not _gone(postmaster)
        process.send_signal(signal.SIGKILL)
    _until(lambda: _gone(postmaster) and not folder.exists() and not data.exists())
