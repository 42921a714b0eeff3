"""Who knows the PIN learns what became of the complaint; a guesser learns nothing at all."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.limits import Limits
from callcenter.domain.status import Status, TicketView, WindowFacts, status_of, window_of
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import TicketTimes
from callcenter.services import status
from callcenter.services.pins import pin_of
from callcenter.services.status import InquiryRules
from callcenter.store.line_models import StatusAttempt
from callcenter.store.models import Audit, Complaint
from ivr.numbers import make_number
from tests.services.conftest import DAY, HOUR, MINUTE, POSTGRES, T0, TICK, Town, together

SECRET = "the installation's own secret"
RULES = InquiryRules(SECRET, Limits())
MINE, ANOTHERS = "08123456789", "+6281999888777"  # MINE is the reporter's (tests.services.conftest)


def ask(
    town: Town,
    number: str = "",
    pin: str = "",
    *,
    caller: str = ANOTHERS,
    at: datetime = T0,
    rules: InquiryRules = RULES,
) -> Status | None:
    with town.store.write() as db:
        return status.inquire(db, number=number, pin=pin, caller=caller, now=at, rules=rules)


def number_of(town: Town, complaint_id: int) -> str:
    return town.found(complaint_id).public_number


def wrong(number: str) -> str:
    return f"{(int(pin_of(number, SECRET)) + 1) % 10_000:04}"


def guess(
    town: Town, number: str, times: int, *, caller: str = ANOTHERS, at: datetime = T0
) -> None:
    for _ in range(times):
        assert ask(town, number, wrong(number), caller=caller, at=at) is None


def evaluated(town: Town) -> int:
    with town.store.read() as db:
        rows = select(func.count()).select_from(StatusAttempt).where(StatusAttempt.evaluated)
        return db.scalar(rows) or 0


@pytest.fixture
def number(town: Town) -> str:
    """The number of a complaint that was sent to PUPR at T0."""
    return number_of(town, town.complaint_of(town.sent()))


# ---------------------------------------------------------------- the right PIN


@pytest.mark.parametrize("caller", [MINE, ANOTHERS, "", "anonymous"])
def test_number_and_pin_are_enough_from_every_telephone(
    town: Town, number: str, caller: str
) -> None:
    told = ask(town, number, pin_of(number, SECRET), caller=caller, at=T0 + HOUR)
    assert told is not None
    assert (told.number, told.state, told.agency_key) == (number, ComplaintState.DISPATCHED, "pupr")
    assert told.window == WindowFacts(left=23 * HOUR)


@pytest.mark.parametrize("caller", ["0812 3456 789", "+628123456789", "628123456789"])
def test_the_citizens_own_telephone_stands_for_the_number(
    town: Town, number: str, caller: str
) -> None:
    told = ask(town, "", pin_of(number, SECRET), caller=caller)
    assert told is not None
    assert told.number == number


def test_of_several_complaints_the_pin_says_which(town: Town) -> None:
    first, second = (number_of(town, town.complaint(T0 + n * HOUR)) for n in range(2))
    for number in (first, second):
        told = ask(town, "", pin_of(number, SECRET), caller=MINE)
        assert told is not None
        assert told.number == number


def test_of_two_with_the_same_pin_the_newest_is_meant(town: Town) -> None:
    secret, (old, new) = _secret_with_one_pin_for(make_number(1), make_number(2))
    numbers = [number_of(town, town.complaint(T0 + n * HOUR)) for n in range(2)]
    assert numbers == [old, new]
    told = ask(town, "", pin_of(old, secret), caller=MINE, rules=InquiryRules(secret, Limits()))
    assert told is not None
    assert told.number == new


def _secret_with_one_pin_for(*numbers: str) -> tuple[str, tuple[str, ...]]:
    secrets = (f"secret {n}" for n in range(10**6))
    return next(s for s in secrets if len({pin_of(n, s) for n in numbers}) == 1), numbers


def test_what_was_told_is_written_down(town: Town, number: str) -> None:
    ask(town, number, pin_of(number, SECRET))
    with town.store.read() as db:
        row = db.scalars(select(Audit).where(Audit.action == "status_told")).one()
    assert (row.actor, row.at) == ("caller", T0)


def test_the_rows_name_no_telephone(town: Town, number: str) -> None:
    ask(town, number, wrong(number), caller=ANOTHERS)
    with town.store.read() as db:
        row = db.scalars(select(StatusAttempt)).one()
    assert "999888777" not in "".join(map(str, vars(row).values()))


# ---------------------------------------------------------------- nothing for a guesser


def test_everything_else_gets_the_same_answer(town: Town, number: str) -> None:
    unknown = make_number(5000)
    assert ask(town, number, wrong(number)) is None
    assert ask(town, unknown, pin_of(unknown, SECRET)) is None
    assert ask(town, "", pin_of(number, SECRET)) is None  # a stranger's telephone
    assert ask(town, "", pin_of(number, SECRET), caller="") is None
    assert ask(town, number, "") is None


def test_a_slip_of_the_finger_costs_nothing(town: Town, number: str) -> None:
    slipped = number[:-1] + str((int(number[-1]) + 1) % 10)
    for _ in range(10):
        assert ask(town, slipped, pin_of(number, SECRET)) is None
    assert ask(town, number, pin_of(number, SECRET)) is not None


def test_a_locked_complaint_is_silent_even_to_the_right_pin_until_the_lock_ends(
    town: Town, number: str
) -> None:
    for n in range(3):
        guess(town, number, 1, caller=f"+62819998887{n:02}")
    right = pin_of(number, SECRET)
    assert ask(town, number, right, at=T0 + HOUR - TICK) is None
    assert ask(town, number, right, at=T0 + HOUR) is not None


def test_what_was_not_looked_at_makes_no_lock_longer(town: Town, number: str) -> None:
    guess(town, number, 3)
    guess(town, number, 50, caller="+6281999888111", at=T0 + HOUR - MINUTE)
    assert evaluated(town) == 3
    assert ask(town, number, pin_of(number, SECRET), at=T0 + HOUR) is not None


def test_an_unknown_number_is_locked_like_a_known_one(town: Town) -> None:
    unknown = make_number(6000)
    guess(town, unknown, 10)
    assert evaluated(town) == 3


def test_a_telephone_has_five_wrong_pins_a_day_for_all_complaints_together(town: Town) -> None:
    numbers = [number_of(town, town.complaint()) for _ in range(6)]
    for number in numbers:
        guess(town, number, 1, at=T0)
    assert evaluated(town) == 5
    right = pin_of(numbers[5], SECRET)
    assert ask(town, numbers[5], right, at=T0 + DAY - TICK) is None
    assert ask(town, numbers[5], right, at=T0 + DAY) is not None


def test_all_hidden_telephones_share_one_budget(town: Town) -> None:
    numbers = [number_of(town, town.complaint()) for _ in range(6)]
    for number, hidden in zip(
        numbers, ["", "anonymous", "Restricted", "", "unknown"], strict=False
    ):
        guess(town, number, 1, caller=hidden)
    assert ask(town, numbers[5], pin_of(numbers[5], SECRET), caller="private") is None
    assert ask(town, numbers[5], pin_of(numbers[5], SECRET), caller=ANOTHERS) is not None


def test_all_strangers_together_have_a_budget(town: Town) -> None:
    numbers = [number_of(town, town.complaint()) for _ in range(21)]
    for n, number in enumerate(numbers[:20]):
        guess(town, number, 1, caller=f"+62819998800{n:02}")
    right = pin_of(numbers[20], SECRET)
    assert ask(town, numbers[20], right, at=T0 + HOUR - TICK) is None
    assert ask(town, numbers[20], right, at=T0 + HOUR) is not None


# ---------------------------------------------------------------- and never at the citizen's cost


def test_nobodys_guessing_shuts_out_the_citizens_own_telephone(town: Town, number: str) -> None:
    """The complaint is locked, and every stranger's budget is gone."""
    for n in range(60):
        victim = number if n % 2 else make_number(7000 + n)
        guess(town, victim, 1, caller=f"+62819997700{n:02}")
    right = pin_of(number, SECRET)
    assert ask(town, number, right, caller=ANOTHERS) is None
    assert ask(town, number, right, caller=MINE) is not None
    assert ask(town, "", right, caller=MINE) is not None


