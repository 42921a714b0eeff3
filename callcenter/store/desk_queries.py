"""Named queries of the operators' desk: who works on what, what comes next, who called before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import Urgency
from callcenter.store import queries
from callcenter.store.desk_models import DeskClaim
from callcenter.store.inbound_models import InboundMessage
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for an operator, up to a cap; `newest` are the newest ids of both, and grow
    when something comes in."""

    complaints: int
    urgent: int
    messages: int
    newest: tuple[int, int]


def waiting(session: Session) -> Waiting:
    """For the badge on every page, the tab's title and the bell."""
    rows = select(Complaint.id).where(queries.inbox_filter("new"))
    messages = queries.waiting_messages()
    newest = rows.order_by(Complaint.id.desc()).limit(1)
    newest_message = messages.order_by(InboundMessage.id.desc()).limit(1)
    return Waiting(
        queries.capped(session, rows),
        queries.capped(session, rows.where(Complaint.urgency == Urgency.EMERGENCY)),
        queries.capped(session, messages),
        (session.scalar(newest) or 0, session.scalar(newest_message) or 0),
    )


def messages(session: Session) -> Sequence[InboundMessage]:
    """Citizens' messages that wait, the oldest first."""
    return session.scalars(
        select(InboundMessage)
        .where(InboundMessage.id.in_(queries.waiting_messages()))
        .order_by(InboundMessage.received_at, InboundMessage.id)
        .limit(2 * queries.PAGE)
    ).all()


def messages_of(session: Session, complaint_id: int) -> Sequence[InboundMessage]:
    """What was written about a complaint, in order."""
    return session.scalars(
        select(InboundMessage)
        .where(InboundMessage.complaint_id == complaint_id)
        .order_by(InboundMessage.received_at, InboundMessage.id)
    ).all()


def waiting_from(session: Session, phone: str | None) -> Sequence[InboundMessage]:
    """Messages of this number that nobody has joined to a complaint yet."""
    if not phone:
        return ()
    return session.scalars(
        select(InboundMessage)
        .where(InboundMessage.sender == phone, InboundMessage.id.in_(queries.waiting_messages()))
        .order_by(InboundMessage.received_at, InboundMessage.id)
    ).all()


def latest_of(session: Session, phones: Collection[str]) -> dict[str, Complaint]:
    """The latest complaint of each of these numbers."""
    rows = session.scalars(
        select(Complaint).where(Complaint.reporter_phone.in_(phones)).order_by(Complaint.id)
    )
    return {row.reporter_phone or "": row for row in rows}
