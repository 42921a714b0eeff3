"""A head, a secretary or the desk asks the officer how a ticket stands: one tap, recorded."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callcenter.domain.chasing import CHASEABLE, may_chase
from callcenter.domain.complaint import Urgency
from callcenter.domain.people import Post
from callcenter.services import audit, history, notices, wording
from callcenter.services.errors import Refused
from callcenter.services.recipients import people_for
from callcenter.services.rules import Rules
from callcenter.services.tickets import locked
from callcenter.store.models import History, Person, Ticket

VERB = "chase"


def chase(
    session: Session, ticket_id: int, *, actor: str, now: datetime, rules: Rules
) -> list[Person]:
    """Tell whoever accepted the ticket, else the officer on duty; who was told.

    Refused when nothing is expected, or somebody chased within the last hour. What is no
    emergency leaves after the quiet hours.
    """
    ticket = locked(session, ticket_id)
    if ticket.state not in CHASEABLE:
        raise Refused("state", "Tiket ini tidak sedang ditunggu dari petugas.")
    if not may_chase(last_chased(session, [ticket_id]).get(ticket_id), now):
        raise Refused("state", "Petugas baru saja ditagih; tunggu satu jam.")
    people = _officers(session, ticket, now=now, rules=rules)
    urgent = ticket.urgency is Urgency.EMERGENCY
    notices.write(
        session,
        ticket=ticket,
        people=people,
        kind=f"{VERB}-{int(now.timestamp())}",
        words=wording.of_chase(ticket, now, rules),
        now=now,
        rules=rules,
        not_before=now if urgent else rules.night.ends(now),
    )
    history.note(session, ticket.complaint_id, VERB, actor=actor, now=now, ticket_id=ticket.id)
    thing = f"ticket:{ticket.id}"
    audit.record(session, actor=actor, action="ticket_chased", thing=thing, now=now)
    return people


def last_chased(session: Session, ticket_ids: Collection[int]) -> dict[int, datetime]:
    """When each of these tickets was last chased; without those that never were."""
    latest = (
        select(func.max(History.id))
        .where(History.ticket_id.in_(ticket_ids), History.verb == VERB)
        .group_by(History.ticket_id)
    )
    rows = session.scalars(select(History).where(History.id.in_(latest)))
    return {row.ticket_id: row.at for row in rows if row.ticket_id is not None}


def _officers(session: Session, ticket: Ticket, *, now: datetime, rules: Rules) -> list[Person]:
    """Who said that it is theirs, if they are still there; else whoever is on duty."""
    kind, _, key = (ticket.accepted_by or "").partition(":")
    person = session.get(Person, key) if kind == "person" else None
    if person is not None and person.active and person.agency_key == ticket.agency_key:
        return [person]
    return people_for(session, ticket, (Post.DUTY,), now=now, rules=rules)
