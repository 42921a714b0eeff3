"""How the machinery does: what the outbox holds, and when each part last said that it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callcenter.services.notices import is_due
from callcenter.store.models import Heartbeat, Notice, Ticket


@dataclass(frozen=True, slots=True)
class Machinery:
    """`oldest_due`: since when the longest-waiting notice has been due; None: nothing waits."""

    parts: Sequence[Heartbeat]
    due: int
    oldest_due: datetime | None
    unconfirmed: int
    dead: int
    sent_last_hour: int
    steps_due: int


def machinery(session: Session, now: datetime) -> Machinery:
    """The state of things at `now`."""

    def count(*conditions: object) -> int:
        rows = select(func.count()).select_from(Notice).where(*conditions)  # type: ignore[arg-type]
        return session.scalar(rows) or 0

    return Machinery(
        parts=session.scalars(select(Heartbeat).order_by(Heartbeat.part)).all(),
        due=count(is_due(now)),
        oldest_due=session.scalar(select(func.min(Notice.not_before)).where(is_due(now))),
        unconfirmed=count(Notice.state == "sent"),
        dead=count(Notice.state == "dead"),
        sent_last_hour=count(Notice.sent_at > now - timedelta(hours=1)),
        steps_due=session.scalar(
            select(func.count()).select_from(Ticket).where(Ticket.next_step_at <= now)
        )
        or 0,
    )
