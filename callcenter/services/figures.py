"""The honest figures: how agencies kept their windows, by agency and month.

Every ticket counts once: dispatched = met + missed + open + withdrawn. Withdrawn went back before
its window ended: the window of the agency that got it next counts instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from callcenter.store.models import Ticket


@dataclass(frozen=True, slots=True)
class Figure:
    """One agency in one month (`2026-03`, by the dispatch, in the programme's zone)."""

    agency_key: str
    month: str
    dispatched: int
    met: int
    missed: int
    open: int
    withdrawn: int


def by_agency_and_month(
    session: Session, first: datetime, last: datetime, *, zone: ZoneInfo, now: datetime
) -> list[Figure]:
    """All months from that of `first` to that of `last`, in order, then by agency."""
    figures: list[Figure] = []
    month, end = _month(first, zone), last.astimezone(zone)
    while month <= end:
        following = _following(month)
        figures += _of_month(session, month, following, now)
        month = following
    return figures


def _of_month(session: Session, start: datetime, end: datetime, now: datetime) -> list[Figure]:
    counts = [func.coalesce(func.sum(case((which, 1), else_=0)), 0) for which in _standings(now)]
    rows = session.execute(
        select(Ticket.agency_key, func.count(), *counts)
        .where(
            Ticket.dispatched_at >= start.astimezone(UTC),
            Ticket.dispatched_at < end.astimezone(UTC),
        )
        .group_by(Ticket.agency_key)
        .order_by(Ticket.agency_key)
    )
    return [Figure(row[0], f"{start:%Y-%m}", *map(int, row[1:])) for row in rows]


def _standings(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """met, missed, open, withdrawn: `domain.window.standing` as conditions."""
    unanswered = and_(Ticket.responded_at.is_(None), Ticket.handled_at.is_(None))
    in_time = or_(Ticket.responded_at < Ticket.due_at, Ticket.handled_at < Ticket.due_at)
    ended = func.coalesce(Ticket.returned_at, Ticket.closed_at)
    return (
        and_(~unanswered, in_time),
        or_(
            and_(~unanswered, ~func.coalesce(in_time, False)),
            and_(unanswered, ended.is_(None), Ticket.due_at <= now),
            and_(unanswered, ended >= Ticket.due_at),
        ),
        and_(unanswered, ended.is_(None), Ticket.due_at > now),
        and_(unanswered, ended < Ticket.due_at),
    )


def _month(moment: datetime, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone)
    return datetime(local.year, local.month, 1, tzinfo=zone)


def _following(month: datetime) -> datetime:
    year, number = divmod(month.year * 12 + month.month, 12)
    return datetime(year, number + 1, 1, tzinfo=month.tzinfo)
