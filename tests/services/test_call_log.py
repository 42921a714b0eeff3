"""The log of calls beside the exchange's own record: nothing missing, nothing twice.

`world.exchange(...)` writes what Asterisk writes, `world.spools(...)` what a call leaves behind,
`world.turn(at)` is one second of the line process.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import selectinload

from callcenter.call_log import CallLog
from callcenter.gateways.cel import NAME, Record
from callcenter.services import call_counts, exchange_log
from callcenter.services.call_counts import Figure
from callcenter.services.filing import Filing, Sweeper
from callcenter.store.exchange_models import CallCount, ExchangeCall, ExchangeFile
from callcenter.store.models import Base, Call
from callcenter.store.session import Store
from ivr.numbers import make_number
from ivr.speaking import speak
from ivr.spool import Spool

ZONE = ZoneInfo("Asia/Makassar")
T0 = datetime(2026, 3, 11, 4, 0, tzinfo=UTC)  # noon in Bangli
DAY = date(2026, 3, 11)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TICK = timedelta(microseconds=1)


def call_id(serial: int, node: str = "pbx1") -> str:
    return f"{node}-{int(T0.timestamp())}.{serial}"


class World:
    """One exchange, its spool, and the database."""

    def __init__(self, store: Store, folder: Path, spoken: Path) -> None:
        self.store, self.folder, self.spoken = store, folder, spoken
        self.spool = Spool(folder / "recordings/spool", folder / "recordings/quarantine")
        self.spool.prepare()
        self.live: Collection[str] | None = frozenset()
        self.fresh(store)

    def fresh(self, store: Store) -> None:
        """The line process starts, over this database."""
        self.store = store
        recordings = self.spool.folder.parent
        self.sweeper = Sweeper(Filing(store, self.spool, recordings, 0.5), "pbx1", 960)
        self.log = CallLog(
            store, "pbx1", Record(self.folder / "cel"), self.spool, recordings, timedelta(days=365)
        )

    def exchange(
        self, serial: int, *kinds: str, at: datetime = T0, cause: int = 16, **other: str
    ) -> None:
        """Lines of the exchange's record, ten seconds apart."""
        mine = {"context": "aduan-inbound", "channel": call_id(serial), "linked": ""} | other
        (self.folder / "cel").mkdir(exist_ok=True)
        with (self.folder / "cel" / NAME).open("a") as file:
            for index, kind in enumerate(kinds):
                stamp = (at + index * 10 * SECOND).timestamp()
                extra = f'{{""hangupcause"":{cause}}}' if kind == "HANGUP" else ""
                fields = (kind, f"{stamp:.6f}", mine["channel"], mine["linked"] or mine["channel"])
                words = (*fields, mine["context"], extra)
                file.write(",".join(f'"{word}"' for word in words) + "\n")

    def spools(self, serial: int, at: datetime = T0, speech: bool = True) -> None:
        """What a whole call leaves."""
        stamp, mine = at.timestamp(), call_id(serial)
        lines = [
            (stamp, "started", "pbx1"),
            (stamp, "caller", "081234567890"),
            (stamp, "called", "5501000"),
            (stamp, "number", make_number(serial)),
            (stamp, "mode", "app"),
            (stamp + 20, "ended", "16"),
        ]
        clip = self.folder / "clip.wav"
        shutil.copy(self.spoken, clip)
        self.spool.put_call(mine, lines, [("complaint", 1, clip)] if speech else [])

    def turn(self, now: datetime) -> None:
        self.sweeper.sweep(now, lambda: self.live)
        self.log.read(now)
        self.log.end(now, lambda: self.live)
        self.log.complete(now)
        self.log.remember(now)

    @property
    def recorded(self) -> dict[str, ExchangeCall]:
        with self.store.read() as session:
            return {row.call_uid: row for row in session.scalars(select(ExchangeCall))}

    @property
    def calls(self) -> dict[str, Call]:
        loaded = select(Call).options(selectinload(Call.recordings), selectinload(Call.complaint))
        with self.store.read() as session:
            return {row.call_uid: row for row in session.scalars(loaded)}

    def figure(self, now: datetime) -> Figure:
        with self.store.read() as session:
            return call_counts.count(session, "pbx1", DAY, zone=ZONE, now=now)


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    speak("Lampu jalan di depan pasar mati", path)
    return path


@pytest.fixture
def world(store: Store, tmp_path: Path, spoken: Path) -> World:
    return World(store, tmp_path, spoken)


LIFE = ("CHAN_START", "ANSWER", "HANGUP", "CHAN_END")


# ---------------------------------------------------------------- the record


