"""The citizen's last word: a complaint closes with it, or unconfirmed after a long silence.

Handled is not closed: every report must have reached its head first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState, Outcome, all_answered, all_reported
from callcenter.domain.ticket import TicketState
from callcenter.services import escalation, followers, history, out_plans, wording
from callcenter.services.batch import one_by_one
from callcenter.services.desk import hold
from callcenter.services.errors import Refused
from callcenter.services.rules import Rules
from callcenter.store.models import Complaint, Ticket

_BATCH = 100


def asked(session: Session, complaint_id: int, *, actor: str, now: datetime) -> Complaint:
    """The citizen was asked whether it is solved; from now on their silence counts."""
    complaint = hold(session, complaint_id)
    _check_answered(complaint)
    complaint.asked_at = now
    history.note(session, complaint.id, "asked", actor=actor, now=now)
    return complaint


def word(
    session: Session,
    complaint_id: int,
    outcome: Outcome,
    *,
    actor: str,
    now: datetime,
    rules: Rules,
) -> Complaint:
    """What the citizen says. A yes closes as soon as every report has arrived.

    A no reopens, whenever it comes: a complaint that was closed in silence is not finished yet.
    """
    if outcome not in (Outcome.SOLVED, Outcome.NOT_SOLVED):
        raise Refused("outcome", "Pilih selesai atau belum selesai.")  # silence is the clock's
    complaint = hold(session, complaint_id)
    late_no = outcome is Outcome.NOT_SOLVED and complaint.state is ComplaintState.CLOSED
    if not late_no:
        _check_answered(complaint)
    complaint.outcome = outcome
    history.note(session, complaint.id, "word", actor=actor, now=now, why=outcome.value)
    if outcome is Outcome.NOT_SOLVED:
        history.advance_complaint(session, complaint, "reopen", actor=actor, now=now)
        complaint.asked_at = complaint.closed_at = None
    else:
        complaint.asked_at = complaint.asked_at or now
        settle(session, complaint, actor=actor, now=now, rules=rules)
    return complaint


def settle(
    session: Session, complaint: Complaint, *, actor: str, now: datetime, rules: Rules
) -> None:
    """Close the complaint when the citizen said that it is solved and every report is there."""
    if complaint.outcome is Outcome.SOLVED and _ripe(complaint):
        _close(session, complaint, actor=actor, now=now, rules=rules)


def close_due(session: Session, *, now: datetime, rules: Rules) -> int:
    """Close as *unconfirmed* what was asked `closing_after` ago and never answered; how many."""
    silent = session.scalars(
        select(Complaint)
        .where(
            Complaint.state == ComplaintState.ANSWERED,
            Complaint.outcome.is_(None),
            Complaint.asked_at <= now - rules.closing_after,
            ~out_plans.to_be_asked(),
            ~_unreported(),
        )
        .order_by(Complaint.id)
        .limit(_BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    ripe = [complaint for complaint in silent if _ripe(complaint)]
    open_still = one_by_one(
        session, "closing a complaint", ripe, lambda c: _give_up(session, c, now=now, rules=rules)
    )
    return len(ripe) - len(open_still)


def _unreported() -> ColumnElement[bool]:
    """A ticket that counts has no delivered report: however many such complaints there are, they
    hold up none that may close."""
    done = (TicketState.REPORTED, TicketState.CLOSED, TicketState.RETURNED)
    return exists().where(Ticket.complaint_id == Complaint.id, Ticket.state.not_in(done))


def _give_up(session: Session, complaint: Complaint, *, now: datetime, rules: Rules) -> None:
    complaint.outcome = Outcome.UNCONFIRMED
    _close(session, complaint, actor="clock", now=now, rules=rules)


def _check_answered(complaint: Complaint) -> None:
    answered = all_answered([t.state for t in complaint.tickets])
    if complaint.state is not ComplaintState.ANSWERED or not answered:
        raise Refused("state", "Belum semua instansi menanggapi aduan ini.")


def _ripe(complaint: Complaint) -> bool:
    reported = all_reported([t.state for t in complaint.tickets])
    return complaint.state is ComplaintState.ANSWERED and reported


def _close(
    session: Session, complaint: Complaint, *, actor: str, now: datetime, rules: Rules
) -> None:
    for ticket in _held(session, complaint):
        if ticket.state is TicketState.REPORTED:
            history.advance_ticket(session, ticket, "close", actor=actor, now=now)
            ticket.closed_at = now
            escalation.reschedule(ticket, rules)
    why = complaint.outcome.value if complaint.outcome else ""
    history.advance_complaint(session, complaint, "close", actor=actor, now=now, why=why)
    complaint.closed_at = now
    followers.tell(
        session,
        complaint.id,
        lambda number: wording.of_outcome(number, complaint.outcome, rules),
        what=f"closed:{now:%Y%m%dT%H%M%S}",
        now=now,
        rules=rules,
    )


def _held(session: Session, complaint: Complaint) -> Sequence[Ticket]:
    """The tickets, locked and as they are now: the clock takes steps without the complaint."""
    return session.scalars(
        select(Ticket)
        .where(Ticket.complaint_id == complaint.id)
        .order_by(Ticket.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
