"""Who is on duty, against a retelling that walks through the hours of the week."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.calendar import Calendar
from callcenter.domain.roster import Plan, Shift, Swap, duties, on_duty

WITA = ZoneInfo("Asia/Makassar")
HOUR, INSTANT = timedelta(hours=1), timedelta(microseconds=1)
MONDAY = datetime(2026, 3, 2, tzinfo=WITA)
WORKING = Calendar(frozenset(), WITA)
NYEPI = Calendar(frozenset({date(2026, 3, 4)}), WITA)  # a Wednesday of these tests

hours = st.integers(0, 23).map(time)
officers = st.lists(st.sampled_from("abcd"), min_size=1, max_size=2, unique=True).map(tuple)
shifts = st.builds(Shift, st.frozensets(st.integers(0, 6), min_size=1), hours, hours, officers)
plans = st.builds(
    Plan,
    st.lists(shifts, min_size=1, max_size=4).map(tuple),
    st.one_of(st.just(()), officers),
)
calendars = st.sampled_from([WORKING, NYEPI])
swaps = st.lists(
    st.builds(
        lambda begins, length, out, into: Swap(
            MONDAY + begins * HOUR, MONDAY + (begins + length) * HOUR, out, into
        ),
        st.integers(0, 167),
        st.integers(1, 40),
        st.sampled_from([None, "a", "b"]),
        st.sampled_from("cde"),
    ),
    max_size=3,
)


def retold(plan: Plan, calendar: Calendar) -> dict[int, set[str]]:
    """Hour after Monday's midnight -> who is on duty by the plan: each shift is walked through."""
    there: dict[int, set[str]] = {hour: set() for hour in range(-24, 200)}
    for day in range(-1, 8):
        off = (MONDAY + day * 24 * HOUR).date() in calendar.days_off
        if off and plan.holidays:
            for hour in range(24):
                there.setdefault(day * 24 + hour, set()).update(plan.holidays)
            continue
        for shift in plan.shifts:
            if day % 7 not in shift.days:
                continue
            hour = shift.start.hour
            while True:
                there.setdefault(day * 24 + hour, set()).update(shift.officers)
                hour += 1
                if hour % 24 == shift.end.hour:
                    break
    return there


@given(plans, calendars, st.integers(0, 167))
def test_the_plan_is_what_its_shifts_cover(plan: Plan, calendar: Calendar, hour: int) -> None:
    moment = (MONDAY + hour * HOUR).astimezone(UTC)
    assert set(on_duty(plan, [], moment, calendar)) == retold(plan, calendar)[hour]
    assert on_duty(plan, [], moment + HOUR - INSTANT, calendar) == on_duty(
        plan, [], moment, calendar
    )


@given(plans, swaps, calendars, st.integers(0, 167))
def test_who_is_swapped_is_not_there_and_the_other_is(
    plan: Plan, made: list[Swap], calendar: Calendar, hour: int
) -> None:
    there = retold(plan, calendar)[hour]
    for swap in made:
        holds = swap.start <= MONDAY + hour * HOUR < swap.end
        if holds and (swap.out is None or swap.out in there):
            there = there - {swap.out} | {swap.into}
    found = on_duty(plan, made, MONDAY + hour * HOUR, calendar)
    assert set(found) == there
    assert len(found) == len(set(found))


@given(plans, swaps, calendars)
def test_a_week_is_cut_where_people_change_and_nowhere_else(
    plan: Plan, made: list[Swap], calendar: Calendar
) -> None:
    end = MONDAY + 168 * HOUR
    cut = duties(plan, made, MONDAY, end, calendar)
    assert (cut[0].start, cut[-1].end) == (MONDAY, end)
    assert all(a.end == b.start and a.officers != b.officers for a, b in pairwise(cut))
    for duty in cut:
        hour = duty.start
        while hour < duty.end:
            assert on_duty(plan, made, hour, calendar) == duty.officers
            hour += HOUR


@pytest.mark.parametrize(
    ("moment", "who"),
    [
        (MONDAY + 7 * HOUR - INSTANT, ()),  # Sunday had no night
        (MONDAY + 7 * HOUR, ("a",)),
        (MONDAY + 19 * HOUR - INSTANT, ("a",)),
        (MONDAY + 19 * HOUR, ("b",)),
        (MONDAY + 31 * HOUR - INSTANT, ("b",)),  # Tuesday, still Monday's night
        (MONDAY + 48 * HOUR - INSTANT, ("b",)),
        (MONDAY + 48 * HOUR, ("c", "b")),  # a holiday begins at midnight; the night goes on
        (MONDAY + 55 * HOUR, ("c",)),
        (MONDAY + 72 * HOUR - INSTANT, ("c",)),
        (MONDAY + 72 * HOUR, ()),  # the holiday had no night
    ],
)
def test_the_edges_of_shifts_and_holidays(moment: datetime, who: tuple[str, ...]) -> None:
    plan = Plan(
        (
            Shift(frozenset({0, 1, 2}), time(7), time(19), ("a",)),
            Shift(frozenset({0, 1, 2}), time(19), time(7), ("b",)),
        ),
        ("c",),
    )
    assert on_duty(plan, [], moment.astimezone(UTC), NYEPI) == who