def test_a_call_lasts_from_its_first_line_to_its_last(world: World) -> None:
    world.live = {call_id(1)}
    world.exchange(1, "CHAN_START", "ANSWER")
    world.turn(T0)
    call = world.recorded[call_id(1)]
    assert (call.node, call.started_at, call.answered_at) == ("pbx1", T0, T0 + 10 * SECOND)
    assert call.ended_at is None
    world.exchange(1, "HANGUP", "CHAN_END", at=T0 + MINUTE)
    world.turn(T0 + MINUTE)
    call = world.recorded[call_id(1)]
    assert (call.ended_at, call.cause, call.noticed) == (T0 + MINUTE, "16", False)


def test_only_who_calls_in_is_counted(world: World) -> None:
    world.exchange(1, *LIFE)
    world.exchange(2, *LIFE, context="aduan-nowhere", linked=call_id(1))  # an operator rings
    world.exchange(3, *LIFE, context="aduan-inbound", linked=call_id(1))
    world.exchange(4, *LIFE, channel=call_id(4, "pbx2"))
    world.exchange(5, *LIFE, channel="out-7")
    world.exchange(6, "ANSWER", "HANGUP", "CHAN_END")  # its beginning was never written
    world.turn(T0)
    assert list(world.recorded) == [call_id(1)]


def test_reading_twice_changes_nothing(world: World) -> None:
    for serial in range(5):
        world.exchange(serial, *LIFE, at=T0 + serial * MINUTE)
    world.log.read(T0)
    before = {uid: (row.started_at, row.ended_at) for uid, row in world.recorded.items()}
    with world.store.write() as session:
        session.execute(delete(ExchangeFile))
    world.log.read(T0)
    after = {uid: (row.started_at, row.ended_at) for uid, row in world.recorded.items()}
    assert before == after and len(after) == 5


