"""Every change is one row of history: who, when, from, to, why."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from callcenter.domain import complaint as complaint_rules
from callcenter.domain import ticket as ticket_rules
from callcenter.domain.complaint import ComplaintState, all_answered
from callcenter.services.errors import Refused
from callcenter.store.models import Complaint, History, PlannedDispatch, Ticket


def note(
    session: Session,
    complaint_id: int,
    verb: str,
    *,
    actor: str,
    now: datetime,
    ticket_id: int | None = None,
    change: tuple[str, str] = ("", ""),
    why: str = "",
) -> None:
    """Write one row; `change` is (from, to), both empty where no state changed."""
    session.add(
        History(
            complaint_id=complaint_id,
            ticket_id=ticket_id,
            at=now,
            actor=actor,
            verb=verb,
            from_state=change[0],
            to_state=change[1],
            why=why,
        )
    )


def advance_complaint(
    session: Session, complaint: Complaint, verb: str, *, actor: str, now: datetime, why: str = ""
) -> None:
    """Move the complaint by the table and write the row; Refused where the table has none."""
    before = complaint.state
    try:
        complaint.state = complaint_rules.advance(before, verb)
    except complaint_rules.NotAllowed:
        raise Refused("state", "Langkah ini tidak berlaku untuk keadaan aduan saat ini.") from None
    change = (before.value, complaint.state.value)
    note(session, complaint.id, verb, actor=actor, now=now, change=change, why=why)


def advance_ticket(
    session: Session, ticket: Ticket, verb: str, *, actor: str, now: datetime, why: str = ""
) -> None:
    """Move the ticket by the table and write the row; Refused where the table has none."""
    before = ticket.state
    try:
        ticket.state = ticket_rules.advance(before, verb)
    except ticket_rules.TicketNotAllowed:
        raise Refused("state", "Langkah ini tidak berlaku untuk keadaan tiket saat ini.") from None
    note(
        session,
        ticket.complaint_id,
        verb,
        actor=actor,
        now=now,
        ticket_id=ticket.id,
        change=(before.value, ticket.state.value),
        why=why,
    )


def let_complaint_follow(
    session: Session,
    complaint: Complaint,
    to_come: Collection[PlannedDispatch],
    *,
    actor: str,
    now: datetime,
) -> None:
    """A complaint is answered when every agency that counts has answered, and nobody is to come.

    Nor is it while an operator has to decide what becomes of a returned ticket.
    """
    if complaint.state is not ComplaintState.DISPATCHED or complaint.returned_at or to_come:
        return
    if all_answered([ticket.state for ticket in complaint.tickets]):
        advance_complaint(session, complaint, "answer", actor=actor, now=now)
