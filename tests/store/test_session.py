"""The session rule: nothing lost, nothing told too early, no reader in the way, times in UTC."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm.exc import StaleDataError

from callcenter.domain.complaint import ComplaintState
from callcenter.store.models import Complaint, Heartbeat, NumberBlock
from callcenter.store.session import Letter, Store, post_after_commit
from tests.databases import Database

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
THREADS, TURNS = 4, 100
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def _together(work: Callable[[], None]) -> None:
    """Run `work` in all threads at once; the first error is raised."""
    start = threading.Barrier(THREADS)

    def run(_thread: int) -> None:
        start.wait()
        work()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, range(THREADS)))


def _complaint() -> Complaint:
    return Complaint(
        public_number="10000005",
        state=ComplaintState.RECEIVED,
        channel="phone",
        received_at=NOW,
        transcript="",
    )


# ---------------------------------------------------------------- writing


def test_no_read_modify_write_is_lost(store: Store) -> None:
    with store.write() as session:
        session.add(NumberBlock(node="app", first=0, last=999, next=0, reserved_at=NOW))

    def count() -> None:
        for _ in range(TURNS):
            with store.write() as session:
                block = session.scalars(select(NumberBlock).with_for_update()).one()
                block.next += 1

    _together(count)
    with store.read() as session:
        assert session.scalars(select(NumberBlock.next)).one() == THREADS * TURNS


@SQLITE
def test_on_sqlite_none_is_lost_even_without_a_row_lock(store: Store) -> None:
    """Every write transaction begins as the only writer; nobody is turned away meanwhile."""
    with store.write() as session:
        session.add(NumberBlock(node="app", first=0, last=999, next=0, reserved_at=NOW))

    def count() -> None:
        for _ in range(TURNS):
            with store.write() as session:
                session.scalars(select(NumberBlock)).one().next += 1

    _together(count)
    with store.read() as session:
        assert session.scalars(select(NumberBlock.next)).one() == THREADS * TURNS


def test_what_was_read_before_somebody_elses_change_is_not_written_over_it(store: Store) -> None:
    with store.write() as session:
        session.add(_complaint())
    with store.read() as session:
        read_before = session.scalars(select(Complaint)).one()
    with store.write() as session:
        session.scalars(select(Complaint)).one().transcript = "the other person's"
    with pytest.raises(StaleDataError), store.write() as session:
        session.add(read_before)
        read_before.transcript = "mine"
    with store.read() as session:
        assert session.scalars(select(Complaint.transcript)).one() == "the other person's"


def test_an_error_takes_the_whole_transaction_back(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as session:
        session.add(Heartbeat(part="clock", at=NOW))
        session.flush()
        raise ZeroDivisionError
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(Heartbeat)) == 0


def test_a_reference_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError), store.write() as session:
        complaint = _complaint()
        complaint.call_id = 4711
        session.add(complaint)


@SQLITE
def test_an_acknowledged_commit_survives_a_power_cut_on_sqlite(database: Database) -> None:
    with database.engine().connect() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        kept = {name: connection.scalar(text(f"PRAGMA {name}")) for name in names}
    full = 2
    assert kept == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }


# ---------------------------------------------------------------- telling the workers


class Workers:
    """Hears what is posted, and looks at once whether the database already holds it."""

    def __init__(self, database: Database) -> None:
        self.heard: list[Letter] = []
        self.found: list[bool] = []
        self._database = database

    def post(self, letters: Sequence[Letter]) -> None:
        self.heard += letters
        with self._database.store().read() as session:
            self.found.append(session.get(Heartbeat, "written") is not None)


def test_a_notice_is_told_only_when_everybody_can_read_it(database: Database) -> None:
    workers = Workers(database)
    with database.store(posted=workers.post).write() as session:
        session.add(Heartbeat(part="written", at=NOW))
        post_after_commit(session, 1, urgent=False)
        post_after_commit(session, 2, urgent=True)
        session.flush()
        assert workers.heard == []
    assert workers.heard == [(1, False), (2, True)]
    assert workers.found == [True]


def test_a_notice_of_a_failed_transaction_is_never_told(database: Database) -> None:
    workers = Workers(database)
    store = database.store(posted=workers.post)
    with pytest.raises(ZeroDivisionError), store.write() as session:
        post_after_commit(session, 1, urgent=True)
        raise ZeroDivisionError
    with store.write() as session:
        session.add(Heartbeat(part="written", at=NOW))
    assert workers.heard == []


def test_a_notice_is_not_told_when_the_commit_itself_fails(database: Database) -> None:
    workers = Workers(database)
    with pytest.raises(IntegrityError), database.store(posted=workers.post).write() as session:
        post_after_commit(session, 1, urgent=True)
        session.add_all([Heartbeat(part="written", at=NOW), _complaint(), _complaint()])
    assert workers.heard == []


# ---------------------------------------------------------------- reading


def test_a_reader_sees_one_moment(store: Store) -> None:
    with store.write() as session:
        session.add(Heartbeat(part="clock", at=NOW))
    with store.read() as reading:
        before = reading.scalars(select(Heartbeat.at)).one()
        _beat_again(store)
        assert reading.scalars(select(Heartbeat.at)).one() == before == NOW
    with store.read() as session:
        assert session.scalars(select(Heartbeat.at)).one() == NOW + timedelta(minutes=1)


def test_an_open_reader_blocks_no_writer(store: Store) -> None:
    with store.write() as session:
        session.add(Heartbeat(part="clock", at=NOW))
    with store.read() as reading:
        reading.scalars(select(Heartbeat)).all()
        _beat_again(store)


def _beat_again(store: Store) -> None:
    with store.write() as session:
        session.get_one(Heartbeat, "clock").at = NOW + timedelta(minutes=1)


def test_an_open_writer_blocks_no_reader(store: Store) -> None:
    with store.write() as session:
        session.add(Heartbeat(part="clock", at=NOW))
        session.flush()
        with store.read() as reading:
            assert reading.scalars(select(Heartbeat)).all() == []


# ---------------------------------------------------------------- times

moments = st.datetimes(
    min_value=datetime(2021, 3, 1),  # noqa: DTZ001 (hypothesis adds the zone)
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from(
        [UTC, ZoneInfo("Asia/Makassar"), ZoneInfo("America/New_York"), timezone(timedelta(hours=9))]
    ),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments)
def test_a_moment_comes_back_as_the_same_moment_in_utc(store: Store, moment: datetime) -> None:
    with store.write() as session:
        session.merge(Heartbeat(part="clock", at=moment))
    with store.read() as session:
        stored = session.scalars(select(Heartbeat.at)).one()
        same = select(func.count()).where(Heartbeat.at == moment)
        assert session.scalar(same) == 1
    assert stored == moment.astimezone(UTC)
    assert stored.tzinfo is UTC


def test_moments_of_different_zones_are_ordered_as_they_happened(store: Store) -> None:
    """Seven in the morning in Bangli comes before midnight in Greenwich."""
    early = datetime(2026, 3, 2, 7, 0, tzinfo=ZoneInfo("Asia/Makassar"))
    late = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
    with store.write() as session:
        session.add_all([Heartbeat(part="late", at=late), Heartbeat(part="early", at=early)])
    with store.read() as session:
        assert session.scalars(select(Heartbeat.part).order_by(Heartbeat.at)).all() == [
            "early",
            "late",
        ]


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(StatementError, match="must be aware"), store.write() as session:
        session.add(Heartbeat(part="clock", at=datetime(2026, 3, 1)))  # noqa: DTZ001
    with pytest.raises(StatementError, match="must be aware"), store.read() as session:
        session.scalars(select(Heartbeat).where(Heartbeat.at > datetime(2026, 3, 1)))  # noqa: DTZ001
