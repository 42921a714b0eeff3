"""What screens show of operators, their telephones, and the callers who wait: read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from callcenter.store.models import Call, Complaint, Heartbeat
from callcenter.store.operator_models import OperatorCall, OperatorEvent, Presence

_SHOWN = 3
_COUNT_CAP = 99


@dataclass(frozen=True, slots=True)
class Earlier:
    """A caller's complaints before this call: how many (at most 99), and the latest of them."""

    count: int
    latest: Sequence[Complaint]


def newest_event(session: Session) -> int:
    """Changes whenever something happened to an operator or to one of their calls."""
    return session.scalar(select(func.max(OperatorEvent.id))) or 0


def line_beat(session: Session) -> datetime | None:
    """When the line process last said that it works."""
    return session.scalar(select(Heartbeat.at).where(Heartbeat.part == "line"))


def presences(session: Session) -> Sequence[Presence]:
    """Everybody who ever sat at a telephone: who is there by telephone, then who is out."""
    return session.scalars(
        select(Presence)
        .options(joinedload(Presence.user))
        .order_by(Presence.extension.is_(None), Presence.extension, Presence.since.desc())
    ).all()


def open_calls(session: Session) -> Sequence[OperatorCall]:
    """Callers who wait or talk, who came first first."""
    return session.scalars(
        _calls()
        .where(OperatorCall.ended_at.is_(None))
        .order_by(OperatorCall.joined_at, OperatorCall.id)
    ).all()


def latest_talk(session: Session, user_id: int) -> OperatorCall | None:
    """The last conversation of this operator; it may still go on."""
    return session.scalars(
        _calls()
        .where(OperatorCall.user_id == user_id, OperatorCall.answered_at.is_not(None))
        .order_by(OperatorCall.id.desc())
        .limit(1)
    ).first()


def earlier(session: Session, call: Call) -> Earlier:
    """What this caller has complained of before; nothing is known of who hides the number."""
    if not call.caller:
        return Earlier(0, ())
    own = (Complaint.reporter_phone == call.caller, Complaint.call_id.is_distinct_from(call.id))
    some = select(Complaint.id).where(*own).limit(_COUNT_CAP).subquery()
    latest = select(Complaint).where(*own).order_by(Complaint.id.desc()).limit(_SHOWN)
    return Earlier(
        session.scalar(select(func.count()).select_from(some)) or 0, session.scalars(latest).all()
    )


def _calls() -> Select[OperatorCall]:
    return select(OperatorCall).options(
        joinedload(OperatorCall.call).joinedload(Call.complaint), joinedload(OperatorCall.user)
    )
