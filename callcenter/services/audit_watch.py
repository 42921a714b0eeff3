"""The chain of audit rows goes on by itself, and is examined as a whole every night."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.audit_chain import Fault
from callcenter.services import alarms, audit, audit_chain
from callcenter.services.audit_chain import Heads
from callcenter.services.wording import Words
from callcenter.store.models import Audit
from callcenter.store.session import Store

KIND, LEVEL = "audit", "broken"
ACTION = "audit_examined"
_AT = time(3, 0)  # every night, in the programme's zone
_NAMED = 5


class AuditWatch:
    """Seals what is new; examines the chain once a night, a slice at a time: the clock's duties."""

    def __init__(self, store: Store, key: bytes, heads: Heads, zone: ZoneInfo) -> None:
        self._store, self._key, self._heads, self._zone = store, key, heads, zone
        self._examining: Iterator[Fault | None] | None = None
        self._found: list[Fault] = []

    def seal(self, now: datetime) -> int:
        """Seal a slice of what is new, and keep the day's head; how many rows were sealed."""
        if not self._store.glance(audit_chain.some_unsealed):
            return 0
        with self._store.write() as session:
            sealed = audit_chain.seal_new(session)
            end = audit_chain.head(session)
        self._heads.keep(end, now)
        return sealed

    def go_on(self, now: datetime) -> int:
        """A slice of the night's examination, while it is due; 1 when there is more to do."""
        if self._examining is None:
            with self._store.read() as session:
                if not _due(session, now, self._zone):
                    return 0
            self._examining, self._found = self._slices(), []
        for fault in self._examining:
            if fault is None:
                return 1
            self._found.append(fault)
        self._examining = None
        with self._store.write() as session:
            conclude(session, self._found, actor="clock", now=now)
        return 1

    def _slices(self) -> Iterator[Fault | None]:
        with self._store.read() as session:
            yield from audit_chain.examined(session, self._key, self._heads.kept())


def _due(session: Session, now: datetime, zone: ZoneInfo) -> bool:
    local = now.astimezone(zone)
    night = datetime.combine(local.date(), _AT, zone)
    if night > local:
        night -= timedelta(days=1)
    last = last_examined(session)
    return last is None or last.at < night


def last_examined(session: Session) -> Audit | None:
    """The row that says how the last examination ended; None before the first."""
    rows = select(Audit).where(Audit.action == ACTION, Audit.thing == "audit:chain")
    return session.scalar(rows.order_by(Audit.id.desc()).limit(1))


def conclude(session: Session, found: list[Fault], *, actor: str, now: datetime) -> None:
    """Write down how an examination ended; faults are an alarm until one ends without any."""
    end = audit_chain.head(session)
    detail = {"place": end.place, "faults": len(found), "first": found[0].place if found else None}
    audit.record(session, actor=actor, action=ACTION, thing="audit:chain", now=now, detail=detail)
    if found:
        alarms.begin(session, KIND, LEVEL, _broken(found), now=now)
    else:
        alarms.end(session, KIND, _whole(), now=now)


def _broken(found: list[Fault]) -> Words:
    places = ", ".join(str(fault.place) for fault in found[:_NAMED])
    return Words(
        "ALARM: catatan audit diubah",
        f"Rantai catatan audit tidak utuh: {len(found)} kerusakan, pada tempat {places}"
        f"{' dan lainnya' if len(found) > _NAMED else ''}. Ada yang mengubah, menghapus atau "
        "menambah catatan di luar aplikasi. Periksa dengan: aduan24 audit verify",
    )


def _whole() -> Words:
    return Words("Selesai: catatan audit", "Rantai catatan audit utuh kembali.")
