"""Switching the line: normal, an announcement first, or emergencies only.

The database holds who switched it, when and until when; a small file beside it says the same to
the line, which must answer while the database is away.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.line_mode import LineMode, in_force
from callcenter.services import audit, whole_file
from callcenter.services.desk import clean
from callcenter.services.errors import Refused
from callcenter.store.line_models import LineSwitch
from callcenter.store.session import Store


@dataclass(frozen=True, slots=True)
class Switched:
    """How the line was switched last; nobody ever did where `switched_at` is None."""

    mode: LineMode = LineMode.NORMAL
    switched_by: str = ""
    switched_at: datetime | None = None
    until: datetime | None = None
    note: str = ""

    def in_force(self, now: datetime) -> LineMode:
        """The mode at `now`."""
        return in_force(self.mode, self.until, now)


def current(session: Session) -> Switched:
    """How the line was switched last."""
    row = session.scalar(select(LineSwitch).order_by(LineSwitch.id.desc()).limit(1))
    if row is None:
        return Switched()
    return Switched(row.mode, row.switched_by, row.switched_at, row.until, row.note)


def switch(
    session: Session,
    mode: LineMode,
    *,
    actor: str,
    now: datetime,
    until: datetime | None = None,
    note: str = "",
    address: str | None = None,
) -> None:
    """Switch the line, until a moment or until somebody switches it again.

    Tell the line after the commit: `ModeFile.publish`. Raises Refused for an end that is past.
    """
    if until is not None and until <= now:
        raise Refused("until", "Pilih waktu berakhir yang akan datang.")
    if mode is LineMode.NORMAL:
        until = None  # there is nothing that it could end in
    row = LineSwitch(
        mode=mode,
        switched_by=actor,
        switched_at=now,
        until=until,
        note=clean(note, 300, "note"),
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="line_switched",
        thing=f"line_switch:{row.id}",
        now=now,
        address=address,
        detail={"mode": mode.value, "until": until.isoformat() if until else None},
    )


@dataclass(frozen=True, slots=True)
class ModeFile:
    """The file that the line reads at every call."""

    path: Path

    def publish(self, store: Store) -> None:
        """Bring the file to what the database says; of two at once the later one is right.

        Harmless to repeat; writes only what has changed. Raises OSError, or what the database
        raises: then the file is as it was.
        """
        with whole_file.alone(self.path):
            with store.read() as session:
                switched = current(session)
            whole_file.put(self.path, _written(switched))

    def read(self, now: datetime) -> LineMode:
        """The mode at `now`; normal when the file says nothing that can be understood."""
        try:
            told = json.loads(whole_file.get(self.path))
            until = datetime.fromisoformat(told["until"]) if told["until"] else None
            return in_force(LineMode(told["mode"]), until, now)
        except (ValueError, TypeError, KeyError):
            return LineMode.NORMAL


def _written(switched: Switched) -> bytes:
    until = switched.until.isoformat() if switched.until else None
    return json.dumps({"mode": switched.mode.value, "until": until}).encode() + b"\n"
