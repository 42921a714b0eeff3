"""Agencies that follow one another: the next gets its ticket when those before have handled theirs.

A plan that is open keeps the complaint from counting as answered. Its window begins with its own
dispatch. Agencies that work side by side need no plan: each is sent its ticket at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState, all_handled
from callcenter.services import desk, dispatch, history
from callcenter.services.errors import NotFound, Refused
from callcenter.services.rules import Rules
from callcenter.store.models import Agency, Complaint, PlannedDispatch

_LONGEST_ORDER = 2000


def plan(
    session: Session,
    complaint_id: int,
    *,
    agency_key: str,
    order: str,
    actor: str,
    now: datetime,
) -> PlannedDispatch:
    """This agency is next, after those that have it now. Refused where nobody has it."""
    complaint = desk.hold(session, complaint_id)
    agency = session.get(Agency, agency_key)
    if agency is None or not agency.active:
        raise Refused("agency_key", "Instansi ini tidak ada; pilih dari daftar.")
    states = [ticket.state for ticket in complaint.tickets]
    if complaint.state is not ComplaintState.DISPATCHED or all_handled(states):
        raise Refused("when", "Tidak ada instansi yang ditunggu; teruskan sekarang saja.")
    if any(step.agency_key == agency_key for step in open_plans(session, complaint_id)):
        raise Refused("agency_key", f"{agency.name} sudah menunggu giliran.")
    step = PlannedDispatch(
        complaint_id=complaint_id,
        agency_key=agency_key,
        order=desk.clean(order, _LONGEST_ORDER, "order"),
        planned_by=actor,
        planned_at=now,
    )
    session.add(step)
    history.note(session, complaint_id, "plan", actor=actor, now=now, why=agency.name)
    session.flush()
    return step


def drop(
    session: Session, plan_id: int, *, why: str, actor: str, now: datetime, rules: Rules
) -> PlannedDispatch:
    """This agency is not needed after all; the complaint goes on without it."""
    found = session.get(PlannedDispatch, plan_id)
    if found is None:
        raise NotFound("Rencana ini tidak ada.")
    complaint = desk.hold(session, found.complaint_id)
    session.refresh(found)
    if found.ticket_id is not None or found.dropped_at is not None:
        raise Refused("state", "Rencana ini sudah berjalan atau sudah dibatalkan.")
    _drop(session, found, why=desk.clean(why, 300, "why"), actor=actor, now=now)
    go_on(session, complaint, actor=actor, now=now, rules=rules)
    return found


def go_on(
    session: Session, complaint: Complaint, *, actor: str, now: datetime, rules: Rules
) -> None:
    """Send the next agency its ticket, if all before it have handled theirs; else follow.

    The caller holds the complaint. While a returned ticket waits for the operators, nothing moves.
    """
    states = [ticket.state for ticket in complaint.tickets]
    waiting = open_plans(session, complaint.id)
    if waiting and complaint.returned_at is None and all_handled(states):
        _send(session, complaint, waiting[0], actor=actor, now=now, rules=rules)
    history.let_complaint_follow(
        session, complaint, open_plans(session, complaint.id), actor=actor, now=now
    )


def open_plans(session: Session, complaint_id: int) -> Sequence[PlannedDispatch]:
    """Who is still to come, in order."""
    return session.scalars(
        select(PlannedDispatch)
        .where(
            PlannedDispatch.complaint_id == complaint_id,
            PlannedDispatch.ticket_id.is_(None),
            PlannedDispatch.dropped_at.is_(None),
        )
        .order_by(PlannedDispatch.id)
    ).all()


def _send(
    session: Session,
    complaint: Complaint,
    step: PlannedDispatch,
    *,
    actor: str,
    now: datetime,
    rules: Rules,
) -> None:
    """Where that is not possible any more (the agency is gone), an operator has to decide."""
    try:
        with session.begin_nested():
            ticket = dispatch.dispatch(
                session,
                complaint.id,
                agency_key=step.agency_key,
                order=step.order,
                actor=step.planned_by,
                now=now,
                rules=rules,
            )
            step.ticket_id = ticket.id
    except Refused as refused:
        _drop(session, step, why=refused.message, actor=actor, now=now)
        complaint.returned_at = now


def _drop(session: Session, step: PlannedDispatch, *, why: str, actor: str, now: datetime) -> None:
    step.dropped_at, step.dropped_why = now, why
    history.note(session, step.complaint_id, "drop_plan", actor=actor, now=now, why=why)
    session.flush()
