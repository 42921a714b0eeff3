"""Audit rows are sealed one after the other, and the whole chain is examined.

Rows of concurrent transactions come in any order, so they get their places afterwards: a few
seconds later, by one who seals at a time. Until then their marks alone protect them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from callcenter.domain.audit_chain import (
    BEGINNING,
    Examiner,
    Fault,
    Harm,
    Link,
    mark_of_head,
    seal_of,
)
from callcenter.services.audit import entry_of
from callcenter.services.turns import take_turn
from callcenter.store.models import Audit, AuditHead
from callcenter.store.session import audit_key

SLICE = 1000
_ONE = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The last place of the chain and its seal; 0 while nothing is sealed."""

    place: int = 0
    seal: str = BEGINNING


# ---------------------------------------------------------------- sealing


def some_unsealed(connection: Connection) -> bool:
    """Whether there is anything to seal."""
    return connection.scalar(select(Audit.id).where(Audit.place.is_(None)).limit(1)) is not None


def seal_new(session: Session) -> int:
    """Give the next rows their places and seals; how many. Needs the store's audit secret.

    Harmless to repeat: a sealed row is not looked at again.
    """
    key = audit_key(session)
    if key is None:
        raise ValueError("rows are sealed with the installation's secret")
    take_turn(session, "audit chain")
    rows = select(Audit).where(Audit.place.is_(None)).order_by(Audit.id).limit(SLICE)
    end, sealed = head(session), session.scalars(rows).all()
    for row in sealed:
        place = end.place + 1
        end = Head(place, seal_of(end.seal, place, entry_of(row), row.mark))
        row.place, row.seal = end.place, end.seal
    if sealed:
        mark = mark_of_head(end.place, end.seal, key)
        session.merge(AuditHead(id=_ONE, place=end.place, seal=end.seal, mark=mark))
    return len(sealed)


def head(session: Session) -> Head:
    """The end of the chain as the rows have it."""
    rows = select(Audit).where(Audit.place.is_not(None)).order_by(Audit.place.desc())
    last = session.scalar(rows.limit(1))
    return Head(last.place or 0, last.seal or "") if last else Head()


# ---------------------------------------------------------------- heads that are kept elsewhere


@dataclass(frozen=True, slots=True)
class Heads:
    """A file with one line a day: the day, the place, the seal. It is to be copied elsewhere."""

    path: Path

    def keep(self, end: Head, now: datetime) -> None:
        """Add today's line, if there is none yet and there is something to keep."""
        day = now.astimezone(UTC).date().isoformat()
        if not end.place or any(line.startswith(day) for line in self._lines()[-1:]):
            return
        how = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        with os.fdopen(os.open(self.path, how, 0o600), "w", encoding="ascii") as file:
            file.write(f"{day} {end.place} {end.seal}\n")
            file.flush()
            os.fsync(file.fileno())

    def kept(self) -> dict[int, str]:
        """The seals by place; a line that is none is passed over."""
        found = {}
        for line in self._lines():
            _day, _, rest = line.partition(" ")
            place, _, seal = rest.partition(" ")
            if place.isdecimal() and len(seal) == len(BEGINNING):
                found[int(place)] = seal
        return found

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []


# ---------------------------------------------------------------- examining


def links(session: Session, after: int) -> Sequence[Link]:
    """The next slice of the chain behind the place `after`; empty at its end."""
    rows = select(Audit).where(Audit.place > after).order_by(Audit.place).limit(SLICE)
    return [
        Link(row.place, entry_of(row), row.mark, row.seal or "")
        for row in session.scalars(rows)
        if row.place is not None
    ]


def examine(session: Session, key: bytes, kept: Mapping[int, str]) -> Iterator[Fault]:
    """Everything that is wrong with the chain, against its own head and those that were kept."""
    return (fault for fault in examined(session, key, kept) if fault is not None)


def examined(session: Session, key: bytes, kept: Mapping[int, str]) -> Iterator[Fault | None]:
    """As `examine`, with None after each slice, so that the reader may rest there."""
    here = session.get(AuditHead, _ONE)
    ours = here is not None and here.mark == mark_of_head(here.place, here.seal, key)
    known = {here.place: here.seal, **kept} if here is not None and ours else dict(kept)
    looks = Examiner(key, known)
    while some := links(session, looks.place):
        yield from looks.look(some)
        session.expunge_all()
        yield None
    if looks.place and not ours:
        yield Fault(looks.place, Harm.REPLACED, looks.place)
    yield from looks.end()


def sealed_and_not(session: Session) -> tuple[int, int]:
    """How many rows are sealed, and how many wait."""
    waiting = session.scalar(select(func.count()).where(Audit.place.is_(None))) or 0
    return head(session).place, waiting
