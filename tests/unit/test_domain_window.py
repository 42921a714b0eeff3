"""The 24-hour window and the ladder, held against a retelling of them that counts minute by minute.

A ticket of these tests is dispatched at minute 0; whatever happens to it has a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.config import load
from callcenter.domain.complaint import Urgency
from callcenter.domain.people import Post
from callcenter.domain.window import (
    Clock,
    Due,
    Night,
    Standing,
    Step,
    TicketTimes,
    Until,
    due_at,
    needless,
    next_step,
    release_at,
    standing,
    step_at,
)

WITA = ZoneInfo("Asia/Makassar")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(hours=24)
INSTANT = timedelta(microseconds=1)
START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)  # eight in the morning in Bangli
NIGHT = Night(time(22, 0), time(6, 0), WITA)
NO_NIGHT = Night(time(0, 0), time(0, 0), WITA)

moments = st.datetimes(
    datetime(2021, 3, 1),  # noqa: DTZ001 (the zone is added)
    datetime(2099, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    """An hour of March 2026 as Bangli's clocks show it, in UTC."""
    return datetime(2026, 3, day, hour, minute, tzinfo=WITA).astimezone(UTC)


def ticket(dispatched: datetime = START, **happened: timedelta) -> TicketTimes:
    """A ticket to which things happened so long after its dispatch: `responded=HOUR`."""
    later = {f"{name}_at": dispatched + after for name, after in happened.items()}
    return TicketTimes(dispatched, dispatched + DAY, **later)


# ---------------------------------------------------------------- the window

#: What happens in one and the same minute happens in this order.
COURSE = ("due", "accepted", "responded", "handled", "reported", "ended")


@st.composite
def courses(draw: st.DrawFn) -> dict[str, int]:
    """Minutes of what happened, a small window and `now` last of all: edges meet often."""
    minutes = st.integers(0, 8)
    course = {"due": draw(st.integers(1, 6))}
    for name in COURSE[1:]:
        if draw(st.booleans()):
            course[name] = draw(minutes)
    course["now"] = max(draw(minutes), *(course[name] for name in COURSE[1:] if name in course), 0)
    return course


def times_of(course: dict[str, int]) -> TicketTimes:
    """The same as the rules want it."""
    given = {f"{n}_at": START + course[n] * MINUTE for n in COURSE[1:] if n in course}
    return TicketTimes(START, START + course["due"] * MINUTE, **given)


def retold_standing(course: dict[str, int]) -> Standing:
    """Let the minutes pass. The first that settles it settles it for good."""
    answered = "responded" in course or "handled" in course
    for minute in range(course["now"] + 1):
        happening = {name for name in COURSE if course.get(name) == minute}
        if "due" in happening:
            return Standing.MISSED
        if happening & {"responded", "handled"}:
            return Standing.MET
        if "ended" in happening and not answered:
            return Standing.WITHDRAWN
    return Standing.RUNNING


@given(courses())
def test_a_ticket_stands_as_the_minutes_decide(course: dict[str, int]) -> None:
    now = START + course["now"] * MINUTE
    assert standing(times_of(course), now) is retold_standing(course)


@given(courses(), st.integers(0, 10_000))
def test_what_is_settled_stays_settled(course: dict[str, int], later: int) -> None:
    times, now = times_of(course), START + course["now"] * MINUTE
    settled = standing(times, now)
    if settled is not Standing.RUNNING:
        assert standing(times, now + later * MINUTE) is settled


@given(moments, st.integers(1, 10**12))
def test_the_window_is_as_long_as_it_says_in_real_time(start: datetime, length: int) -> None:
    end = due_at(start, timedelta(microseconds=length))
    assert end - start == timedelta(microseconds=length)
    assert end.tzinfo is UTC


@pytest.mark.parametrize("verb", ["responded", "handled"])
@pytest.mark.parametrize(
    ("after", "stands"),
    [
        (timedelta(0), Standing.MET),
        (DAY - INSTANT, Standing.MET),
        (DAY, Standing.MISSED),
        (DAY + INSTANT, Standing.MISSED),
    ],
)
def test_the_edge_of_an_answer(verb: str, after: timedelta, stands: Standing) -> None:
    assert standing(ticket(START, **{verb: after}), START + 2 * DAY) is stands


@pytest.mark.parametrize(
    ("after", "stands"),
    [
        (timedelta(0), Standing.RUNNING),
        (DAY - INSTANT, Standing.RUNNING),
        (DAY, Standing.MISSED),
        (DAY + INSTANT, Standing.MISSED),
    ],
)
def test_the_edge_without_an_answer(after: timedelta, stands: Standing) -> None:
    assert standing(ticket(accepted=MINUTE), START + after) is stands


