"""What guessing costs: every edge of the rules, and a million guesses against them."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from datetime import UTC, datetime, timedelta

import pytest

from callcenter.domain.limits import (
    Answer,
    Limits,
    Lock,
    Window,
    Wrong,
    may_answer,
    unforgiven,
)

T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIMITS = Limits()
PIN_CHANCE = 1e-4


def foreign(now: datetime, **wrong: list[datetime]) -> bool:
    return may_answer(Wrong(**wrong), own=False, now=now, limits=LIMITS)


def own(now: datetime, **wrong: list[datetime]) -> bool:
    return may_answer(Wrong(**wrong), own=True, now=now, limits=LIMITS)


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("wrong", "now", "room"),
    [
        ([], T0, True),
        ([T0], T0, True),
        ([T0, T0], T0, False),
        ([T0, T0 + MINUTE], T0 + HOUR - TICK, False),
        ([T0, T0 + MINUTE], T0 + HOUR, True),  # the first has just left the window
        ([T0, T0 + MINUTE], T0 + HOUR + MINUTE, True),
    ],
)
def test_a_window_is_open_at_its_beginning(
    wrong: list[datetime], now: datetime, room: bool
) -> None:
    assert Window(2, HOUR).has_room(wrong, now) is room


# ---------------------------------------------------------------- locks

LOCK = Lock(free=3, first=HOUR, longest=5 * HOUR, memory=DAY)


@pytest.mark.parametrize(("wrong", "locked_for"), [(1, 0), (2, 0), (3, 1), (4, 2), (5, 4), (6, 5)])
def test_a_lock_begins_with_the_third_and_doubles_up_to_its_longest(
    wrong: int, locked_for: int
) -> None:
    answers = [T0 - MINUTE * n for n in range(wrong)]
    end = T0 + locked_for * HOUR
    assert LOCK.ends(answers, T0) == (end if locked_for else None)
    if locked_for:
        assert LOCK.ends(answers, end - TICK) == end
        assert LOCK.ends(answers, end) is None  # half-open: at its end one may try again


def test_what_is_older_than_the_memory_is_forgotten() -> None:
    old = [T0, T0 + MINUTE, T0 + DAY - MINUTE]
    assert LOCK.ends(old, T0 + DAY - TICK) is not None
    assert LOCK.ends(old, T0 + DAY) is None


def test_a_thousand_wrong_answers_do_not_make_a_lock_that_no_calendar_holds() -> None:
    assert LOCK.ends([T0] * 1000, T0) == T0 + 5 * HOUR


# ---------------------------------------------------------------- who has to wait


def test_three_wrong_pins_from_anywhere_lock_a_complaint_for_an_hour() -> None:
    wrong = [T0, T0 + SECOND, T0 + 2 * SECOND]
    last = wrong[-1]
    assert foreign(last, to_complaint=wrong[:2])
    assert not foreign(last, to_complaint=wrong)
    assert not foreign(last + HOUR - TICK, to_complaint=wrong)
    assert foreign(last + HOUR, to_complaint=wrong)


def test_the_fifth_wrong_pin_of_a_telephone_is_its_last_of_the_day() -> None:
    wrong = [T0 + n * HOUR for n in range(5)]
    assert foreign(wrong[-1], by_caller=wrong[:4])
    assert not foreign(wrong[-1], by_caller=wrong)
    assert not foreign(T0 + DAY - TICK, by_caller=wrong)
    assert foreign(T0 + DAY, by_caller=wrong)


@pytest.mark.parametrize(("most", "length"), [(20, HOUR), (60, DAY)])
def test_all_foreign_callers_together_have_a_budget(most: int, length: timedelta) -> None:
    wrong = [T0 + n * (length / most) for n in range(most)]
    assert foreign(wrong[-1], overall=wrong[1:])
    assert not foreign(wrong[-1], overall=wrong)
    assert not foreign(T0 + length - TICK, overall=wrong)
    assert foreign(T0 + length, overall=wrong)


def test_nobodys_guessing_shuts_the_citizen_out() -> None:
    """The complaint is locked and every budget of strangers is used up."""
    stormed = [T0 - n * SECOND for n in range(500)]
    assert not foreign(T0, to_complaint=stormed, overall=stormed)
    assert own(T0, to_complaint=stormed, overall=stormed)


def test_going_on_about_ones_own_complaint_takes_longer_each_time() -> None:
    """A caller's number can be forged: it opens no way to try ten thousand PINs."""
    wrong: list[datetime] = []
    now = T0
    while now < T0 + 30 * DAY:
        if own(now, by_caller=wrong):
            wrong.append(now)
        now += HOUR
    assert [round((at - T0) / DAY) for at in wrong] == [0, 0, 0, 0, 0, 1, 3, 7, 15]
    assert 1000 * len(wrong) * PIN_CHANCE < 1  # a thousand forged numbers, for a month


