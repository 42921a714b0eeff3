"""Sending a complaint to the agency that is responsible: the window begins."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from callcenter.domain.ticket import TicketState
from callcenter.domain.window import due_at
from callcenter.services import audit, desk, escalation, history, ladders
from callcenter.services.errors import Refused
from callcenter.services.rules import Rules
from callcenter.store.models import Agency, Complaint, Ticket

_UNANSWERED = (TicketState.DISPATCHED, TicketState.ACCEPTED)
_LONGEST_ORDER = 2000


def dispatch(
    session: Session,
    complaint_id: int,
    *,
    agency_key: str,
    order: str,
    actor: str,
    now: datetime,
    rules: Rules,
) -> Ticket:
    """One ticket to one agency; the step at 0 is taken in the same transaction.

    Refused while the same agency still owes an answer: a second click sends nothing twice.
    """
    complaint = desk.hold(session, complaint_id)
    _check(complaint)
    agency = session.get(Agency, agency_key)
    if agency is None or not agency.active:
        raise Refused("agency_key", "Instansi ini tidak ada; pilih dari daftar.")
    if any(t.agency_key == agency_key and t.state in _UNANSWERED for t in complaint.tickets):
        raise Refused("agency_key", f"{agency.name} sudah memegang aduan ini.")
    ticket = Ticket(
        complaint=complaint,
        agency=agency,
        urgency=complaint.urgency,
        state=TicketState.DISPATCHED,
        order=desk.clean(order, _LONGEST_ORDER, "order"),
        dispatched_at=now,
        due_at=due_at(now, rules.window_length),
        ladder_id=ladders.current_id(session),
        passed_steps=[],
    )
    _move(session, complaint, agency, actor=actor, now=now)
    session.add(ticket)
    session.flush()
    history.note(
        session,
        complaint.id,
        "dispatch",
        actor=actor,
        now=now,
        ticket_id=ticket.id,
        change=("", TicketState.DISPATCHED.value),
        why=agency.name,
    )
    escalation.climb(session, ticket, now=now, rules=rules, actor=actor)
    thing = f"ticket:{ticket.id}"
    audit.record(session, actor=actor, action="ticket_dispatched", thing=thing, now=now)
    session.flush()
    return ticket


def _move(
    session: Session, complaint: Complaint, agency: Agency, *, actor: str, now: datetime
) -> None:
    history.advance_complaint(session, complaint, "dispatch", actor=actor, now=now, why=agency.name)
    complaint.outcome = complaint.asked_at = None  # the citizen is asked anew
    complaint.returned_at = None  # somebody has decided
    complaint.reject_reason, complaint.reject_proposed_by = "", None  # it was sent after all


def _check(complaint: Complaint) -> None:
    """What an agency needs is there, even when it was emptied again after categorising."""
    if not complaint.transcript:
        raise Refused("transcript", "Tulis transkrip sebelum meneruskan.")
    if not complaint.category_key:
        raise Refused("category_key", "Pilih kategori sebelum meneruskan.")
    if not complaint.village_code:
        raise Refused("village_code", "Pilih desa sebelum meneruskan.")