def test_a_position_never_goes_back_and_damage_is_counted_once(world: World) -> None:
    world.exchange(1, *LIFE)
    path = world.folder / "cel" / NAME
    with path.open("ab") as file:
        file.write(b"\0\0\0\n")
    (chunk,) = Record(path.parent).chunks(lambda _: 0)
    for _ in range(3):
        with world.store.write() as session:
            exchange_log.take(session, "pbx1", chunk, now=T0)
    with world.store.read() as session:
        (file_row,) = session.scalars(select(ExchangeFile)).all()
    assert (file_row.position, file_row.unreadable) == (path.stat().st_size, 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_crash_between_any_two_chunks_loses_nothing(world: World, seed: int) -> None:
    """Lines come in any portions; some readings are undone before their end."""
    chance = random.Random(seed)
    for serial in range(30):
        for index, kind in enumerate(LIFE):
            world.exchange(serial, kind, at=T0 + (serial + index) * SECOND)
            if chance.random() < 0.2:
                _read_and_crash(world, chance)
    world.log.read(T0)
    assert len(world.recorded) == 30
    assert all(row.ended_at and row.answered_at for row in world.recorded.values())


def _read_and_crash(world: World, chance: random.Random) -> None:
    with world.store.read() as session:
        known = exchange_log.positions(session, "pbx1")
    try:
        for chunk in world.log.record.chunks(lambda file: known.get(file, 0)):
            with world.store.write() as session:
                exchange_log.take(session, "pbx1", chunk, now=T0)
                if chance.random() < 0.5:
                    raise ZeroDivisionError
    except ZeroDivisionError:
        pass


# ---------------------------------------------------------------- no call lives on


def test_a_call_whose_exchange_was_killed_ends_when_that_is_noticed(world: World) -> None:
    world.live = {call_id(1)}
    world.exchange(1, "CHAN_START", "ANSWER")
    world.turn(T0 + MINUTE)
    world.live = frozenset()
    world.turn(T0 + 2 * MINUTE)
    call = world.recorded[call_id(1)]
    assert (call.ended_at, call.noticed) == (T0 + 2 * MINUTE, True)


def test_while_nobody_knows_no_call_ends(world: World) -> None:
    world.live = None
    world.exchange(1, "CHAN_START", "ANSWER")
    world.turn(T0 + 60 * MINUTE)
    assert world.recorded[call_id(1)].ended_at is None


def test_what_the_record_says_about_the_end_counts_more(world: World) -> None:
    world.exchange(1, "CHAN_START")
    world.turn(T0 + MINUTE)
    assert world.recorded[call_id(1)].noticed
    world.exchange(1, "HANGUP", "CHAN_END", at=T0 + 30 * SECOND, cause=17)
    world.turn(T0 + MINUTE + SECOND)
    call = world.recorded[call_id(1)]
    assert (call.ended_at, call.cause, call.noticed) == (T0 + 30 * SECOND, "17", False)


def test_a_call_that_began_after_the_exchange_was_asked_goes_on(world: World) -> None:
    """Who lives is asked after the database, never before."""
    world.exchange(1, "CHAN_START")
    world.log.read(T0)

    def asked() -> Collection[str]:
        world.exchange(2, "CHAN_START")
        return {call_id(1)}

    assert world.log.end(T0, asked) == 0
    world.log.read(T0)
    assert [row.ended_at for row in world.recorded.values()] == [None, None]


# ---------------------------------------------------------------- into the log


def test_a_filed_call_is_equal_on_both_sides(world: World) -> None:
    world.exchange(1, *LIFE)
    world.spools(1)
    world.turn(T0 + 2 * MINUTE)
    (call,) = world.calls.values()
    assert (call.mode, call.caller) == ("app", "+6281234567890")
    assert world.recorded[call_id(1)].logged
    assert world.figure(T0 + 2 * MINUTE) == Figure("pbx1", DAY, 1, 1, 0, 0, ())


def test_a_call_that_left_nothing_is_in_the_log_from_the_record(world: World) -> None:
    world.exchange(1, *LIFE, cause=19)
    end = T0 + 20 * SECOND  # the hang-up
    waits = end + exchange_log.ON_ITS_WAY
    world.turn(waits - TICK)
    assert world.calls == {}
    assert world.figure(waits - TICK).on_their_way == 1
    world.turn(waits)
    (call,) = world.calls.values()
    assert (call.mode, call.caller, call.cause, call.line) == ("record", None, "19", "pbx1")
    assert (call.started_at, call.complaint, call.silent) == (T0, None, True)
    assert [key for _, key, _ in call.path] == ["started", "answered", "ended"]
    for later in range(3):
        world.turn(waits + later * SECOND)
    assert len(world.calls) == 1


def test_a_killed_exchanges_call_has_no_end_in_the_log(world: World) -> None:
    world.exchange(1, "CHAN_START")
    world.turn(T0 + MINUTE)
    world.turn(T0 + 3 * MINUTE)
    assert world.calls[call_id(1)].ended_at is None


def test_a_sidecar_that_turns_up_later_completes_the_row(world: World) -> None:
    world.exchange(1, *LIFE)
    world.turn(T0 + 2 * MINUTE)
    assert world.calls[call_id(1)].mode == "record"
    world.spools(1)
    world.turn(T0 + 3 * MINUTE)
    (call,) = world.calls.values()
    assert (call.mode, call.caller, call.called) == ("app", "+6281234567890", "5501000")
    assert call.public_number == make_number(1)
    assert call.complaint and call.complaint.public_number == make_number(1)
    assert [key for _, key, _ in call.path].count("started") == 1


def test_a_call_that_still_lies_in_the_spool_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full: it cannot be filed for an hour."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    world.exchange(1, *LIFE)
    world.spools(1)
    monkeypatch.setattr(os, "link", full)
    world.turn(T0 + 60 * MINUTE)
    assert world.calls == {}
    assert world.figure(T0 + 60 * MINUTE).missing == (call_id(1),)
    monkeypatch.undo()
    for later in range(4):
        world.turn(T0 + 61 * MINUTE + later * SECOND)
    assert world.calls[call_id(1)].mode == "app"


# ---------------------------------------------------------------- an older copy of the database


def emptied(store: Store) -> None:
    """As if the copy was made before the first call."""
    with store.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))


def test_an_older_copy_of_the_database_gets_every_call_back_once(world: World) -> None:
    for serial in range(1, 6):
        world.exchange(serial, *LIFE)
        world.spools(serial, speech=serial != 4)
    world.exchange(6, *LIFE, cause=17)
    world.turn(T0 + 2 * MINUTE)
    world.turn(T0 + 3 * MINUTE)
    before = world.calls
    emptied(world.store)
    world.fresh(world.store)
    for later in range(5):
        world.turn(T0 + 10 * MINUTE + later * SECOND)
    after = world.calls
    assert set(after) == set(before) and len(after) == 6
    for uid, call in after.items():
        old = before[uid]
        assert (call.caller, call.mode, call.public_number, call.started_at, call.ended_at) == (
            *(old.caller, old.mode, old.public_number, old.started_at, old.ended_at),
        )
        assert [r.sha256 for r in call.recordings] == [r.sha256 for r in old.recordings]
        number = old.complaint.public_number if old.complaint else None
        assert (call.complaint.public_number if call.complaint else None) == number
    assert world.spool.call_ids() == []
    assert world.figure(T0 + 11 * MINUTE).equal


