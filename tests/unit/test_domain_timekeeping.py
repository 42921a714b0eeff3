"""The wall clock against the steady one: real time passes in both, a jump in one alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.timekeeping import (
    MOST_DRIFT,
    RENEWED_EVERY,
    Anchor,
    begun,
    doubtful,
    drift,
    kept_on,
)

T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
ANCHOR = Anchor(T0, 1000.0, "one")

spans = st.timedeltas(timedelta(0), timedelta(days=400))
jumps = st.timedeltas(timedelta(days=-400), timedelta(days=400))


@given(spans, jumps)
def test_a_jump_is_what_the_steady_clock_did_not_count(passed: timedelta, jump: timedelta) -> None:
    by = drift(ANCHOR, T0 + passed + jump, 1000.0 + passed.total_seconds())
    assert abs(by - jump) < timedelta(milliseconds=1)


@pytest.mark.parametrize("way", [1, -1])
def test_the_edge_of_doubt(way: int) -> None:
    assert not doubtful(way * (MOST_DRIFT - INSTANT))
    assert not doubtful(way * MOST_DRIFT)
    assert doubtful(way * (MOST_DRIFT + INSTANT))


@given(st.lists(st.timedeltas(-MOST_DRIFT, MOST_DRIFT), max_size=50))
def test_small_corrections_never_add_up_to_a_doubt(corrections: list[timedelta]) -> None:
    """One an hour, each within the limit: a clock that is set by a time service all year."""
    anchor, wall, steady = ANCHOR, T0, 1000.0
    for correction in corrections:
        wall += RENEWED_EVERY + correction
        steady += RENEWED_EVERY.total_seconds()
        assert not doubtful(drift(anchor, wall, steady))
        anchor = kept_on(anchor, wall, steady)


def test_a_doubt_is_never_forgotten_by_waiting() -> None:
    later = T0 + 10 * RENEWED_EVERY + timedelta(hours=2)
    steady = 1000.0 + 10 * RENEWED_EVERY.total_seconds()
    assert kept_on(ANCHOR, later, steady) is ANCHOR


@pytest.mark.parametrize(
    ("seen", "lost"),
    [
        (None, False),
        (T0 - timedelta(days=3), False),
        (T0 + MOST_DRIFT, False),
        (T0 + MOST_DRIFT + INSTANT, True),
        (T0 + timedelta(days=9000), True),
    ],
)
def test_a_clock_that_lost_its_date_is_known_by_what_was_lived_through(
    seen: datetime | None, lost: bool
) -> None:
    assert doubtful(drift(begun(T0, 5.0, "two", seen), T0, 5.0)) is lost