def test_guessing_at_others_does_not_cost_ones_own_complaint(town: Town, number: str) -> None:
    for n in range(5):
        guess(town, make_number(7000 + n), 1, caller=MINE)
    assert ask(town, number, pin_of(number, SECRET), caller=MINE) is not None


def test_the_telephone_of_the_call_is_ones_own_though_another_was_given(town: Town) -> None:
    from tests.services.calls import call_with_speech

    complaint_id = call_with_speech(town.store, "+6281555000111", at=T0)
    with town.store.write() as db:
        db.get_one(Complaint, complaint_id).reporter_phone = "+6281555000222"
    number = number_of(town, complaint_id)
    for caller in ("+6281555000111", "+6281555000222"):
        assert ask(town, "", pin_of(number, SECRET), caller=caller) is not None


def test_ones_own_telephone_has_an_end_too(town: Town, number: str) -> None:
    guess(town, number, 5, caller=MINE)
    assert ask(town, number, pin_of(number, SECRET), caller=MINE, at=T0 + DAY - TICK) is None
    assert ask(town, number, pin_of(number, SECRET), caller=MINE, at=T0 + DAY) is not None


def test_the_right_pin_forgives_what_was_mistyped_before(town: Town, number: str) -> None:
    for day in range(8):
        at = T0 + day * DAY
        guess(town, number, 2, caller=MINE, at=at)
        assert ask(town, number, pin_of(number, SECRET), caller=MINE, at=at) is not None


# ---------------------------------------------------------------- at once, and many


