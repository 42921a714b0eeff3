"""Tickets that wait for procurement, material, budget or equipment: the files that prove it, and
the list of all of them, from which budgets are proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from callcenter.domain.ticket import TicketState, WaitingReason
from callcenter.services import attachments, tickets, wording
from callcenter.services.attachments import Material
from callcenter.services.rules import Rules
from callcenter.store.models import Attachment, History, Ticket

_MOST = 1000


def wait(
    session: Session,
    ticket_id: int,
    *,
    reason: WaitingReason,
    note: str,
    until: datetime,
    approver: str,
    files: Sequence[Material],
    folder: Path,
    actor: str,
    now: datetime,
    rules: Rules,
) -> Ticket:
    """`tickets.wait`, with files as evidence; where there are files, `note` may be empty.

    The files were looked at before (`evidence.looked_at`).
    """
    ticket = tickets.wait(
        session,
        ticket_id,
        reason=reason,
        note=note.strip() or ("Lihat berkas terlampir." if files else ""),
        until=until,
        approver=approver,
        actor=actor,
        now=now,
        rules=rules,
    )
    attachments.attach(
        ticket, files, purpose=attachments.EVIDENCE, actor=actor, now=now, folder=folder
    )
    return ticket


@dataclass(frozen=True, slots=True)
class Row:
    """One ticket that waits; `since` is when the present waiting began."""

    ticket_id: int
    number: str
    agency_key: str
    agency: str
    category: str
    place: str
    landmark: str
    work: str
    reason: WaitingReason
    since: datetime
    until: datetime | None
    approver: str
    evidence: str
    files: tuple[Attachment, ...]
    late: bool

    def days(self, now: datetime) -> int:
        """Whole days since the waiting began."""
        return max(0, (now - self.since).days)


def waiting(
    session: Session,
    rules: Rules,
    *,
    reason: WaitingReason | None = None,
    agency_key: str | None = None,
) -> list[Row]:
    """Everything that waits, by agency, who waits longest first. No reporter is in it."""
    rows = (
        select(Ticket)
        .where(Ticket.state == TicketState.WAITING)
        .options(
            joinedload(Ticket.complaint),
            joinedload(Ticket.agency),
            selectinload(Ticket.attachments),
        )
        .limit(_MOST)
    )
    if reason is not None:
        rows = rows.where(Ticket.waiting_reason == reason)
    if agency_key is not None:
        rows = rows.where(Ticket.agency_key == agency_key)
    found = session.scalars(rows).all()
    since = _since(session, [ticket.id for ticket in found])
    listed = [_row(ticket, since.get(ticket.id, ticket.dispatched_at), rules) for ticket in found]
    return sorted(listed, key=lambda row: (row.agency, row.since, row.ticket_id))


def _since(session: Session, ticket_ids: Sequence[int]) -> dict[int, datetime]:
    """When each began to wait; one that waits again began the last time."""
    began = (
        select(func.max(History.id))
        .where(History.ticket_id.in_(ticket_ids), History.verb == "wait")
        .group_by(History.ticket_id)
    )
    rows = session.scalars(select(History).where(History.id.in_(began)))
    return {row.ticket_id: row.at for row in rows if row.ticket_id is not None}


def _row(ticket: Ticket, since: datetime, rules: Rules) -> Row:
    complaint, answered = ticket.complaint, ticket.times.answered_at
    category = rules.category(complaint.category_key)
    return Row(
        ticket_id=ticket.id,
        number=complaint.public_number,
        agency_key=ticket.agency_key,
        agency=ticket.agency.name,
        category=category.name if category else "Aduan",
        place=wording.place_of(complaint),
        landmark=wording.discreet(complaint.place_note, complaint),
        work=wording.excerpt(ticket.order or complaint.transcript, complaint),
        reason=ticket.waiting_reason or WaitingReason.PROCUREMENT,
        since=since,
        until=ticket.waiting_until,
        approver=ticket.waiting_approver,
        evidence=wording.discreet(ticket.waiting_note, complaint),
        files=tuple(a for a in ticket.attachments if a.purpose == attachments.EVIDENCE),
        late=answered is not None and answered >= ticket.due_at,
    )
