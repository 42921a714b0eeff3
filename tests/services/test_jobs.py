"""Jobs carry an id, may run any number of times, and a part says that it lives while it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from callcenter import heart, jobs
from callcenter.config.load import load
from callcenter.config.secrets import read_secrets
from callcenter.heart import Heart
from callcenter.services import directory
from callcenter.store import queries
from callcenter.store.migrate import upgrade
from callcenter.store.models import Notice
from callcenter.store.session import Store
from callcenter.wiring import Wiring
from tests.services.conftest import ROOT, Town


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wiring]:
    """A deployment of its own whose workers print on the terminal; its queue is away."""
    file = tmp_path / "config.yaml"
    file.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    config = load(file)
    wired = Wiring(config, read_secrets(config))
    wired.store = Store(wired.store.engine)
    upgrade(wired.store.engine)
    with wired.store.write() as db:
        directory.sync(db, config, datetime.now(UTC))
    yield wired
    wired.store.engine.dispose()


def _sent(wired: Wiring, tmp_path: Path) -> int:
    town = Town(wired.store, wired.rules, tmp_path, [])
    town.sent(datetime.now(UTC))
    return town.notices()[0].id


def _state(wired: Wiring, notice_id: int) -> tuple[str, int]:
    with wired.store.read() as db:
        notice = db.get_one(Notice, notice_id)
        return notice.state, len(notice.attempts)


def test_a_job_outside_a_worker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_bench", None)
    for job in (jobs.send_notice, jobs.ask_arrival):
        with pytest.raises(RuntimeError, match="aduan24 worker"):
            job(1)


def test_a_job_that_runs_many_times_sends_once(
    wired: Wiring, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.employ(wired)
    notice_id = _sent(wired, tmp_path)
    for _ in range(3):
        jobs.send_notice(notice_id)
        jobs.ask_arrival(notice_id)
    assert _state(wired, notice_id) == ("delivered", 1)
    printed = capsys.readouterr().out
    assert printed.count("Tiket baru: Jalan rusak") == 1
    assert "0812" not in printed


def test_a_job_about_nothing_does_nothing(wired: Wiring) -> None:
    jobs.employ(wired)
    for nothing in (0, -1, 10**6):
        jobs.send_notice(nothing)
        jobs.ask_arrival(nothing)


# ---------------------------------------------------------------- heart


def _beats(store: Store) -> list[tuple[str, datetime]]:
    with store.read() as db:
        return [(one.part, one.at) for one in queries.heartbeats(db)]


def _until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_part_beats_while_it_works_and_no_longer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heart, "EVERY_S", 0.01)
    with Heart(store, "clock"):
        _until(lambda: bool(_beats(store)))
        first = _beats(store)
        _until(lambda: _beats(store) > first)
    last = _beats(store)
    assert [part for part, _ in last] == ["clock"]
    time.sleep(0.05)
    assert _beats(store) == last


def test_a_part_ends_at_once_although_it_beats_slowly(store: Store) -> None:
    start = time.monotonic()
    with Heart(store, "worker"):
        pass
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("error", [OperationalError("x", {}, Exception()), RuntimeError("x")])
def test_a_beat_that_fails_is_not_the_last_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(heart, "EVERY_S", 0.01)
    fails = [error] * 3
    engine: Engine = store.engine

    def stumble(*_: object) -> None:
        if fails:
            raise fails.pop()

    event.listen(engine, "before_cursor_execute", stumble)
    with Heart(store, "clock"):
        _until(lambda: not fails)
        _until(lambda: bool(_beats(store)))
