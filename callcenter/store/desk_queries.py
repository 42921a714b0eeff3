"""Named queries of the operators' desk: who works on what, what comes next, who called before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import Urgency
from callcenter.store import queries
from callcenter.store.desk_models import DeskClaim
from callcenter.store.models import Call, Complaint

_EARLIER = 8


def owners(session: Session, complaint_ids: Collection[int], since: datetime) -> dict[int, str]:
    """Who has which of these complaints on the desk, with a sign of work after `since`."""
    rows = session.execute(
        select(DeskClaim.complaint_id, DeskClaim.by).where(
            DeskClaim.open_id.in_(complaint_ids), DeskClaim.seen_at > since
        )
    )
    return {row.complaint_id: row.by for row in rows}


def next_on_desk(session: Session, actor: str, since: datetime) -> int | None:
    """The complaint that `actor` opens next: as the inbox lists them, without those of others."""
    others = exists().where(
        DeskClaim.open_id == Complaint.id, DeskClaim.by != actor, DeskClaim.seen_at > since
    )
    return session.scalar(
        select(Complaint.id)
        .where(queries.inbox_filter("new"), ~others)
        .order_by(*queries.inbox_order())
        .limit(1)
    )


def earlier_of(
    session: Session, phones: Collection[str], *, but: int
) -> tuple[Sequence[Complaint], int]:
    """Other complaints of these telephones, the latest first, and their silent calls."""
    if not phones:
        return (), 0
    rows = session.scalars(
        select(Complaint)
        .outerjoin(Call, Complaint.call_id == Call.id)
        .where(
            Complaint.id != but,
            or_(Complaint.reporter_phone.in_(phones), Call.caller.in_(phones)),
        )
        .order_by(Complaint.received_at.desc(), Complaint.id.desc())
        .limit(_EARLIER)
    ).all()
    silent = select(func.count()).where(and_(Call.silent, Call.caller.in_(phones)))
    return rows, session.scalar(silent) or 0


def waiting(session: Session) -> tuple[int, int]:
    """How many complaints wait for an operator, up to a cap, and how many are emergencies."""
    rows = select(Complaint.id).where(queries.inbox_filter("new"))
    urgent = rows.where(Complaint.urgency == Urgency.EMERGENCY)
    return queries.capped(session, rows), queries.capped(session, urgent)
