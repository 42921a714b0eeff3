"""Working days: what national figures (SP4N-LAPOR) count in. The 24 hours know no holidays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Calendar:
    """Saturdays, Sundays and `days_off` are free; a day is a day of `zone`."""

    days_off: frozenset[date]
    zone: ZoneInfo

    def is_working(self, day: date) -> bool:
        """Whether offices are open on this day."""
        return day.weekday() < _SATURDAY and day not in self.days_off

    def passed(self, start: datetime, now: datetime) -> int:
        """Working days after the day of `start`, up to the day of `now`; 0 on the same day."""
        day, last, count = self._day(start), self._day(now), 0
        while day < last:
            day += _DAY
            count += self.is_working(day)
        return count

    def ends(self, start: datetime, days: int) -> datetime:
        """When `days` (at least 1) working days after the day of `start` are over: the midnight
        after the last of them, itself no longer inside. Aware UTC."""
        day, left = self._day(start), days
        while left:
            day += _DAY
            left -= self.is_working(day)
        midnight = datetime.combine(day + _DAY, time(0), tzinfo=self.zone)
        return midnight.astimezone(UTC)

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()


class Pace(StrEnum):
    """How something stands against its working days."""

    RUNNING = "running"
    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class NationalLimits:
    """Working days of SP4N-LAPOR: to verify and forward, to act, and of silence until closing."""

    forward: int = 3
    act: int = 5
    close: int = 10


@dataclass(frozen=True, slots=True)
class Term:
    """So many working days, of which `passed` are over; `ends` is the first moment outside."""

    days: int
    passed: int
    ends: datetime
    pace: Pace


def term(
    calendar: Calendar, start: datetime, days: int, done: datetime | None, now: datetime
) -> Term:
    """MET when done before the end, MISSED from the end on, for good."""
    ends, moment = calendar.ends(start, days), now if done is None else done
    in_time = Pace.RUNNING if done is None else Pace.MET
    pace = Pace.MISSED if moment >= ends else in_time
    return Term(days, calendar.passed(start, moment), ends, pace)
