"""Whether there is room on the disks that calls need: measured here, told by `alarms`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from callcenter.domain.room import RoomLevel, RoomLimits, level_of
from callcenter.services import alarms
from callcenter.services.wording import Words
from callcenter.store.session import Store

log = logging.getLogger("aduan24.line")

KIND = "room"
_MB = 1_000_000
_FEWEST_FILES = 100  # a call makes some five


@dataclass(frozen=True, slots=True)
class Room:
    """The disk with the least room, of those that these folders are on."""

    free: int
    folder: Path

    @property
    def megabytes(self) -> int:
        """Whole megabytes that are left."""
        return self.free // _MB


def measure(folders: Iterable[Path]) -> Room:
    """Where there is least room. A folder that is not there yet counts as the one above it.

    Raises OSError.
    """
    return min((Room(_free(folder), folder) for folder in folders), key=lambda room: room.free)


def _free(folder: Path) -> int:
    """Bytes that we may write; none when no more files can be made."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    found = os.statvfs(existing)
    if found.f_files and found.f_favail < _FEWEST_FILES:
        return 0
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class SpoolRoom:
    """Whether a call can be recorded now: asked at each call, needs nothing but the disk."""

    spool: Path
    limits: RoomLimits

    def __call__(self) -> bool:
        """Yes where nobody can tell: the recording itself is looked at, too."""
        try:
            return measure([self.spool]).free >= self.limits.full
        except OSError:
            return True


class RoomWatch:
    """Looks again and again, and tells when the level changes."""

    def __init__(self, store: Store, folders: Iterable[Path], limits: RoomLimits) -> None:
        self._store, self._folders, self._limits = store, tuple(folders), limits
        self._told: RoomLevel | None = None
        self._asked = False
        self._untold: _Begun | None = None

    def look(self, now: datetime) -> RoomLevel | None:
        """The present level; an alarm begins or ends where it has changed.

        Raises what the database raises (it may lie on the same disk): told with the next look,
        even if there is room again by then.
        """
        room = measure(self._folders)
        if not self._asked:
            self._told, self._asked = self._standing(), True
        level = level_of(room.free, self._limits, self._told)
        if level is not self._told or self._untold:
            self._tell(room, level, now)
        return level

    def _standing(self) -> RoomLevel | None:
        with self._store.read() as session:
            alarm = alarms.standing(session, KIND)
        return RoomLevel(alarm.level) if alarm else None

    def _tell(self, room: Room, level: RoomLevel | None, now: datetime) -> None:
        begun = _Begun(room, level, now) if level else None
        if begun and (self._untold is None or begun.worse_than(self._untold)):
            log.error("%s: %d MB are left at %s", _LOGGED[begun.level], room.megabytes, room.folder)
            self._untold = begun
        with self._store.write() as session:
            if self._untold:
                self._untold.tell(session)
            if begun:
                begun.tell(session)
            else:
                alarms.end(session, KIND, _over(room), now=now)
        if begun is None:
            log.info("there is room again: %d MB at %s", room.megabytes, room.folder)
        self._told, self._untold = level, None


@dataclass(frozen=True, slots=True)
class _Begun:
    """A level that was reached, at a moment."""

    room: Room
    level: RoomLevel
    since: datetime

    def worse_than(self, other: _Begun) -> bool:
        return self.level is RoomLevel.FULL and other.level is RoomLevel.LOW

    def tell(self, session: Session) -> None:
        """Nothing where an alarm of this level stands already."""
        detail = {"free_mb": self.room.megabytes, "folder": str(self.room.folder)}
        words = _words(self.room, self.level)
        alarms.begin(session, KIND, self.level.value, words, now=self.since, detail=detail)


_LOGGED = {RoomLevel.LOW: "little room", RoomLevel.FULL: "no room, calls are not recorded"}


def _words(room: Room, level: RoomLevel) -> Words:
    left = f"Sisa {room.megabytes} MB di {room.folder}."
    if level is RoomLevel.FULL:
        return Words(
            "DISK PENUH: aduan lewat telepon tidak bisa direkam",
            f"{left} Penelepon diminta memakai nomor darurat, WhatsApp, atau menelepon lagi "
            "nanti. Kosongkan disk sekarang; saluran pulih sendiri.",
        )
    return Words(
        "Ruang disk menipis",
        f"{left} Panggilan masih direkam. Kosongkan disk sebelum penuh.",
    )


def _over(room: Room) -> Words:
    return Words(
        "Disk sudah lapang",
        f"Sisa {room.megabytes} MB di {room.folder}. Panggilan direkam seperti biasa.",
    )
