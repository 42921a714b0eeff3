"""A disk that fills up is told once per level, to who answers for the line, and when it is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from callcenter.config import Config
from callcenter.domain.room import RoomLevel, RoomLimits, level_of
from callcenter.services import alarms, directory, room
from callcenter.services.entry import NO_ROOM, Entry, limited_file, mode_file
from callcenter.services.room import Room, RoomWatch, SpoolRoom, measure
from callcenter.services.wording import Words
from callcenter.store.line_models import Alarm
from callcenter.store.models import Notice, Person
from callcenter.store.session import Store
from tests.services.conftest import HOUR, MINUTE, SQLITE, T0

LIMITS = RoomLimits(low=1000, full=100)
LOW, FULL = RoomLevel.LOW, RoomLevel.FULL
WORDS = Words("Disk", "penuh")


@pytest.mark.parametrize(
    ("free", "standing", "level"),
    [
        (1000, None, None),
        (999, None, LOW),
        (100, None, LOW),
        (99, None, FULL),
        (1249, LOW, LOW),
        (1250, LOW, None),
        (99, LOW, FULL),
        (124, FULL, FULL),
        (125, FULL, LOW),
        (1249, FULL, LOW),
        (1250, FULL, None),
    ],
)
def test_levels_at_their_edges(
    free: int, standing: RoomLevel | None, level: RoomLevel | None
) -> None:
    assert level_of(free, LIMITS, standing) is level


def test_a_folder_that_is_not_there_yet_counts_as_the_one_above(tmp_path: Path) -> None:
    here, later = measure([tmp_path]), measure([tmp_path / "not" / "yet"])
    assert later.free > 0
    assert abs(here.free - later.free) < 100_000_000


def test_no_more_files_is_no_more_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        f_files, f_favail, f_bavail, f_frsize = 1000, 3, 10**6, 4096

    monkeypatch.setattr("callcenter.services.room.os.statvfs", lambda _: Full)
    assert measure([tmp_path]).free == 0


# ---------------------------------------------------------------- where a call begins


def test_without_room_every_call_begins_there_except_those_recorded_elsewhere(
    tmp_path: Path,
) -> None:
    there = Entry(mode_file(tmp_path), limited_file(tmp_path, "key", 3), lambda: False)
    assert there.mode("0812", T0) == NO_ROOM
    assert there.mode("0812", T0, recorded_here=False) == "normal"


def test_a_disk_that_cannot_be_measured_stops_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Path) -> None:
        raise OSError("no such device")

    monkeypatch.setattr("callcenter.services.room.os.statvfs", broken)
    assert SpoolRoom(Path("/tmp"), LIMITS)()


# ---------------------------------------------------------------- alarms


@pytest.fixture
def people(store: Store, config: Config) -> Store:
    with store.write() as db:
        directory.sync(db, config, T0)
    return store


def rows(store: Store) -> list[tuple[str, bool]]:
    with store.read() as db:
        return [(a.level, a.ended_at is None) for a in db.scalars(select(Alarm).order_by(Alarm.id))]


def told(store: Store) -> list[tuple[str | None, str]]:
    with store.read() as db:
        found = db.scalars(select(Notice).order_by(Notice.id)).all()
    assert all(notice.urgent for notice in found)
    return [(notice.person_key, notice.subject) for notice in found]


def test_an_alarm_is_told_once_until_it_gets_worse_or_ends(people: Store) -> None:
    for level in ("low", "low", "full", "full"):
        with people.write() as db:
            alarms.begin(db, "room", level, Words(level, ""), now=T0)
    for _ in range(2):
        with people.write() as db:
            alarms.end(db, "room", Words("over", ""), now=T0 + HOUR)
    assert rows(people) == [("low", False), ("full", False)]
    both = ("coordinator", "supervisor")
    assert told(people) == [(who, said) for said in ("low", "full", "over") for who in both]


def test_without_coordinator_and_supervisor_whoever_holds_an_office_is_told(people: Store) -> None:
    with people.write() as db:
        for key in ("coordinator", "supervisor"):
            db.get_one(Person, key).active = False
        alarms.begin(db, "room", "full", WORDS, now=T0)
    assert {who for who, _ in told(people)} == {"sekda", "wakil_bupati"}


# ---------------------------------------------------------------- again and again


class Disk:
    """How much room there is, as a test wants it."""

    free = 10_000

    def measure(self, folders: object) -> Room:
        return Room(self.free, Path("/var/recordings"))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(room, "measure", made.measure)
    return made


def test_a_watch_that_begins_anew_tells_nothing_twice(people: Store, disk: Disk) -> None:
    disk.free = 50
    assert RoomWatch(people, [], LIMITS).look(T0) is FULL
    assert RoomWatch(people, [], LIMITS).look(T0 + MINUTE) is FULL
    assert rows(people) == [("full", True)]
    disk.free = 110
    assert RoomWatch(people, [], LIMITS).look(T0 + MINUTE) is FULL  # not over yet
    disk.free = 5000
    assert RoomWatch(people, [], LIMITS).look(T0 + HOUR) is None
    assert rows(people) == [("full", False)]


@SQLITE
def test_what_could_not_be_told_is_told_later_even_when_it_is_over(
    people: Store, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = RoomWatch(people, [], LIMITS)
    assert watch.look(T0) is None
    disk.free = 50
    with monkeypatch.context() as patched:
        patched.setattr(people, "write", _no_room)
        for _ in range(3):
            with pytest.raises(OSError, match="disk is full"):
                watch.look(T0 + MINUTE)
    disk.free = 5000
    watch.look(T0 + HOUR)
    with people.read() as db:
        (alarm,) = db.scalars(select(Alarm)).all()
    assert (alarm.level, alarm.since, alarm.ended_at) == ("full", T0 + MINUTE, T0 + HOUR)
    assert [said for _, said in told(people)] == [
        *["DISK PENUH: aduan lewat telepon tidak bisa direkam"] * 2,
        *["Disk sudah lapang"] * 2,
    ]


def _no_room() -> None:
    raise OSError("database or disk is full")