@pytest.mark.parametrize(
    ("after", "stands"),
    [
        (DAY - INSTANT, Standing.WITHDRAWN),
        (DAY, Standing.MISSED),
        (DAY + INSTANT, Standing.MISSED),
    ],
)
def test_a_ticket_sent_back_late_was_missed(after: timedelta, stands: Standing) -> None:
    assert standing(ticket(ended=after), START + 3 * DAY) is stands


def test_waiting_for_material_pauses_no_window() -> None:
    """A response in time is all that the window asks; the work may take weeks."""
    assert standing(ticket(responded=HOUR), START + 30 * DAY) is Standing.MET
    assert standing(ticket(responded=25 * HOUR, handled=30 * DAY), START + 40 * DAY) is (
        Standing.MISSED
    )


def test_the_answer_is_whichever_came_first() -> None:
    assert ticket(responded=2 * HOUR, handled=HOUR).answered_at == START + HOUR
    assert ticket(responded=HOUR, handled=2 * HOUR).answered_at == START + HOUR
    assert ticket(accepted=HOUR, reported=HOUR).answered_at is None


# ---------------------------------------------------------------- steps

#: What has to have happened for a step to be needless: any one of these.
ENOUGH = {
    Until.ACCEPTED: {"accepted", "responded", "handled", "ended"},
    Until.RESPONDED: {"responded", "handled", "ended"},
    Until.HANDLED: {"handled", "ended"},
    Until.REPORTED: {"reported", "ended"},
    Until.NEVER: {"ended"},
}


def step(key: str = "step", after: timedelta = HOUR, **given: object) -> Step:
    """A rung of the ladder that presses until it is answered, unless told otherwise."""
    values: dict[str, object] = {"to": (Post.TEAM,), "until": Until.RESPONDED, **given}
    return Step(key, after, **values)  # type: ignore[arg-type]


@given(courses(), st.sampled_from(Until))
def test_a_step_is_needless_once_what_it_presses_for_has_happened(
    course: dict[str, int], until: Until
) -> None:
    assert needless(step(until=until), times_of(course)) is bool(ENOUGH[until] & set(course))


@pytest.mark.parametrize("happened", ["responded", "handled", "ended"])
@pytest.mark.parametrize(
    ("after", "spared"), [(DAY - INSTANT, True), (DAY, False), (DAY + INSTANT, False)]
)
def test_a_missed_window_is_told_whatever_comes_after_it(
    happened: str, after: timedelta, spared: bool
) -> None:
    missed = step(after=DAY, missed=True)
    assert needless(missed, ticket(**{happened: after})) is spared


@given(courses(), st.integers(0, 60), st.sampled_from(Clock))
def test_a_step_falls_due_so_long_after_its_clock_started(
    course: dict[str, int], after: int, clock: Clock
) -> None:
    started = {"dispatched": 0, **course}.get(clock.value)
    falls = step_at(step(after=after * MINUTE, clock=clock), times_of(course))
    assert falls == (None if started is None else START + (started + after) * MINUTE)


@given(
    st.lists(st.sampled_from(["work", "wait"]), max_size=40),
    st.integers(0, 30),
    st.integers(0, 5),
)
def test_what_presses_for_the_work_counts_the_minutes_in_which_it_did_not_wait(
    minutes: list[str], after: int, answered: int
) -> None:
    """Live through the minutes after the response; due with the last one that it waits for."""
    tail = next((n for n, m in enumerate(reversed(minutes)) if m == "work"), len(minutes))
    waits = tail > 0
    over = minutes[: len(minutes) - tail]
    start = START + answered * MINUTE
    times = TicketTimes(
        START,
        START + DAY,
        responded_at=start,
        waited=over.count("wait") * MINUTE,
        waiting_since=start + len(over) * MINUTE if waits else None,
    )
    falls = step_at(step(after=after * MINUTE, until=Until.HANDLED, clock=Clock.RESPONDED), times)
    if waits:
        assert falls is None  # it stands still
        return
    passed, worked = 0, 0
    while worked < after:
        worked += passed >= len(minutes) or minutes[passed] == "work"
        passed += 1
    if over and passed < len(over):  # it was over before the last waiting: due since the waiting
        assert falls is not None
        assert falls <= start + len(over) * MINUTE
    else:
        assert falls == start + (after + over.count("wait")) * MINUTE


# ---------------------------------------------------------------- the night

clock_faces = st.builds(time, st.integers(0, 23), st.integers(0, 59))
zones = st.sampled_from(
    [WITA, ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("Asia/Jakarta")]
)
nights = st.builds(Night, clock_faces, clock_faces, zones)


