"""Holds the clock when the machine's time has jumped: nobody is late by a wrong clock.

The anchor lies in a file, so that a restart within one life of the machine believes no new time
either. `aduan24 time trust` writes a new one.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from callcenter.domain import timekeeping
from callcenter.domain.timekeeping import Anchor
from callcenter.services import alarms, whole_file, wording
from callcenter.store.models import Heartbeat
from callcenter.store.session import Store

log = logging.getLogger("aduan24.time")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: The alarm; there is one clock.
KIND, LEVEL = "time", "doubtful"


def steady() -> float:
    """Seconds since the machine started; those in which it slept count too (Linux)."""
    asleep_too = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if asleep_too is None else time.clock_gettime(asleep_too)


def boot() -> str:
    """Names the machine's present life; empty where the system has no name for it."""
    return whole_file.get(_BOOT_ID).decode("ascii", "replace").strip()


def anchor_file(state: Path) -> Path:
    """Where the anchor lies."""
    return state / "time.json"


class Timekeeper:
    """Knows by how much the wall clock has left the steady one."""

    def __init__(self, file: Path, seen: datetime | None = None) -> None:
        self._file, self._seen = file, seen
        self._anchor: Anchor | None = None

    def drift(self, wall: datetime) -> timedelta:
        """Of the wall clock since it was trusted; looks into the file when in doubt."""
        now = steady()
        anchor = self._anchor or self._first(wall, now)
        by = timekeeping.drift(anchor, wall, now)
        if timekeeping.doubtful(by):
            anchor = _read(self._file) or anchor  # somebody may have trusted the new time
            by = timekeeping.drift(anchor, wall, now)
        self._keep(timekeeping.kept_on(anchor, wall, now))
        return by

    def trust(self, wall: datetime) -> None:
        """From now on this is the time. Raises OSError."""
        self._anchor = Anchor(wall, steady(), boot())
        _write(self._file, self._anchor)

    def _first(self, wall: datetime, now: float) -> Anchor:
        return _read(self._file) or timekeeping.begun(wall, now, boot(), self._seen)

    def _keep(self, anchor: Anchor) -> None:
        if anchor == self._anchor:
            return
        self._anchor = anchor
        try:
            _write(self._file, anchor)
        except OSError as error:  # the memory of this process is enough until its end
            log.warning("%s cannot be written: %s", self._file.name, error.strerror)


def _write(file: Path, anchor: Anchor) -> None:
    facts = {"wall": anchor.wall.isoformat(), "steady": anchor.steady, "boot": anchor.boot}
    with whole_file.alone(file):
        whole_file.put(file, json.dumps(facts).encode() + b"\n")


def _read(file: Path) -> Anchor | None:
    """The anchor of this life of the machine; None where there is none."""
    try:
        facts: Any = json.loads(whole_file.get(file))
        anchor = Anchor(
            datetime.fromisoformat(facts["wall"]).astimezone(UTC),
            float(facts["steady"]),
            str(facts["boot"]),
        )
    except (ValueError, TypeError, KeyError):
        return None
    return anchor if anchor.boot == boot() else None


class Watch:
    """Says whether the time is in doubt, and lets everybody know who should."""

    def __init__(self, store: Store, state: Path) -> None:
        self._store = store
        self._keeper = Timekeeper(anchor_file(state), _seen(store))
        self._told: bool | None = None

    def held(self, wall: datetime) -> bool:
        """Whether nothing may be done that depends on the time; alarms once, until it is over."""
        by = self._keeper.drift(wall)
        held = timekeeping.doubtful(by)
        if held is not self._told:
            self._tell(held, by, wall)
        return held

    def _tell(self, held: bool, by: timedelta, wall: datetime) -> None:
        try:
            with self._store.write() as session:
                if held:
                    # stamped by the earlier of the two times: the workers may send it in both
                    now = min(wall, wall - by)
                    alarms.begin(session, KIND, LEVEL, wording.of_clock(by), now=now)
                else:
                    alarms.end(session, KIND, wording.of_clock_trusted(), now=wall)
        except Exception as error:  # said again at the next turn; the hold itself needs no database
            log.error("the alarm about the clock was not written: %s", type(error).__name__)
            return
        self._told = held
        if held:
            log.error("the wall clock has jumped by %s: held; see `aduan24 time show`", by)
        else:
            log.info("the wall clock is trusted")


def _seen(store: Store) -> datetime | None:
    """When the clock last reported."""
    try:
        with store.read() as session:
            beat = session.get(Heartbeat, "clock")
            return beat.at if beat else None
    except Exception as error:  # a database that is away says nothing about the time
        log.warning("the last heartbeat is not known: %s", type(error).__name__)
        return None
