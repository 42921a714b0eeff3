"""The line does what it was switched to, until then and no longer, with the database away too."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from callcenter.domain.line_mode import LineMode, in_force
from callcenter.services import line_mode
from callcenter.services.errors import Refused
from callcenter.services.line_mode import ModeFile, Switched
from callcenter.store.line_models import LineSwitch
from callcenter.store.models import Audit
from callcenter.store.session import Store, make_engine
from tests.services.conftest import HOUR, SQLITE, T0, TICK, together

ONLY, FIRST, NORMAL = LineMode.EMERGENCY_ONLY, LineMode.ANNOUNCEMENT, LineMode.NORMAL


@pytest.fixture
def file(tmp_path: Path) -> ModeFile:
    return ModeFile(tmp_path / "line" / "mode.json")


def switch(
    store: Store,
    mode: LineMode,
    *,
    at: datetime = T0,
    until: datetime | None = None,
    note: str = "",
) -> None:
    with store.write() as db:
        line_mode.switch(db, mode, actor="admin", now=at, until=until, note=note)


def now_is(store: Store) -> Switched:
    with store.read() as db:
        return line_mode.current(db)


# ---------------------------------------------------------------- in the database


def test_a_line_that_nobody_switched_is_normal(store: Store) -> None:
    assert now_is(store) == Switched()
    assert now_is(store).in_force(T0) is NORMAL


def test_the_last_switch_counts_and_every_one_stays(store: Store) -> None:
    switch(store, ONLY, note="  Gempa.  ")
    switch(store, FIRST, at=T0 + HOUR, until=T0 + 3 * HOUR)
    assert now_is(store) == Switched(FIRST, "admin", T0 + HOUR, T0 + 3 * HOUR, "")
    with store.read() as db:
        rows = db.scalars(select(LineSwitch).order_by(LineSwitch.id)).all()
    assert [(row.mode, row.note) for row in rows] == [(ONLY, "Gempa."), (FIRST, "")]


def test_every_switch_is_an_audit_row(store: Store) -> None:
    switch(store, ONLY, until=T0 + HOUR)
    with store.read() as db:
        row = db.scalars(select(Audit)).one()
    assert (row.actor, row.action, row.at) == ("admin", "line_switched", T0)
    assert row.detail == {"mode": "emergency_only", "until": (T0 + HOUR).isoformat()}


@pytest.mark.parametrize(
    ("now", "mode"), [(T0, ONLY), (T0 + HOUR - TICK, ONLY), (T0 + HOUR, NORMAL)]
)
def test_at_its_end_the_line_is_normal_again(now: datetime, mode: LineMode) -> None:
    assert in_force(ONLY, T0 + HOUR, now) is mode
    assert in_force(ONLY, None, now) is ONLY


@pytest.mark.parametrize("until", [T0 - HOUR, T0])
def test_an_end_that_is_past_is_refused(store: Store, until: datetime) -> None:
    with pytest.raises(Refused) as refused:
        switch(store, ONLY, until=until)
    assert refused.value.field == "until"
    assert now_is(store) == Switched()


def test_a_normal_line_has_no_end(store: Store) -> None:
    switch(store, NORMAL, until=T0 + HOUR)
    assert now_is(store).until is None


# ---------------------------------------------------------------- in the file


def test_the_file_says_what_the_database_says(store: Store, file: ModeFile) -> None:
    assert file.read(T0) is NORMAL
    switch(store, ONLY, until=T0 + HOUR)
    file.publish(store)
    assert (file.read(T0), file.read(T0 + HOUR)) == (ONLY, NORMAL)
    switch(store, FIRST)
    file.publish(store)
    assert file.read(T0 + 9 * HOUR) is FIRST


@SQLITE
def test_with_the_database_away_the_file_stays_as_it_was(
    store: Store, file: ModeFile, tmp_path: Path
) -> None:
    switch(store, ONLY)
    file.publish(store)
    (tmp_path / "away.db").mkdir()
    with pytest.raises(SQLAlchemyError):
        file.publish(Store(make_engine(f"sqlite:///{tmp_path}/away.db")))
    assert file.read(T0) is ONLY


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"emergency_only"',
        b"\xff\xfe",
        b'{"mode": "emergency_only"}',
        b'{"mode": "closed", "until": null}',
        b'{"mode": "emergency_only", "until": "soon"}',
        b'{"mode": "emergency_only", "until": "2026-03-02T02:00:00"}',
        b'{"mode": ["emergency_only"], "until": 5}',
    ],
)
def test_a_file_that_cannot_be_understood_leaves_the_line_normal(
    file: ModeFile, content: bytes
) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    assert file.read(T0) is NORMAL


@SQLITE
def test_nothing_is_written_when_nothing_has_changed(store: Store, file: ModeFile) -> None:
    switch(store, ONLY)
    file.publish(store)
    before = file.path.stat().st_ino
    file.publish(store)
    assert file.path.stat().st_ino == before


@SQLITE
def test_a_reader_never_sees_half_a_file(store: Store, file: ModeFile) -> None:
    switch(store, ONLY)
    file.publish(store)
    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            seen.add(json.loads(file.path.read_bytes())["mode"])

    def write() -> None:
        for mode in (FIRST, ONLY) * 20:
            switch(store, mode)
            file.publish(store)
        done.set()

    together(read, write)
    assert seen <= {"announcement", "emergency_only"}


def test_of_two_who_publish_at_once_the_later_switch_stands(store: Store, file: ModeFile) -> None:
    def work(mode: LineMode) -> None:
        for _ in range(10):
            switch(store, mode)
            file.publish(store)

    together(lambda: work(ONLY), lambda: work(FIRST))
    assert file.read(T0) is now_is(store).mode
