"""Nobody on duty is an alarm to the coordinator, and stands in the console; it is no silence.

A ticket that comes in meanwhile goes to the head of the agency.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.services import alarms
from callcenter.services.roster import on_duty
from callcenter.services.rules import Rules
from callcenter.services.wording import Words
from callcenter.store.models import Agency, Person

KIND, LEVEL = "duty", "nobody"


def watch(session: Session, *, now: datetime, rules: Rules) -> int:
    """Raise an alarm for each agency with nobody on duty, end those that are over; how many stand.

    Running twice is harmless: an alarm stands once.
    """
    active = set(session.scalars(select(Person.key).where(Person.active)))
    names = {a.key: a.name for a in session.scalars(select(Agency).where(Agency.active))}
    known = [key for key in rules.rosters if key in names]
    empty = {
        key
        for key, people in on_duty(session, known, now, rules).items()
        if not active & set(people)
    }
    gone = {a.thing for a in alarms.all_standing(session) if a.kind == KIND} - set(known)
    for key in gone:  # its plan was taken out of the configuration
        alarms.end(session, KIND, _somebody(names.get(key, key)), now=now, thing=key)
    for key in known:
        if key in empty:
            alarms.begin(session, KIND, LEVEL, _nobody(names[key]), now=now, thing=key)
        else:
            alarms.end(session, KIND, _somebody(names[key]), now=now, thing=key)
    return len(empty)


def _nobody(agency: str) -> Words:
    return Words(
        f"Tidak ada petugas piket: {agency}",
        f"{agency}: sekarang tidak ada petugas piket. Tiket baru langsung ke pimpinan. Tetapkan "
        "pengganti di halaman Piket.",
    )


def _somebody(agency: str) -> Words:
    return Words(f"Ada petugas piket: {agency}", f"{agency}: petugas piket sudah ada lagi.")