def quiet_minutes(night: Night) -> set[tuple[int, int]]:
    """Every face of the clock from the night's beginning until its end."""
    face, quiet = datetime.combine(date(2026, 1, 1), night.start), set()
    while face.time() != night.end:
        quiet.add((face.hour, face.minute))
        face += MINUTE
    return quiet


def retold_morning(night: Night, moment: datetime) -> datetime:
    """Watch the clock until it shows no quiet minute."""
    quiet, local = quiet_minutes(night), moment.astimezone(night.zone)
    while (local.hour, local.minute) in quiet:
        local = local.replace(second=0, microsecond=0) + MINUTE
    return local


@given(nights, moments)
def test_the_night_is_the_minutes_between_its_ends(night: Night, moment: datetime) -> None:
    local = moment.astimezone(night.zone)
    assert night.covers(moment) is ((local.hour, local.minute) in quiet_minutes(night))
    assert night.ends(moment) == retold_morning(night, moment)


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        (at(22) - INSTANT, False),
        (at(22), True),
        (at(22) + INSTANT, True),
        (at(0, day=3), True),
        (at(6, day=3) - INSTANT, True),
        (at(6, day=3), False),
        (at(6, day=3) + INSTANT, False),
    ],
)
def test_the_edges_of_the_night_in_bangli(moment: datetime, quiet: bool) -> None:
    assert NIGHT.covers(moment) is quiet
    assert NIGHT.ends(moment) == (at(6, day=3) if quiet else moment)


def test_a_night_without_length_covers_nothing() -> None:
    assert not any(NO_NIGHT.covers(at(hour)) for hour in range(24))


@given(nights, moments, st.integers(-3000, 3000), st.booleans())
def test_a_step_waits_for_the_morning_unless_that_is_too_late(
    night: Night, falls: datetime, window: int, hold: bool
) -> None:
    due = falls + window * MINUTE
    released = release_at(step(hold_at_night=hold), falls, due, night)
    morning = retold_morning(night, falls)
    warns_in_vain = falls < due and not morning < due
    assert released == (morning if hold and not warns_in_vain else falls)


@pytest.mark.parametrize(
    ("due", "released"),
    [
        (at(6, day=3) - INSTANT, at(23)),
        (at(6, day=3), at(23)),
        (at(6, day=3) + INSTANT, at(6, day=3)),
        (at(23) + INSTANT, at(23)),
        (at(23), at(6, day=3)),  # the window is over: nothing is left to warn of
        (at(23) - INSTANT, at(6, day=3)),
    ],
)
def test_the_edge_of_a_warning_by_night(due: datetime, released: datetime) -> None:
    assert release_at(step(hold_at_night=True), at(23), due, NIGHT) == released


def test_what_may_not_be_held_goes_out_by_night() -> None:
    assert release_at(step(hold_at_night=False), at(2), at(8, day=5), NIGHT) == at(2)


# ---------------------------------------------------------------- the next step

