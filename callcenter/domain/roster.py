"""Who of a team is on duty: a plan for the week, other people on holidays, and swaps.

Shifts are half-open and may pass midnight; a shift belongs to the day on which it begins. Where a
team has no plan, all of it is on duty, always, in its order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

from callcenter.domain.calendar import Calendar

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Shift:
    """[start, end) on these days of the week (0 is Monday); equal ends mean the whole day."""

    days: frozenset[int]
    start: time
    end: time
    officers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The shifts of a week. `holidays`: who has the calendar's days off, from midnight to
    midnight; empty: the week holds on those days too."""

    shifts: tuple[Shift, ...]
    holidays: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Swap:
    """In [start, end) `into` stands where `out` would; without `out`, beside the others."""

    start: datetime
    end: datetime
    out: str | None
    into: str


@dataclass(frozen=True, slots=True)
class Duty:
    """[start, end) with the same people on duty all the time; nobody is a gap."""

    start: datetime
    end: datetime
    officers: tuple[str, ...]


def on_duty(
    plan: Plan, swaps: Sequence[Swap], moment: datetime, calendar: Calendar
) -> tuple[str, ...]:
    """Keys of the officers on duty, each once, in the order of the plan."""
    found = list(dict.fromkeys(_planned(plan, moment, calendar)))
    for swap in swaps:
        if swap.start <= moment < swap.end:
            found = [swap.into if key == swap.out else key for key in found]
            if swap.out is None:
                found.append(swap.into)
    return tuple(dict.fromkeys(found))


def _planned(plan: Plan, moment: datetime, calendar: Calendar) -> Iterator[str]:
    local = moment.astimezone(calendar.zone)
    if plan.holidays and local.date() in calendar.days_off:
        yield from plan.holidays
    for days_ago in (1, 0):
        day = local.date() - days_ago * _DAY
        if plan.holidays and day in calendar.days_off:
            continue
        for shift in plan.shifts:
            if day.weekday() not in shift.days:
                continue
            start = datetime.combine(day, shift.start, tzinfo=calendar.zone)
            last = day if shift.start < shift.end else day + _DAY
            if start <= local < datetime.combine(last, shift.end, tzinfo=calendar.zone):
                yield from shift.officers


def duties(
    plan: Plan, swaps: Sequence[Swap], start: datetime, end: datetime, calendar: Calendar
) -> list[Duty]:
    """[start, end) cut where the people on duty change."""
    moments = [start, *sorted(_changes(plan, swaps, start, end, calendar)), end]
    cut: list[Duty] = []
    for begins, ends in pairwise(moments):
        officers = on_duty(plan, swaps, begins, calendar)
        if cut and cut[-1].officers == officers:
            cut[-1] = Duty(cut[-1].start, ends, officers)
        elif begins < ends:
            cut.append(Duty(begins, ends, officers))
    return cut


def _changes(
    plan: Plan, swaps: Sequence[Swap], start: datetime, end: datetime, calendar: Calendar
) -> set[datetime]:
    """Every moment inside at which somebody may come or go."""
    faces = {time(0), *(f for shift in plan.shifts for f in (shift.start, shift.end))}
    moments = {moment for swap in swaps for moment in (swap.start, swap.end)}
    day, last = start.astimezone(calendar.zone).date(), end.astimezone(calendar.zone).date()
    while day <= last:
        moments |= {
            datetime.combine(day, face, tzinfo=calendar.zone).astimezone(UTC) for face in faces
        }
        day += _DAY
    return {moment for moment in moments if start < moment < end}
