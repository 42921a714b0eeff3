"""Alarms: one stands per kind and thing, begins and ends once, and is told.

Whoever answers for the hotline hears of it: coordinator and supervisor, or whoever holds an
office. An alarm that gets better or worse ends, and another one begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.services import notices, recipients
from callcenter.services.turns import take_turn
from callcenter.services.wording import Words
from callcenter.store.line_models import Alarm


def standing(session: Session, kind: str, thing: str = "") -> Alarm | None:
    """The alarm of this kind about `thing` (a key, never a citizen) that has not ended."""
    return session.scalar(select(Alarm).where(Alarm.open_kind == _open(kind, thing)))


def all_standing(session: Session) -> Sequence[Alarm]:
    """Every alarm that has not ended."""
    return session.scalars(
        select(Alarm).where(Alarm.open_kind.is_not(None)).order_by(Alarm.id)
    ).all()


def begin(
    session: Session,
    kind: str,
    level: str,
    words: Words,
    *,
    now: datetime,
    thing: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Begin an alarm and tell it; nothing where it stands already at this level."""
    take_turn(session, "alarms")
    before = standing(session, kind, thing)
    if before is not None and before.level == level:
        return
    if before is not None:
        _close(session, before, now)
    alarm = Alarm(
        kind=kind,
        thing=thing,
        level=level,
        open_kind=_open(kind, thing),
        words=words.body,
        since=now,
        detail=dict(detail or {}),
    )
    session.add(alarm)
    session.flush()
    _tell(session, alarm, "begins", words, now)


def end(session: Session, kind: str, words: Words, *, now: datetime, thing: str = "") -> None:
    """End the alarm of this kind, if one stands, and say so."""
    take_turn(session, "alarms")
    alarm = standing(session, kind, thing)
    if alarm is not None:
        _close(session, alarm, now)
        _tell(session, alarm, "ends", words, now)


def _open(kind: str, thing: str) -> str:
    return f"{kind}:{thing}" if thing else kind


def _close(session: Session, alarm: Alarm, now: datetime) -> None:
    alarm.open_kind, alarm.ended_at = None, now
    session.flush()  # its kind is free for the next one


def _tell(session: Session, alarm: Alarm, what: str, words: Words, now: datetime) -> None:
    people = recipients.responsible(session)
    notices.to_office(session, people, f"alarm:{alarm.id}:{what}", "alarm", words, now=now)