def test_the_memory_of_all_rules_is_the_longest_of_them() -> None:
    assert LIMITS.memory == 90 * DAY
    assert Limits(overall=(Window(1, 400 * DAY),)).memory == 400 * DAY


# ---------------------------------------------------------------- forgiving


def answers(*rows: tuple[str | None, bool]) -> list[Answer]:
    return [Answer(T0 + n * MINUTE, number, right) for n, (number, right) in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "counted"),
    [
        ([("A", False), ("A", False)], 2),
        ([("A", False), ("A", True)], 0),
        ([("A", True), ("A", False)], 1),
        ([("A", False), ("B", True)], 1),
        ([(None, False), (None, True)], 1),  # nobody knows which complaint was meant
        ([("A", False), (None, False), ("A", True), ("A", False)], 2),
    ],
)
def test_who_has_it_right_was_no_guesser_of_that_complaint(
    rows: list[tuple[str | None, bool]], counted: int
) -> None:
    assert len(unforgiven(answers(*rows))) == counted


def test_a_complaint_of_ones_own_does_not_buy_guesses_at_anothers() -> None:
    """Filed under a forged number; its PIN is known and said between all guesses."""
    rows: list[Answer] = []
    evaluated = 0
    for n in range(2000):
        now = T0 + n * MINUTE
        if own(now, by_caller=unforgiven(rows)):
            rows += [Answer(now, "victim", False), Answer(now, "mine", True)]
            evaluated += 1
    assert evaluated <= 6


# ---------------------------------------------------------------- a million guesses


class Attack:
    """Guesses against the rules alone; the wrong answers that matter are kept as a ledger."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.by_caller: dict[int, deque[datetime]] = defaultdict(deque)
        self.to_complaint: dict[int, deque[datetime]] = defaultdict(deque)
        self.overall: deque[datetime] = deque()
        self.evaluated = 0

    def guess(self, caller: int, complaint: int, now: datetime) -> bool:
        """Whether the PIN was looked at; it was wrong then."""
        while self.overall and self.overall[0] <= now - DAY:
            self.overall.popleft()
        wrong = Wrong(self.by_caller[caller], self.to_complaint[complaint], self.overall)
        if not may_answer(wrong, own=False, now=now, limits=self.limits):
            return False
        for kept in (self.by_caller[caller], self.to_complaint[complaint], self.overall):
            kept.append(now)
        self.evaluated += 1
        return True


@pytest.mark.parametrize(
    "lasts", [HOUR, 7 * DAY, 120 * DAY], ids=lambda lasts: f"{lasts / DAY:.2f} days"
)
def test_a_million_guesses_by_a_thousand_telephones_have_less_than_one_hit(
    lasts: timedelta,
) -> None:
    dice, attack = random.Random(7), Attack(LIMITS)
    hits, guesses = 0, 1_000_000
    for n in range(guesses):
        now = T0 + n * (lasts / guesses)
        if attack.guess(n % 1000, dice.randrange(2000), now):
            hits += dice.randrange(10_000) == 0
    expected = attack.evaluated * PIN_CHANCE
    bound = min(20 * (lasts // HOUR + 1), 60 * (lasts // DAY + 1))
    print(
        f"\n{guesses:,} guesses by 1,000 telephones within {lasts / DAY:.2f} days: "
        f"{attack.evaluated:,} were looked at, {expected:.4f} hits to be expected, {hits} happened"
    )
    assert 0 < attack.evaluated <= bound
    assert expected < 1
    assert hits <= 3  # more are as good as impossible where 0.72 at most are expected


def test_against_one_complaint_a_thousand_telephones_are_no_better_than_one() -> None:
    attack = Attack(LIMITS)
    for n in range(200_000):
        attack.guess(n % 1000, 0, T0 + n * (90 * DAY / 200_000))
    assert attack.evaluated < 25


def test_without_the_limits_the_attack_would_succeed() -> None:
    """The simulation is able to find a hole."""
    wide = Window(10**9, DAY)
    nothing = Limits(wide, Lock(10**9, DAY, DAY, DAY), Lock(10**9, DAY, DAY, DAY), (wide,))
    attack = Attack(nothing)
    assert all(attack.guess(n % 10, n % 20, T0 + n * MINUTE) for n in range(2000))
