"""The chain of audit rows: whatever is changed, removed or added behind our back is found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from callcenter.domain.audit_chain import Entry, Fault, Harm, mark_of, seal_of
from callcenter.services import audit, audit_chain
from callcenter.services.audit_chain import Heads
from callcenter.store.models import Audit, AuditHead
from callcenter.store.session import Store, key_of
from tests.databases import Database
from tests.services.conftest import DAY, HOUR, MINUTE, T0, together

SECRET = "the installation's secret"
KEY = key_of(SECRET)
ROWS = 7


@pytest.fixture
def store(database: Database) -> Store:
    """A store that marks its audit rows, with seven of them sealed."""
    made = Store(database.engine(), audit_secret=SECRET)
    write(made, ROWS)
    seal(made)
    return made


def write(store: Store, rows: int) -> None:
    with store.write() as db:
        for n in range(rows):
            audit.record(
                db,
                actor="ani",
                action="recording_played",
                thing=f"recording:{n}",
                now=T0 + n * MINUTE,
                address="10.0.0.1" if n % 2 else None,
                detail={"rentang": n / 3, 7: "tujuh", "nama": "é"},  # type: ignore[dict-item]
            )


def seal(store: Store) -> int:
    with store.write() as db:
        return audit_chain.seal_new(db)


def faults(store: Store, kept: dict[int, str] | None = None, key: bytes = KEY) -> list[Fault]:
    with store.read() as db:
        return list(audit_chain.examine(db, key, kept or {}))


def behind_our_back(store: Store, *statements: Any) -> None:
    """As somebody does who has the database and nothing else."""
    with store.engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def at(place: int) -> Any:
    return Audit.place == place


def test_a_chain_that_nobody_touched_is_whole(store: Store) -> None:
    assert faults(store) == []
    write(store, 3)
    assert faults(store) == []  # what waits for its seal is no fault
    assert (seal(store), seal(store)) == (3, 0)
    assert faults(store) == []
    with store.read() as db:
        assert audit_chain.sealed_and_not(db) == (ROWS + 3, 0)


CHANGES: dict[str, dict[str, Any]] = {
    "who": {"actor": "budi"},
    "what": {"action": "signed_in"},
    "which": {"thing": "recording:9"},
    "when": {"at": T0 - HOUR},
    "where": {"address": "10.0.0.9"},
    "how": {"detail": {"rentang": 5}},
    "its seal": {"seal": "f" * 64},
    "its mark": {"mark": "f" * 64},
    "no mark": {"mark": None},
}


@pytest.mark.parametrize(
    ("change", "place"), [*((change, 4) for change in CHANGES), ("who", 1), ("how", ROWS)]
)
def test_a_changed_row_is_found(store: Store, change: str, place: int) -> None:
    behind_our_back(store, update(Audit).where(at(place)).values(**CHANGES[change]))
    found = faults(store)
    assert found and found[0].place == place and found[0].harm in (Harm.CHANGED, Harm.FOREIGN)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (3, 5), (ROWS, ROWS), (1, ROWS)])
def test_removed_rows_are_found(store: Store, first: int, last: int) -> None:
    behind_our_back(store, delete(Audit).where(Audit.place.between(first, last)))
    assert faults(store) == [Fault(first, Harm.REMOVED, last)]


def test_rows_that_changed_their_places_are_found(store: Store) -> None:
    behind_our_back(
        store,
        update(Audit).where(at(2)).values(place=99),
        update(Audit).where(at(3)).values(place=2),
        update(Audit).where(at(99)).values(place=3),
    )
    assert {fault.place for fault in faults(store)} >= {2, 3}


def test_an_added_row_is_found_before_it_is_sealed_and_after(store: Store) -> None:
    forged = {"at": T0, "actor": "ani", "action": "a", "thing": "b", "detail": {}}
    behind_our_back(store, insert(Audit).values(**forged, mark="0" * 64))
    assert seal(store) == 1
    assert faults(store) == [Fault(ROWS + 1, Harm.FOREIGN, ROWS + 1)]


def test_a_row_without_a_mark_is_one_from_before_there_were_marks_or_forged(
    database: Database,
) -> None:
    unmarked = Store(database.engine())
    write(unmarked, 2)
    store = Store(database.engine(), audit_secret=SECRET)
    write(store, 1)
    seal(store)
    assert faults(store) == []
    write(unmarked, 1)
    seal(store)
    assert faults(store) == [Fault(4, Harm.FOREIGN, 4)]


def test_who_seals_everything_anew_is_found_by_the_head_and_by_those_kept(
    store: Store, tmp_path: Path
) -> None:
    heads = Heads(tmp_path / "heads.txt")
    with store.read() as db:
        heads.keep(audit_chain.head(db), T0)
    behind_our_back(store, delete(Audit).where(at(ROWS)))
    with store.write() as db:
        _seal_anew(db, key_of("another secret"))
    assert [(f.place, f.harm) for f in faults(store)][-1] == (ROWS - 1, Harm.REPLACED)
    assert Fault(ROWS, Harm.REMOVED, ROWS) in faults(store, heads.kept())


def _seal_anew(db: Session, key: bytes) -> None:
    from callcenter.domain.audit_chain import BEGINNING, mark_of_head

    before = BEGINNING
    for row in db.scalars(select(Audit).order_by(Audit.place)):
        assert row.place is not None
        row.actor = "somebody else"
        row.mark = mark_of(audit.entry_of(row), key)
        before = row.seal = seal_of(before, row.place, audit.entry_of(row), row.mark)
        place = row.place
    db.merge(AuditHead(id=1, place=place, seal=before, mark=mark_of_head(place, before, key)))


def test_a_chain_whose_head_is_gone_is_not_whole(store: Store) -> None:
    behind_our_back(store, delete(AuditHead))
    assert faults(store) == [Fault(ROWS, Harm.REPLACED, ROWS)]


def test_another_installations_rows_are_foreign(store: Store) -> None:
    harms = {fault.harm for fault in faults(store, key=key_of("another"))}
    assert harms == {Harm.FOREIGN, Harm.REPLACED}


def test_two_who_seal_at_once_give_each_place_once(store: Store) -> None:
    write(store, 20)
    done = together(*[lambda: seal(store)] * 4)
    assert sum(done) == 20
    assert faults(store) == []


def test_a_row_is_marked_alike_before_it_is_stored_and_after() -> None:
    def entry(detail: dict[Any, Any]) -> Entry:
        return Entry(T0, "ani", "a", "b:1", None, detail)

    assert mark_of(entry({2: "x", 10: "y"}), KEY) == mark_of(entry({"10": "y", "2": "x"}), KEY)
    assert mark_of(entry({"a": 1}), KEY) != mark_of(entry({"a": "1"}), KEY)


# ---------------------------------------------------------------- the heads that are kept


@pytest.mark.parametrize(("later", "lines"), [(DAY - timedelta(hours=3), 1), (DAY, 2)])
def test_one_head_a_day_is_kept(store: Store, tmp_path: Path, later: timedelta, lines: int) -> None:
    heads = Heads(tmp_path / "heads.txt")
    with store.read() as db:
        end = audit_chain.head(db)
    for moment in (T0, T0, T0 + later):
        heads.keep(end, moment)
    assert len(heads.path.read_text().splitlines()) == lines
    assert heads.kept() == {end.place: end.seal}
    assert heads.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", ["", "\0\xff nonsense\n", "2026-03-02 x y\n", "2026-03-02 9 ab\n"])
def test_a_line_that_is_none_is_passed_over(tmp_path: Path, harm: str) -> None:
    heads = Heads(tmp_path / "heads.txt")
    heads.path.write_bytes(harm.encode("latin-1"))
    assert heads.kept() == {}


def test_nothing_is_kept_of_nothing(tmp_path: Path) -> None:
    heads = Heads(tmp_path / "heads.txt")
    heads.keep(audit_chain.Head(), T0)
    assert not heads.path.exists() and heads.kept() == {}
