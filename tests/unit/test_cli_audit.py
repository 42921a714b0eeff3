"""`aduan24 audit list|verify`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from callcenter.config import load
from callcenter.services import audit, audit_chain
from callcenter.store.migrate import upgrade
from callcenter.store.models import Audit
from callcenter.store.session import Store, make_engine
from callcenter.wiring import secret_of
from tests.unit.test_cli import config, run  # noqa: F401 (fixtures)

Run = Callable[..., Any]
AT = datetime(2026, 3, 11, 4, 0, tzinfo=UTC)


@pytest.fixture
def store(config: Path) -> Store:  # noqa: F811
    """Three sealed rows."""
    loaded = load(config)
    engine = make_engine(loaded.storage.database)
    upgrade(engine)
    made = Store(engine, audit_secret=secret_of(loaded))
    with made.write() as db:
        for n, actor in enumerate(("ani", "budi", "ani")):
            audit.record(
                db,
                actor=actor,
                action="recording_played",
                thing=f"recording:{n}",
                now=AT + timedelta(minutes=n),
            )
    with made.write() as db:
        audit_chain.seal_new(db)
    return made


@pytest.fixture
def cli(run: Run, config: Path, store: Store) -> Run:  # noqa: F811
    return lambda *words: run("audit", *words, "--config", config)


def test_rows_are_listed_newest_first_and_by_person(cli: Run) -> None:
    rows = cli("list", "--json").json
    assert [row["thing"] for row in rows] == ["recording:2", "recording:1", "recording:0"]
    assert [row["place"] for row in rows] == [3, 2, 1]
    assert set(rows[0]) == {
        *("id", "at", "actor", "action", "thing", "address", "detail", "place", "seal"),
    }
    assert [row["id"] for row in cli("list", "--actor", "ani", "--json").json] == [3, 1]
    assert [row["id"] for row in cli("list", "--before", "3", "--limit", "1", "--json").json] == [2]
    assert "recording:1" in cli("list", "--thing", "recording:1").out


def test_a_whole_chain_ends_well_and_says_so(cli: Run) -> None:
    said = cli("verify", "--json")
    assert said.code == 0
    assert said.json == {"sealed": 3, "waiting": 0, "heads": 0, "faults": []}
    assert cli("list", "--json").json[0]["action"] == "audit_examined"


def test_a_removed_row_is_named_and_the_exit_code_tells(cli: Run, store: Store) -> None:
    with store.engine.begin() as db:
        db.execute(delete(Audit).where(Audit.place == 2))
    said = cli("verify")
    assert (said.code, said.out.strip()) == (1, "place 2: removed")
    assert "broken" in said.err


def test_a_head_that_was_kept_elsewhere_is_compared(cli: Run) -> None:
    seal = cli("list", "--json").json[0]["seal"]
    assert cli("verify", "--head", f"3:{seal}").code == 0
    said = cli("verify", "--head", f"3:{'0' * 64}", "--head", f"99:{seal}", "--json")
    assert said.code == 1
    assert {f["harm"] for f in said.json["faults"]} == {"replaced", "removed"}


@pytest.mark.parametrize("head", ["3", "x:" + "0" * 64, "3:" + "g" * 64, "3:abc"])
def test_a_head_that_is_none_is_refused(cli: Run, head: str) -> None:
    said = cli("verify", "--head", head)
    assert said.code == 2 and said.err.startswith("aduan24: --head:")
