"""`aduan24 line-mode`: switched from the terminal, told to the line, written down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from callcenter.config import load
from callcenter.domain.line_mode import LineMode
from callcenter.services.entry import mode_file
from callcenter.store.models import Audit, Base
from callcenter.store.session import Store, make_engine
from tests.unit.test_cli import config, run  # noqa: F401 (fixtures)

Run = Callable[..., Any]
NOON = datetime(2026, 3, 11, 4, 0, tzinfo=UTC)  # 12.00 WITA


@pytest.fixture
def store(config: Path) -> Store:  # noqa: F811
    """Tables without rows."""
    engine = make_engine(load(config).storage.database)
    Base.metadata.create_all(engine)
    return Store(engine)


@pytest.fixture
def cli(run: Run, config: Path, store: Store) -> Run:  # noqa: F811
    return lambda *words: run("line-mode", *words, "--config", config)


def heard_by_the_line(config: Path, at: datetime) -> LineMode:  # noqa: F811
    return mode_file(load(config).storage.state).read(at)


def test_a_line_that_nobody_switched(cli: Run) -> None:
    assert cli("show", "--json").json == {
        "mode": "normal",
        "switched_to": "normal",
        "switched_by": "",
        "switched_at": None,
        "until": None,
        "note": "",
    }


@pytest.mark.parametrize("until", ["150m", "2026-03-11T14:30", "2026-03-11T06:30+00:00"])
def test_switched_until_a_moment(cli: Run, config: Path, until: str) -> None:  # noqa: F811
    with time_machine.travel(NOON, tick=False):
        said = cli("set", "emergency_only", "--until", until, "--note", "Gempa")
        assert (said.code, said.out) == (0, "")
        facts = cli("show", "--json").json
    assert (facts["mode"], facts["until"], facts["note"]) == (
        "emergency_only",
        "2026-03-11T06:30:00Z",
        "Gempa",
    )
    end = NOON + timedelta(minutes=150)
    assert heard_by_the_line(config, end - timedelta(seconds=1)) is LineMode.EMERGENCY_ONLY
    assert heard_by_the_line(config, end) is LineMode.NORMAL


def test_after_its_end_the_line_is_normal_and_the_switch_still_known(cli: Run) -> None:
    with time_machine.travel(NOON, tick=False):
        cli("set", "announcement", "--until", "1h")
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        facts = cli("show", "--json").json
    assert (facts["mode"], facts["switched_to"]) == ("normal", "announcement")


def test_every_switch_names_the_account(cli: Run, store: Store) -> None:
    cli("set", "announcement")
    cli("set", "normal")
    with store.read() as db:
        rows = db.scalars(select(Audit).order_by(Audit.id)).all()
    assert [(r.action, r.detail["mode"]) for r in rows] == [
        ("line_switched", "announcement"),
        ("line_switched", "normal"),
    ]
    assert all(r.actor.startswith("cli:") for r in rows)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("set", "closed"), "closed"),
        (("set", "emergency_only", "--until", "soon"), "--until: 'soon' is not known"),
        (("set", "emergency_only", "--until", "2020-01-01T00:00"), "until: "),
        (("set", "emergency_only", "--until", "99999999999d"), "--until"),
    ],
)
def test_a_mistake_is_one_line_and_switches_nothing(
    cli: Run, store: Store, words: tuple[str, ...], remedy: str
) -> None:
    said = cli(*words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert remedy in said.err
    with store.read() as db:
        assert db.scalars(select(Audit)).all() == []


def test_the_switch_stands_though_the_line_cannot_be_told_yet(
    cli: Run,
    config: Path,  # noqa: F811
) -> None:
    state = load(config).storage.state
    (state / "line").write_text("a file where the folder should be")
    said = cli("set", "emergency_only")
    assert said.code == 0
    assert "the line follows" in said.err
    assert cli("show", "--json").json["mode"] == "emergency_only"
