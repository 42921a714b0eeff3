"""Agencies and people as config.yaml names them, in the database that tickets refer to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.config.schema import Agency as AgencyRow
from callcenter.config.schema import Config
from callcenter.config.schema import Person as PersonRow
from callcenter.services import audit
from callcenter.store.models import Agency, Person


def sync(session: Session, config: Config, now: datetime) -> None:
    """Make the tables equal to the file; who left it is kept, but inactive.

    Running it again changes nothing.
    """
    wanted = [row for agency in config.agencies for row in _people(agency)]
    wanted += [_person(o, None, o.post.value, 0) for o in config.offices]
    agencies = {a.key for a in config.agencies}
    for agency in config.agencies:
        session.merge(Agency(key=agency.key, name=agency.name, kind=agency.kind, active=True))
    session.flush()
    for person in wanted:
        session.merge(person)
    kept = {p.key for p in wanted}
    for gone in session.scalars(select(Agency).where(Agency.key.not_in(agencies), Agency.active)):
        gone.active = False
    for left in session.scalars(select(Person).where(Person.key.not_in(kept), Person.active)):
        left.active = False
        audit.record(
            session, actor="config", action="person_left", thing=f"person:{left.key}", now=now
        )


def _people(agency: AgencyRow) -> list[Person]:
    people = [_person(agency.head, agency.key, "head", 0)]
    if agency.secretary:
        people.append(_person(agency.secretary, agency.key, "secretary", 0))
    people += [_person(p, agency.key, "officer", n) for n, p in enumerate(agency.team)]
    return people


def _person(row: PersonRow, agency_key: str | None, post: str, order: int) -> Person:
    return Person(
        key=row.key,
        agency_key=agency_key,
        post=post,
        duty_order=order,
        name=row.name,
        phone=row.phone,
        whatsapp=row.whatsapp,
        email=row.email,
        active=True,
    )