def test_calls_of_other_lines_come_back_too(world: World) -> None:
    """A call at Twilio has no exchange that recorded it: its folder is found."""
    lines = [(T0.timestamp(), "started", "twilio"), (T0.timestamp() + 9, "ended", "16")]
    clip = world.folder / "clip.wav"
    shutil.copy(world.spoken, clip)
    world.spool.put_call(call_id(1, "twilio"), lines, [("complaint", 1, clip)])
    world.turn(T0 + MINUTE)
    emptied(world.store)
    world.fresh(world.store)
    for later in range(3):
        world.turn(T0 + 2 * MINUTE + later * SECOND)
    (call,) = world.calls.values()
    assert call.call_uid == call_id(1, "twilio")
    assert call.complaint


def test_audio_without_a_sidecar_comes_back_as_a_complaint(world: World) -> None:
    """Filed by a version that kept none."""
    world.exchange(1, *LIFE)
    world.spools(1)
    world.turn(T0 + MINUTE)
    for kept in (world.spool.folder.parent / "calls").rglob("*.call"):
        kept.unlink()
    for clip in (world.spool.folder.parent / "calls").rglob("*.wav"):
        os.utime(clip, (T0.timestamp(), T0.timestamp()))
    emptied(world.store)
    world.fresh(world.store)
    for later in range(3):
        world.turn(T0 + 9 * MINUTE + later * SECOND)
    (call,) = world.calls.values()
    assert (call.mode, call.public_number) == ("adopted", None)
    assert call.complaint


def test_a_link_in_place_of_a_kept_folder_is_not_followed(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(world.spoken, elsewhere / "complaint-1.wav")
    day = world.spool.folder.parent / "calls/2026/03/11"
    day.mkdir(parents=True)
    (day / call_id(1)).symlink_to(elsewhere)
    world.exchange(1, *LIFE)
    for later in range(3):
        world.turn(T0 + 2 * MINUTE + later * SECOND)
    assert world.calls[call_id(1)].recordings == []


def test_the_record_is_put_aside_when_it_is_long_and_read_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.call_log._ASIDE_BYTES", 100)
    world.live = {call_id(1)}
    world.exchange(1, "CHAN_START", "ANSWER")
    world.log.tidy(T0)
    world.exchange(1, "HANGUP", "CHAN_END", at=T0 + MINUTE)
    world.turn(T0 + MINUTE)
    assert world.recorded[call_id(1)].ended_at == T0 + MINUTE
    assert len(list((world.folder / "cel").iterdir())) == 2


# ---------------------------------------------------------------- the count


def test_a_day_is_half_open_and_of_the_programmes_zone(world: World) -> None:
    midnight = datetime(2026, 3, 11, tzinfo=ZONE)
    moments = (midnight - TICK, midnight, midnight + timedelta(days=1) - TICK)
    for serial, moment in enumerate((*moments, midnight + timedelta(days=1))):
        world.exchange(serial, *LIFE, at=moment)
    world.turn(midnight + timedelta(days=2))
    assert world.figure(midnight + timedelta(days=2)).in_exchange == 2


def test_what_only_the_log_has_is_said_apart(world: World) -> None:
    """The record was lost, the calls were not."""
    world.spools(1)
    world.exchange(2, *LIFE)
    world.spools(2)
    world.turn(T0 + MINUTE)
    figure = world.figure(T0 + MINUTE)
    assert (figure.in_exchange, figure.here, figure.here_alone, figure.equal) == (1, 1, 1, True)


def counts(world: World, now: datetime) -> tuple[int, list[CallCount]]:
    with world.store.write() as session:
        done = call_counts.count_due(session, zone=ZONE, now=now)
    with world.store.read() as session:
        return done, list(session.scalars(select(CallCount).order_by(CallCount.day)))


def test_each_day_is_counted_once_when_it_is_over(world: World) -> None:
    world.exchange(1, *LIFE)
    world.turn(T0 + 2 * MINUTE)
    settled = datetime(2026, 3, 12, tzinfo=ZONE) + call_counts.SETTLED
    assert counts(world, settled - TICK) == (0, [])
    done, (row,) = counts(world, settled)
    assert (done, row.day, row.in_exchange, row.here) == (1, DAY, 1, 1)
    assert counts(world, settled + timedelta(hours=2))[0] == 0
    assert counts(world, settled + timedelta(days=1))[0] == 1  # the next day, without a call


def test_a_day_that_was_not_equal_is_counted_again(world: World) -> None:
    world.exchange(1, *LIFE)
    world.log.read(T0 + 2 * MINUTE)
    night = datetime(2026, 3, 12, tzinfo=ZONE) + call_counts.SETTLED
    _, (row,) = counts(world, night)
    assert (row.in_exchange, row.here, row.missing) == (1, 0, [call_id(1)])
    world.turn(night)
    assert counts(world, night + timedelta(hours=1) - TICK)[0] == 0
    done, (row,) = counts(world, night + timedelta(hours=1))
    assert (done, row.here, row.missing) == (1, 1, [])
