"""Named queries of the operators' desk: who works on what, what comes next, who called before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState, Outcome, Urgency
from callcenter.store import queries
from callcenter.store.desk_models import DeskClaim
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Call, Complaint, History

_EARLIER = 8
#: How many of a person's complaints are listed.
PAST = 200


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
    session: Session, phones: Collection[str], *, but: int, limit: int = _EARLIER
) -> tuple[Sequence[Complaint], int]:
    """Other complaints of these telephones, the latest first, and their silent calls."""
    if not phones:
        return (), 0
    rows = session.scalars(
        select(Complaint)
        .outerjoin(Call, Complaint.call_id == Call.id)
        .where(
            Complaint.id != but,
            _theirs(phones),
        )
        .order_by(Complaint.received_at.desc(), Complaint.id.desc())
        .limit(limit)
    ).all()
    silent = select(func.count()).where(and_(Call.silent, Call.caller.in_(phones)))
    return rows, session.scalar(silent) or 0


def _theirs(phones: Collection[str]) -> ColumnElement[bool]:
    return or_(Complaint.reporter_phone.in_(phones), Call.caller.in_(phones))


@dataclass(frozen=True, slots=True)
class Past:
    """What a person brought besides one complaint, in figures."""

    complaints: int = 0
    solved: int = 0
    reopened: int = 0
    rejected: int = 0
    calls: int = 0
    silent: int = 0
    messages: int = 0


def past_of(session: Session, phones: Collection[str], *, but: int) -> Past:
    """The figures of these telephones; of nobody without one."""
    if not phones:
        return Past()
    theirs = (
        select(Complaint.id, Complaint.state, Complaint.outcome)
        .outerjoin(Call, Complaint.call_id == Call.id)
        .where(Complaint.id != but, _theirs(phones))
        .subquery()
    )
    again = select(History.complaint_id).where(History.verb == "reopen")
    again = again.where(History.complaint_id.in_(select(theirs.c.id)))
    complaints, solved, rejected = session.execute(
        select(
            func.count(),
            func.count().filter(theirs.c.outcome == Outcome.SOLVED),
            func.count().filter(theirs.c.state == ComplaintState.NOT_ACTIONABLE),
        ).select_from(theirs)
    ).one()
    calls, silent = session.execute(
        select(func.count(), func.count().filter(Call.silent)).where(Call.caller.in_(phones))
    ).one()
    wrote = select(func.count()).where(InboundMessage.sender.in_(phones))
    reopened = select(func.count()).select_from(again.distinct().subquery())
    return Past(
        complaints,
        solved,
        session.scalar(reopened) or 0,
        rejected,
        calls,
        silent,
        session.scalar(wrote) or 0,
    )


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
