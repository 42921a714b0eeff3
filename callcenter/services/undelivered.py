"""A message that was taken and does not arrive: after a while the next way is tried as well.

WhatsApp keeps "sent" for days when a telephone is off or has no data, and says neither yes nor
no; an SMS may arrive meanwhile. The person may then be told by both ways, once by each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from callcenter.services.recipients import reach_of
from callcenter.store.models import Complaint, Notice
from callcenter.store.session import post_after_commit

#: Older ones are left alone: what they told about has long gone on.
_NOT_OLDER = timedelta(days=1)
WORDS = "not known to have arrived in time"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a way is trusted; `channels`: the configured ways in their order."""

    channels: Sequence[str]
    ordinary: timedelta
    urgent: timedelta


def fall_back_due(session: Session, now: datetime, patience: Patience, limit: int = 200) -> int:
    """Put notices back into the outbox whose way took too long; how many.

    Running it twice is harmless: a notice that was put back is "sent" no more, and the way that
    took too long counts as used up.
    """
    waiting = session.scalars(
        select(Notice)
        .where(
            Notice.state == "sent",
            Notice.channel.in_(patience.channels[:-1]),
            Notice.read_at.is_(None),
            or_(
                and_(Notice.urgent.is_(True), Notice.sent_at <= now - patience.urgent),
                and_(Notice.urgent.is_(False), Notice.sent_at <= now - patience.ordinary),
            ),
            Notice.sent_at > now - _NOT_OLDER,
        )
        .order_by(Notice.urgent.desc(), Notice.sent_at.desc())
        .limit(limit)
        .with_for_update(of=Notice, skip_locked=True)
    ).all()
    return sum(_put_back(session, notice, patience.channels, now) for notice in waiting)


def _put_back(session: Session, notice: Notice, channels: Sequence[str], now: datetime) -> bool:
    """Only while another way is left; else the message may still arrive by this one."""
    if not _another_way(session, notice, channels, now):
        return False
    last = notice.attempts[-1]
    last.result, last.error = "refused", WORDS
    notice.state, notice.ask_at, notice.not_before, notice.error = "queued", None, now, WORDS
    post_after_commit(session, notice.id, urgent=notice.urgent)
    return True


def _another_way(session: Session, notice: Notice, channels: Sequence[str], now: datetime) -> bool:
    tried = {attempt.channel for attempt in notice.attempts}
    reporter = None
    if notice.person_key is None and notice.complaint_id is not None:
        reporter = session.get(Complaint, notice.complaint_id)
    reach = reach_of(session, notice, reporter, now)
    return any(reach.get(name) for name in channels if name not in tried)
