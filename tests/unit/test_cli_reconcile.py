"""`aduan24 calls reconcile`, and what `doctor` says about the count of last night."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from callcenter.config import load
from callcenter.doctor import data
from callcenter.services import exchange_log
from callcenter.store.exchange_models import CallCount, ExchangeCall, ExchangeFile
from callcenter.store.migrate import upgrade
from callcenter.store.session import Store, make_engine
from tests.unit.test_cli import config, run  # noqa: F401 (fixtures)

Run = Callable[..., Any]
NOON = datetime(2026, 3, 11, 4, 0, tzinfo=UTC)  # 12.00 WITA


@pytest.fixture
def store(config: Path) -> Store:  # noqa: F811
    engine = make_engine(load(config).storage.database)
    upgrade(engine)
    return Store(engine)


@pytest.fixture
def cli(run: Run, config: Path, store: Store) -> Run:  # noqa: F811
    def reconcile(*words: str) -> Any:
        with time_machine.travel(NOON, tick=False):
            return run("calls", "reconcile", *words, "--config", config)

    return reconcile


def took(
    store: Store, serial: int, *, at: datetime = NOON - timedelta(hours=1), logged: bool
) -> str:
    """A call that the exchange recorded."""
    call = ExchangeCall(
        call_uid=f"pbx1-1764000000.{serial}",
        node="pbx1",
        started_at=at,
        ended_at=at + timedelta(seconds=30),
    )
    with store.write() as session:
        session.add(call)
        session.flush()
        if logged:
            exchange_log.log_it(session, call, now=NOON)
        return call.call_uid


def test_without_an_exchange_there_is_nothing_to_compare(cli: Run) -> None:
    said = cli()
    assert (said.code, said.out, said.err) == (0, "", "no exchange has recorded a call yet\n")
    assert cli("--json").json == []


def test_equal_is_said_in_one_line(cli: Run, store: Store) -> None:
    for serial in range(3):
        took(store, serial, logged=True)
    said = cli()
    assert (said.code, said.out) == (0, "2026-03-11  pbx1  3 calls in Asterisk, 3 here\n")
    assert cli("--json").json == [
        {
            "day": "2026-03-11",
            "line": "pbx1",
            "in_exchange": 3,
            "here": 3,
            "on_their_way": 0,
            "here_alone": 0,
            "equal": True,
            "missing": [],
            "counted_at": None,
        }
    ]


def test_what_is_missing_is_named_and_the_exit_code_says_so(cli: Run, store: Store) -> None:
    took(store, 1, logged=True)
    lost = took(store, 2, logged=False)
    said = cli()
    assert said.code == 1
    assert said.out == f"2026-03-11  pbx1  2 calls in Asterisk, 1 here; missing: {lost}\n"
    assert cli("--json").json[0]["missing"] == [lost]
    assert cli("--day", "2026-03-10").code == 0


def test_days_of_the_programmes_zone_latest_first(cli: Run, store: Store) -> None:
    took(store, 1, at=datetime(2026, 3, 10, 15, 59, tzinfo=UTC), logged=True)  # 23.59
    took(store, 2, at=datetime(2026, 3, 10, 16, 0, tzinfo=UTC), logged=True)  # midnight
    facts = cli("--days", "3", "--json").json
    assert [(fact["day"], fact["here"]) for fact in facts] == [
        ("2026-03-11", 1),
        ("2026-03-10", 1),
        ("2026-03-09", 0),
    ]


def test_a_day_that_is_none_is_refused(cli: Run) -> None:
    said = cli("--day", "yesterday")
    assert (said.code, said.err) == (2, "aduan24: --day: 'yesterday' is no day; use 2026-03-11\n")


def findings(store: Store, config: Path, name: str) -> list[tuple[str, str]]:  # noqa: F811
    found = data.examine(load(config), NOON)
    return [(one.level, one.text) for one in found if one.name == name]


@pytest.mark.parametrize(
    ("here", "counted", "level"),
    [(1204, NOON, "ok"), (1203, NOON, "fail"), (1204, NOON - timedelta(days=4), "warn")],
)
def test_doctor_says_what_was_counted(
    store: Store,
    config: Path,  # noqa: F811
    here: int,
    counted: datetime,
    level: str,
) -> None:
    took(store, 1, logged=True)
    with store.write() as session:
        session.add(
            CallCount(
                node="pbx1",
                day=date(2026, 3, 10),
                in_exchange=1204,
                here=here,
                here_alone=0,
                counted_at=counted,
            )
        )
    ((said, text),) = findings(store, config, "calls")
    assert said == level
    assert text.startswith(f"pbx1, 2026-03-10: 1,204 calls in Asterisk, {here:,} here")


def test_doctor_tells_of_damaged_lines_for_a_month(store: Store, config: Path) -> None:  # noqa: F811
    assert findings(store, config, "calls") == [("ok", "no day has been counted yet")]
    assert findings(store, config, "record") == []
    for file, age in (("a", 29), ("b", 31)):
        with store.write() as session:
            read_at = NOON - timedelta(days=age)
            session.add(
                ExchangeFile(node="pbx1", file=file, position=9, unreadable=2, read_at=read_at)
            )
    ((level, text),) = findings(store, config, "record")
    assert level == "warn"
    assert text.startswith("2 damaged lines")