@POSTGRES
def test_many_calls_at_the_same_moment_share_the_budget(town: Town, number: str) -> None:
    def one(n: int) -> None:
        ask(town, number, wrong(number), caller=f"+62819998887{n:02}")

    together(*(lambda n=n: one(n) for n in range(12)))  # type: ignore[misc]
    assert evaluated(town) == 3


def test_a_storm_of_guesses_against_the_database_is_evaluated_as_the_rules_say(town: Town) -> None:
    """600 guesses from 100 telephones within a day, at 20 complaints."""
    numbers = [number_of(town, town.complaint()) for _ in range(20)]
    dice, hits, guesses = random.Random(3), 0, 600
    for n in range(guesses):
        told = ask(
            town,
            dice.choice(numbers),
            f"{dice.randrange(10_000):04}",
            caller=f"+62819990{n % 100:04}",
            at=T0 + n * (DAY / guesses),
        )
        hits += told is not None
    assert evaluated(town) <= 60
    assert evaluated(town) * 1e-4 < 0.01
    assert hits == 0


def test_what_no_rule_counts_any_more_is_thrown_away(town: Town, number: str) -> None:
    guess(town, number, 1, at=T0)
    guess(town, number, 1, at=T0 + TICK)
    with town.store.write() as db:
        assert status.forget(db, now=T0 + 90 * DAY, limits=Limits()) == 1
    assert evaluated(town) == 1


# ---------------------------------------------------------------- the facts

TIMES = TicketTimes(dispatched_at=T0, due_at=T0 + DAY)


def view(state: TicketState, agency: str = "pupr", **times: datetime) -> TicketView:
    return TicketView(agency, state, replace(TIMES, **times))


def told(state: ComplaintState, *tickets: TicketView, now: datetime = T0) -> Status:
    return status_of("10000012", state, T0, tickets, now)


@pytest.mark.parametrize(
    ("times", "now", "window"),
    [
        ({}, T0 + HOUR, WindowFacts(left=23 * HOUR)),
        ({}, T0 + DAY - TICK, WindowFacts(left=TICK)),
        ({}, T0 + DAY, WindowFacts(late_by=timedelta(0))),
        ({}, T0 + 26 * HOUR, WindowFacts(late_by=2 * HOUR)),
        ({"responded_at": T0 + DAY - TICK}, T0 + 3 * DAY, WindowFacts(met=True)),
        ({"responded_at": T0 + DAY}, T0 + 3 * DAY, WindowFacts(late_by=timedelta(0))),
        ({"handled_at": T0 + 25 * HOUR}, T0 + 3 * DAY, WindowFacts(late_by=HOUR)),
    ],
)
def test_left_met_or_late(times: dict[str, datetime], now: datetime, window: WindowFacts) -> None:
    assert window_of(replace(TIMES, **times), now) == window


@pytest.mark.parametrize(
    "state",
    [
        ComplaintState.RECEIVED,
        ComplaintState.TRANSCRIBED,
        ComplaintState.CATEGORISED,
        ComplaintState.REOPENED,
        ComplaintState.NOT_ACTIONABLE,
        ComplaintState.MERGED,
    ],
)
def test_where_no_agency_has_it_there_is_no_window(state: ComplaintState) -> None:
    facts = told(state, view(TicketState.RETURNED), view(TicketState.CLOSED))
    assert (facts.agency_key, facts.ticket_state, facts.window) == (None, None, None)


def test_of_several_agencies_the_one_that_has_not_answered_is_told() -> None:
    facts = told(
        ComplaintState.DISPATCHED,
        view(TicketState.HANDLED, "pdam", handled_at=T0),
        view(TicketState.ACCEPTED, "pupr"),
        view(TicketState.RETURNED, "pln"),
    )
    assert (facts.agency_key, facts.ticket_state, facts.more_agencies) == (
        "pupr",
        TicketState.ACCEPTED,
        1,
    )


def test_waiting_work_has_an_expected_day(town: Town) -> None:
    ticket = town.sent()
    town.respond(ticket, T0 + HOUR)
    town.wait(ticket, T0 + 2 * HOUR, T0 + 9 * DAY)
    with town.store.read() as db:
        complaint = db.get_one(Complaint, town.complaint_of(ticket))
        facts = status.facts_of(complaint, T0 + DAY)
    assert (facts.ticket_state, facts.expected_at) == (TicketState.WAITING, T0 + 9 * DAY)
    assert facts.window == WindowFacts(met=True)


def test_closed_with_the_citizens_last_word(town: Town) -> None:
    ticket = town.sent()
    town.report(ticket, T0 + HOUR)
    town.report_arrives(ticket, T0 + 2 * HOUR)
    complaint_id = town.complaint_of(ticket)
    town.word(complaint_id, Outcome.SOLVED, T0 + DAY)
    with town.store.read() as db:
        facts = status.facts_of(db.get_one(Complaint, complaint_id), T0 + 2 * DAY)
    assert (facts.state, facts.outcome, facts.closed_at) == (
        ComplaintState.CLOSED,
        Outcome.SOLVED,
        T0 + DAY,
    )
    assert facts.expected_at is None
