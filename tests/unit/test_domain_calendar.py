"""Working days and the clocks beside the window, against a retelling that walks day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.config import load
from callcenter.domain.calendar import Calendar, Pace, term
from callcenter.domain.clocks import citizen_waits, worked
from callcenter.domain.window import TicketTimes

WITA = ZoneInfo("Asia/Makassar")
DAY, HOUR, INSTANT = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
NYEPI = load(Path(__file__).parents[2] / "config.yaml").working_days


def at(day: int, hour: int = 9, month: int = 3) -> datetime:
    """An hour of 2026 as Bangli's clocks show it, in UTC."""
    return datetime(2026, month, day, hour, tzinfo=WITA).astimezone(UTC)


moments = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001 (the zone is added)
    datetime(2026, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
calendars = st.builds(
    Calendar,
    st.frozensets(st.dates(date(2026, 1, 1), date(2027, 6, 1)), max_size=60),
    st.sampled_from([WITA, ZoneInfo("UTC"), ZoneInfo("Asia/Jayapura")]),
)


def retold_days(calendar: Calendar, start: datetime) -> list[date]:
    """Every working day after the day of `start`, for two years, one by one."""
    first = start.astimezone(calendar.zone).date()
    days = [first + n * DAY for n in range(1, 800)]
    return [
        d for d in days if d.strftime("%a") not in ("Sat", "Sun") and d not in calendar.days_off
    ]


@given(calendars, moments, st.integers(1, 15))
def test_a_term_ends_with_the_last_of_its_working_days(
    calendar: Calendar, start: datetime, days: int
) -> None:
    last = retold_days(calendar, start)[days - 1]
    ends = calendar.ends(start, days)
    assert (ends - INSTANT).astimezone(calendar.zone).date() == last
    assert ends.astimezone(calendar.zone).date() == last + DAY
    assert ends.tzinfo is UTC


@given(calendars, moments, st.timedeltas(timedelta(0), timedelta(days=100)))
def test_working_days_that_have_passed_are_counted(
    calendar: Calendar, start: datetime, later: timedelta
) -> None:
    today = (start + later).astimezone(calendar.zone).date()
    passed = calendar.passed(start, start + later)
    assert passed == sum(day <= today for day in retold_days(calendar, start))


@given(calendars, moments, st.integers(1, 15), st.timedeltas(timedelta(0), timedelta(days=60)))
def test_a_term_is_met_before_its_end_and_missed_from_it_on(
    calendar: Calendar, start: datetime, days: int, later: timedelta
) -> None:
    moment = start + later
    late = moment >= calendar.ends(start, days)
    assert term(calendar, start, days, moment, moment + DAY).pace is (
        Pace.MISSED if late else Pace.MET
    )
    assert term(calendar, start, days, None, moment).pace is (Pace.MISSED if late else Pace.RUNNING)
    # what was late stays late, and what was in time stays in time
    assert term(calendar, start, days, moment, moment + 90 * DAY).ends == calendar.ends(start, days)


@pytest.mark.parametrize(
    ("start", "days", "ends"),
    [
        (at(2), 3, at(6, 0)),  # Monday: Tuesday, Wednesday, Thursday
        (at(2, 0), 3, at(6, 0)),
        (at(2, 23), 3, at(6, 0)),
        (at(6), 3, at(12, 0)),  # Friday: over the weekend
        (at(7), 1, at(10, 0)),  # Saturday counts from Monday
        (at(16), 3, at(27, 0)),  # 18 to 24 March: Nyepi, Idulfitri, cuti bersama, a weekend
        (at(15, month=6), 1, at(20, 0, month=6)),  # Galungan: 16 to 18 June
    ],
)
def test_terms_of_march_and_june_in_bangli(start: datetime, days: int, ends: datetime) -> None:
    assert NYEPI.ends(start, days) == ends
    assert term(NYEPI, start, days, ends - INSTANT, ends).pace is Pace.MET
    assert term(NYEPI, start, days, ends, ends).pace is Pace.MISSED


# ---------------------------------------------------------------- waiting and working


@given(
    moments,
    st.one_of(st.none(), st.timedeltas(timedelta(0), 9 * DAY)),
    st.timedeltas(-DAY, 9 * DAY),
)
def test_the_citizen_waits_until_the_answer_and_not_longer(
    received: datetime, answered: timedelta | None, now: timedelta
) -> None:
    done = None if answered is None else received + answered
    waits = citizen_waits(received, done, received + now)
    assert waits == (max(now, timedelta(0)) if answered is None else answered)


@st.composite
def days_of_work(draw: st.DrawFn) -> tuple[TicketTimes, datetime, int]:
    """Hours of a ticket, each worked or waited, and whether it was handled at their end; what the
    hours that were worked add up to."""
    hours = draw(st.lists(st.booleans(), max_size=60))
    start = draw(moments)
    handled = draw(st.booleans())
    end = start + len(hours) * HOUR
    tail = 0
    while tail < len(hours) and not hours[-1 - tail]:
        tail += 1
    waiting = tail > 0 and not handled
    over = hours[: len(hours) - tail] if waiting else hours
    times = TicketTimes(
        start,
        start + DAY,
        handled_at=end if handled else None,
        waiting_since=end - tail * HOUR if waiting else None,
        waited=sum(not hour for hour in over) * HOUR,
    )
    now = end + draw(st.integers(0, 50)) * HOUR if handled else end
    return times, now, sum(hours)


@given(days_of_work())
def test_what_is_waited_is_not_worked(case: tuple[TicketTimes, datetime, int]) -> None:
    times, now, hours = case
    assert worked(times, now) == hours * HOUR
    if times.waiting_since is not None:  # it stands still
        assert worked(times, now + 100 * DAY) == hours * HOUR


def test_a_clock_that_was_set_back_makes_nothing_negative() -> None:
    times = TicketTimes(at(2), at(3), waiting_since=at(5), waited=2 * DAY)
    assert worked(times, at(1)) == timedelta(0)
    assert citizen_waits(at(2), None, at(1)) == timedelta(0)
