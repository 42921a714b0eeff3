"""What each of the line's own calls needs to know, and how one is planned: once per key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from callcenter.domain.out_call import Purpose, State, may_be_dialled
from callcenter.domain.window import Night
from callcenter.services.rules import Rules
from callcenter.store.models import Complaint, Person, Ticket
from callcenter.store.outgoing_models import OutCall


@dataclass(frozen=True, slots=True)
class Ground:
    """`forbidden`: the hours in which no citizen is called; `recordings`: the folder; `tries`: how
    often a citizen is asked by telephone whether it is solved; `never`: how numbers begin that are
    not dialled."""

    forbidden: Night
    rules: Rules
    recordings: Path
    tries: int = 0
    never: tuple[str, ...] = ()


def plan(
    session: Session,
    key: str,
    purpose: Purpose,
    telephone: str | None,
    *,
    now: datetime,
    not_before: datetime | None = None,
    ticket_id: int | None = None,
    complaint_id: int | None = None,
    person_key: str | None = None,
) -> OutCall | None:
    """Write a call down; None where the number may not be dialled, or this very call exists."""
    if not telephone or not may_be_dialled(telephone):
        return None
    if session.scalar(select(OutCall.id).where(OutCall.key == key)) is not None:
        return None
    call = OutCall(
        key=key,
        purpose=purpose,
        state=State.PLANNED,
        telephone=telephone,
        ticket_id=ticket_id,
        complaint_id=complaint_id,
        person_key=person_key,
        created_at=now,
        not_before=not_before or now,
    )
    session.add(call)
    session.flush()
    return call


def call_officers(
    session: Session, ticket: Ticket, people: Iterable[Person], step_key: str, *, now: datetime
) -> None:
    """A step of the ladder calls these people; who has this very call already gets no second."""
    for person in people:
        call_officer(session, ticket.id, person, step_key, now=now)


def call_officer(
    session: Session, ticket_id: int, person: Person, step_key: str, *, now: datetime
) -> OutCall | None:
    """Call this person about this ticket, once in this step; None where they were, or have no
    telephone that may be dialled."""
    return plan(
        session,
        f"ticket:{ticket_id}:{step_key}:{person.key}",
        Purpose.OFFICER,
        person.phone or person.whatsapp,
        now=now,
        ticket_id=ticket_id,
        person_key=person.key,
    )


def to_be_asked() -> ColumnElement[bool]:
    """The condition that a complaint's citizen is still to be called, or is on the line."""
    return exists().where(
        OutCall.complaint_id == Complaint.id,
        OutCall.purpose == Purpose.CLOSING,
        OutCall.state != State.ENDED,
    )
