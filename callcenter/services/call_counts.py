"""The log of calls against the exchange's own record: "1,204 calls there, 1,204 here".

Every night the day before is counted and the figure kept, so that supervisors see that it was
equal, and when it was not. A day that was not equal is counted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from callcenter.domain.out_call import MODE, MODE_BACK
from callcenter.services.exchange_log import ON_ITS_WAY
from callcenter.services.turns import take_turn
from callcenter.store.exchange_models import CallCount, ExchangeCall
from callcenter.store.models import Call

#: A day is counted when it has been over for so long: its last calls have ended by then.
SETTLED = timedelta(hours=2)
#: Days before that are looked at too: nobody may have counted for a while.
_DAYS_BACK = 14
_AGAIN_AFTER = timedelta(hours=1)
_MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """One day of one exchange.

    `in_exchange` calls by its own record, `here` of them in the log, `on_their_way` others that
    last or ended a moment ago; `missing` are the ids of the rest (a hundred at most).
    `here_alone` calls are in the log and not in the record: it was lost, or never written. Calls
    that the line places itself are not counted.
    """

    node: str
    day: date
    in_exchange: int
    here: int
    on_their_way: int
    here_alone: int
    missing: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every call of the exchange is in the log, or on its way there."""
        return self.in_exchange == self.here + self.on_their_way


def nodes(session: Session) -> list[str]:
    """The exchanges that have recorded a call."""
    return list(session.scalars(select(ExchangeCall.node).distinct().order_by(ExchangeCall.node)))


def count(session: Session, node: str, day: date, *, zone: ZoneInfo, now: datetime) -> Figure:
    """Count one day as it stands now; calls belong to the day on which they began."""
    begin, end = _bounds(day, zone)
    of_day = and_(
        ExchangeCall.node == node, ExchangeCall.started_at >= begin, ExchangeCall.started_at < end
    )
    in_exchange = _number(session, of_day)
    absent = and_(of_day, ~select(Call.id).where(Call.call_uid == ExchangeCall.call_uid).exists())
    young = ExchangeCall.ended_at.is_(None) | (ExchangeCall.ended_at > now - ON_ITS_WAY)
    named = (
        select(ExchangeCall.call_uid)
        .where(absent, ~young)
        .order_by(ExchangeCall.started_at)
        .limit(_MOST_NAMED)
    )
    alone = select(func.count()).where(
        Call.line == node,
        Call.mode.not_in((MODE, MODE_BACK)),
        Call.started_at >= begin,
        Call.started_at < end,
        ~select(ExchangeCall.id).where(ExchangeCall.call_uid == Call.call_uid).exists(),
    )
    return Figure(
        node=node,
        day=day,
        in_exchange=in_exchange,
        here=in_exchange - _number(session, absent),
        on_their_way=_number(session, and_(absent, young)),
        here_alone=session.scalar(alone) or 0,
        missing=tuple(session.scalars(named)),
    )


def _number(session: Session, which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(ExchangeCall).where(which)) or 0


def _bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Half-open: midnight to midnight of the programme's zone."""
    begin = datetime.combine(day, time(), zone)
    return begin, datetime.combine(day + timedelta(days=1), time(), zone)


# ---------------------------------------------------------------- every night


def count_due(session: Session, *, zone: ZoneInfo, now: datetime) -> int:
    """Count the days that are over and were not counted, or were not equal; how many.

    Harmless to repeat, and for two at once: a day has one row for each exchange.
    """
    take_turn(session, "the nightly count of calls")
    last = (now - SETTLED).astimezone(zone).date() - timedelta(days=1)
    counted = 0
    for node in nodes(session):
        first = session.scalar(
            select(func.min(ExchangeCall.started_at)).where(ExchangeCall.node == node)
        )
        for back in range(_DAYS_BACK):
            day = last - timedelta(days=back)
            if first is not None and day >= first.astimezone(zone).date():
                counted += _count_day(session, node, day, zone, now)
    return counted


def _count_day(session: Session, node: str, day: date, zone: ZoneInfo, now: datetime) -> bool:
    kept = session.scalar(select(CallCount).where(CallCount.node == node, CallCount.day == day))
    if kept and (kept.in_exchange == kept.here or kept.counted_at > now - _AGAIN_AFTER):
        return False
    figure = count(session, node, day, zone=zone, now=now)
    if kept is None:
        kept = CallCount(node=node, day=day)
        session.add(kept)
    kept.in_exchange, kept.here = figure.in_exchange, figure.here
    kept.here_alone, kept.missing = figure.here_alone, list(figure.missing)
    kept.counted_at = now
    session.flush()
    return True


def latest(session: Session) -> list[CallCount]:
    """The last counted day of each exchange."""
    newest = (
        select(CallCount.node, func.max(CallCount.day).label("day"))
        .group_by(CallCount.node)
        .subquery()
    )
    rows = select(CallCount).join(
        newest, and_(CallCount.node == newest.c.node, CallCount.day == newest.c.day)
    )
    return list(session.scalars(rows.order_by(CallCount.node)))
