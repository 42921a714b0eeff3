"""A new ladder for a ticket that stands on the old one, against a retelling by the hour."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.ladder_change import passed
from callcenter.domain.people import Post
from callcenter.domain.window import Night, Step, TicketTimes, Until, next_step

T0 = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIMES = TicketTimes(T0, T0 + 24 * HOUR)
NO_NIGHT = Night(time(0), time(0), ZoneInfo("UTC"))

#: key -> hour at which the step falls due.
ladders = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 12), max_size=6)


def steps(ladder: dict[str, int]) -> list[Step]:
    return [Step(k, h * HOUR, (Post.TEAM,), Until.NEVER) for k, h in ladder.items()]


def retold(old: dict[str, int], new: dict[str, int], change: int) -> dict[str, int]:
    """Every hour take what falls due by the ladder of that hour; at the change, look again at what
    was still to come. Key -> hour in which it was taken."""
    taken: dict[str, int] = {}
    for hour in range(30):
        if hour < change:
            taken |= {k: hour for k, h in old.items() if h == hour}
            continue
        for key, due in new.items():
            was_to_come = key in old and old[key] >= change
            overdue_at_the_change = hour == change and due < change and was_to_come
            if key not in taken and (due == hour or overdue_at_the_change):
                taken[key] = hour
    return taken


@given(ladders, ladders, st.integers(0, 14))
def test_what_is_taken_before_and_after_a_change(
    old: dict[str, int], new: dict[str, int], change: int
) -> None:
    taken: dict[str, int] = {}
    skipped: frozenset[str] = frozenset()
    for hour in range(30):
        if hour == change:
            skipped = passed(steps(old), steps(new), TIMES, set(taken), T0 + change * HOUR)
        ladder = steps(old if hour < change else new)
        while due := next_step(ladder, TIMES, {*taken, *skipped}, NO_NIGHT):
            if due.release > T0 + hour * HOUR:
                break
            taken[due.step.key] = hour
    assert taken == retold(old, new, change)


@given(ladders, st.integers(0, 14))
def test_the_same_ladder_changes_nothing_that_was_to_come(ladder: dict[str, int], now: int) -> None:
    due = {key for key, hour in ladder.items() if hour < now}
    assert passed(steps(ladder), steps(ladder), TIMES, due, T0 + now * HOUR) == frozenset()