ladders = st.lists(
    st.builds(
        step,
        key=st.sampled_from("abcdefgh"),
        after=st.integers(0, 8).map(lambda minutes: minutes * MINUTE),
        until=st.sampled_from(Until),
        clock=st.sampled_from(Clock),
        hold_at_night=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda rung: rung.key,
)


def retold_next(
    ladder: list[Step], course: dict[str, int], taken: set[str], night: Night
) -> Due | None:
    """Climb the ladder and keep the rung that is released first; an equal one comes too late."""
    best = None
    for rung in ladder:
        started = {"dispatched": 0, **course}.get(rung.clock.value)
        if rung.key in taken or started is None or ENOUGH[rung.until] & set(course):
            continue
        falls = START + started * MINUTE + rung.after
        released = release_at(rung, falls, times_of(course).due_at, night)
        if best is None or released < best.release:
            best = Due(rung, falls, released)
    return best


@given(ladders, courses(), st.sets(st.sampled_from("abcdefgh")), nights)
def test_the_next_step_is_the_first_that_stands(
    ladder: list[Step], course: dict[str, int], taken: set[str], night: Night
) -> None:
    assert next_step(ladder, times_of(course), taken, night) == retold_next(
        ladder, course, taken, night
    )


@given(ladders, courses(), nights)
def test_each_step_is_taken_once_and_never_before_an_earlier_one(
    ladder: list[Step], course: dict[str, int], night: Night
) -> None:
    climbed = list(climb(ladder, times_of(course), night))
    keys = [due.step.key for due in climbed]
    assert len(keys) == len(set(keys)) <= len(ladder)
    assert [due.release for due in climbed] == sorted(due.release for due in climbed)


def climb(ladder: list[Step], times: TicketTimes, night: Night = NIGHT) -> Iterator[Due]:
    """Every step that is taken if nothing more happens."""
    taken: set[str] = set()
    while due := next_step(ladder, times, taken, night):
        taken.add(due.step.key)
        yield due


# ---------------------------------------------------------------- the programme's own ladder

#: hours after dispatch (or after `handled`), whom it reaches, what ends it; as in the programme.
PROGRAMME = {
    "dispatch": (0, "duty", "never"),
    "next_officer": (0.25, "next", "accepted"),
    "secretary": (2, "secretary", "accepted"),
    "remind_team": (12, "team supervisor", "responded"),
    "remind_head": (20, "head", "responded"),
    "missed": (24, "head coordinator regional_secretary", "responded"),
    "missed_48h": (48, "deputy_regent", "responded"),
    "chase_handling": (72, "team", "handled"),
    "chase_handling_head": (168, "head", "handled"),
    "chase_report": (24, "team", "reported"),
    "chase_report_head": (72, "head", "reported"),
}
CLOCKS = {"chase_handling": Clock.RESPONDED, "chase_report": Clock.HANDLED}
LADDER = [
    Step(
        key,
        hours * HOUR,
        tuple(Post(post) for post in to.split()),
        Until(until),
        CLOCKS.get(key.removesuffix("_head"), Clock.DISPATCHED),
        hold_at_night=key.startswith(("remind", "chase")),
        missed=key.startswith("missed"),
    )
    for key, (hours, to, until) in PROGRAMME.items()
]


def told(times: TicketTimes) -> dict[str, datetime]:
    """When each step of the programme's ladder is taken if nothing more happens."""
    return {due.step.key: due.release for due in climb(LADDER, times)}


def test_the_shipped_ladder_is_the_programmes() -> None:
    config = load(Path(__file__).parents[2] / "config.yaml")
    assert list(config.steps(Urgency.REPORT)) == LADDER
    faster = {step.key: step.after for step in config.steps(Urgency.EMERGENCY)}
    assert faster == {step.key: step.after for step in LADDER} | {
        "next_officer": 2 * MINUTE,
        "chase_handling": 12 * HOUR,
        "chase_handling_head": 24 * HOUR,
    }
    assert config.window_length == DAY
    assert config.night == NIGHT


def test_a_ticket_of_the_morning_that_nobody_touches() -> None:
    assert told(ticket(at(8))) == {
        "dispatch": at(8),
        "next_officer": at(8, 15),
        "secretary": at(10),
        "remind_team": at(20),
        "remind_head": at(6, day=3),  # four in the morning: held, and still two hours in time
        "missed": at(8, day=3),
        "missed_48h": at(8, day=4),
    }


def test_a_ticket_of_the_night_warns_by_night_rather_than_in_vain() -> None:
    """Twenty hours are over at eleven in the evening; the window ends before the morning."""
    assert told(ticket(at(3))) == {
        "dispatch": at(3),
        "next_officer": at(3, 15),
        "secretary": at(5),
        "remind_team": at(15),
        "remind_head": at(23),
        "missed": at(3, day=3),
        "missed_48h": at(3, day=4),
    }


def test_two_reminders_of_one_morning_go_in_the_order_of_the_ladder() -> None:
    steps = told(ticket(at(10)))
    assert steps["remind_team"] == steps["remind_head"] == at(6, day=3)
    assert list(steps).index("remind_team") < list(steps).index("remind_head")


def test_acceptance_ends_only_what_presses_for_it() -> None:
    steps = told(ticket(at(8), accepted=MINUTE))
    assert list(steps) == ["dispatch", "remind_team", "remind_head", "missed", "missed_48h"]


def test_after_a_response_nobody_is_pressed_for_days_then_for_the_work() -> None:
    chases = {"chase_handling": at(9, day=5), "chase_handling_head": at(9, day=9)}
    assert told(ticket(at(8), responded=HOUR)) == {"dispatch": at(8), **chases}


def test_handled_without_a_report_is_chased_by_day() -> None:
    """Handled at eleven in the evening: a day and three days later it is night again."""
    assert told(ticket(at(8), handled=15 * HOUR)) == {
        "dispatch": at(8),
        "chase_report": at(6, day=4),
        "chase_report_head": at(6, day=6),
    }


@pytest.mark.parametrize("end", [{"handled": HOUR, "reported": 2 * HOUR}, {"ended": HOUR}])
def test_a_report_or_the_end_of_the_ticket_ends_the_ladder(end: dict[str, timedelta]) -> None:
    times = ticket(at(8), **end)
    assert next_step(LADDER, times, {"dispatch"}, NIGHT) is None


def test_an_empty_ladder_waits_for_nothing() -> None:
    assert next_step([], ticket(), set(), NIGHT) is None
