"""The duty roster: the plan of config.yaml, and swaps with who, when and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from callcenter.domain import roster
from callcenter.domain.roster import Duty, Swap
from callcenter.services import audit
from callcenter.services.desk import clean
from callcenter.services.errors import NotFound, Refused
from callcenter.services.rules import Rules
from callcenter.store.models import DutySwap, Person

_LONGEST = timedelta(days=92)


def swap(
    session: Session,
    agency_key: str,
    *,
    out: str | None,
    into: str,
    starts: datetime,
    ends: datetime,
    why: str,
    actor: str,
    now: datetime,
) -> DutySwap:
    """`into` is on duty in [starts, ends) where `out` would be, or beside the others."""
    team = {person.key for person in officers(session, agency_key)}
    if out is not None and out not in team:
        raise Refused("out", "Pilih petugas dari tim ini.")
    if into not in team or into == out:
        raise Refused("into", "Pilih petugas pengganti dari tim ini.")
    if ends <= starts or ends <= now:
        raise Refused("ends", "Waktu selesai harus setelah waktu mulai, dan belum lewat.")
    if ends - starts > _LONGEST:
        raise Refused("ends", "Paling lama tiga bulan; ubah jadwal tetap di config.yaml.")
    reason = clean(why, 300, "why")
    if not reason:
        raise Refused("why", "Tuliskan alasan penggantian.")
    made = DutySwap(
        agency_key=agency_key,
        out_key=out,
        in_key=into,
        starts_at=starts,
        ends_at=ends,
        why=reason,
        made_by=actor,
        made_at=now,
    )
    session.add(made)
    session.flush()
    audit.record(session, actor=actor, action="duty_swapped", thing=f"duty_swap:{made.id}", now=now)
    return made


def cancel(
    session: Session, swap_id: int, agency_key: str, *, actor: str, now: datetime
) -> DutySwap:
    """The plan holds again from now on; what was stays written down."""
    found = session.get(DutySwap, swap_id, with_for_update=True)
    if found is None or found.agency_key != agency_key:
        raise NotFound("Penggantian ini tidak ada.")
    if found.cancelled_at is not None or found.ends_at <= now:
        raise Refused("state", "Penggantian ini sudah selesai atau sudah dibatalkan.")
    found.cancelled_at, found.cancelled_by = now, actor
    thing = f"duty_swap:{found.id}"
    audit.record(session, actor=actor, action="duty_swap_cancelled", thing=thing, now=now)
    return found


def officers(session: Session, agency_key: str) -> Sequence[Person]:
    """The team of an agency in its order."""
    return session.scalars(
        select(Person)
        .where(Person.agency_key == agency_key, Person.post == "officer", Person.active)
        .order_by(Person.duty_order, Person.key)
    ).all()


def swaps(
    session: Session, agency_keys: Collection[str], start: datetime, end: datetime
) -> list[DutySwap]:
    """Swaps of these agencies that touch [start, end), in the order in which they were made."""
    return list(
        session.scalars(
            select(DutySwap)
            .where(
                DutySwap.agency_key.in_(agency_keys),
                DutySwap.starts_at < end,
                DutySwap.ends_at > start,
            )
            .options(joinedload(DutySwap.out), joinedload(DutySwap.into))
            .order_by(DutySwap.id)
        )
    )


def as_rules(rows: Collection[DutySwap]) -> list[Swap]:
    """What counts of them: one that was cancelled counts until then."""
    ends = [(row, min(row.ends_at, row.cancelled_at or row.ends_at)) for row in rows]
    return [
        Swap(row.starts_at, end, row.out_key, row.in_key)
        for row, end in ends
        if row.starts_at < end
    ]


def on_duty(
    session: Session, agency_keys: Collection[str], now: datetime, rules: Rules
) -> dict[str, tuple[str, ...]]:
    """Who is on duty at `now`, of each of these agencies that has a plan."""
    planned = [key for key in agency_keys if key in rules.rosters]
    rows = swaps(session, planned, now, now + timedelta(microseconds=1)) if planned else []
    return {
        key: roster.on_duty(
            rules.rosters[key],
            as_rules([row for row in rows if row.agency_key == key]),
            now,
            rules.calendar,
        )
        for key in planned
    }


def duties(
    session: Session, agency_key: str, start: datetime, end: datetime, rules: Rules
) -> list[Duty]:
    """The duties of an agency in [start, end), without who has left; empty without a plan."""
    plan = rules.rosters.get(agency_key)
    if plan is None:
        return []
    there = {person.key for person in officers(session, agency_key)}
    rows = as_rules(swaps(session, [agency_key], start, end))
    return [
        Duty(duty.start, duty.end, tuple(key for key in duty.officers if key in there))
        for duty in roster.duties(plan, rows, start, end, rules.calendar)
    ]
