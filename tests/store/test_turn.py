"""Turns to write into SQLite's file: in order, one at a time, and never a reason to fail."""

from __future__ import annotations

import fcntl
import os
import threading
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from callcenter.store import turn
from callcenter.store.session import Store
from callcenter.store.turn import Line, Turns
from tests.running import until


def _waits(line: Line, many: int) -> bool:
    return len(line._waiting) == many


def _queue_up(line: Line, names: list[int], done: list[int]) -> list[threading.Thread]:
    """So many threads behind whoever has the turn, one after the other."""

    def work(name: int) -> None:
        assert line.enter(20)
        done.append(name)
        line.leave()

    threads = []
    for name in names:
        threads.append(threading.Thread(target=work, args=(name,)))
        threads[-1].start()
        until(partial(_waits, line, len(threads)), 20)
    return threads


def test_threads_come_in_the_order_in_which_they_came() -> None:
    line, done = Line(), list[int]()
    assert line.enter(0)
    threads = _queue_up(line, list(range(8)), done)
    line.leave()
    for thread in threads:
        thread.join(20)
    assert done == list(range(8))
    assert line.enter(0)


def test_who_waits_too_long_leaves_and_holds_up_nobody() -> None:
    line, done = Line(), list[int]()
    assert line.enter(0)
    assert not line.enter(0.001)
    threads = _queue_up(line, [1], done)
    line.leave()
    threads[0].join(20)
    assert done == [1]


def _is_held(path: Path) -> bool:
    other = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(other)
    return False


def test_whoever_is_at_the_door_is_next_of_all_processes(tmp_path: Path) -> None:
    """A second set of turns stands for another process: files know no threads."""
    mine, others, file = Turns(tmp_path / "a.db"), Turns(tmp_path / "a.db"), tmp_path / "a.db"
    room, door = (file.with_name(f"a.db.{name}") for name in ("turn", "next"))
    entered = threading.Event()

    def wait() -> None:
        with others.turn():
            entered.set()

    with mine.turn():
        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: door.exists() and _is_held(door), 20)
        assert not entered.is_set()
    thread.join(20)
    assert entered.is_set()
    assert not _is_held(room)
    assert not _is_held(door)


def test_a_turn_that_cannot_be_had_stops_no_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody hangs with it, or the file cannot be made: then SQLite sees to it."""
    monkeypatch.setattr(turn, "LONGEST_S", 0.01)
    with Turns(tmp_path / "a.db").turn(), Turns(tmp_path / "a.db").turn():
        pass
    with Turns(tmp_path / "nowhere" / "a.db").turn():
        pass
    (tmp_path / "b.db.turn").symlink_to(tmp_path / "elsewhere")
    with Turns(tmp_path / "b.db").turn():
        pass
    assert not (tmp_path / "elsewhere").exists()


# ---------------------------------------------------------------- a glance


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_glance_is_one_trip_and_survives_a_connection_that_broke(store: Store) -> None:
    def pid() -> int:
        return store.glance(lambda c: int(c.scalar(text("SELECT pg_backend_pid()")) or 0))

    first = pid()
    assert pid() == first
    with store.write() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
    assert pid() != first
