"""The ladder in virtual time: each step at its minute, once, to the right people, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from callcenter.domain.complaint import Outcome, Urgency
from callcenter.domain.people import Post
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import Clock, Step, Until, next_step
from callcenter.gateways.channel import Arrival
from callcenter.services import delivery, escalation
from callcenter.store.models import Escalation, History, Notice
from tests.databases import Database
from tests.services.conftest import (
    DAY,
    HOUR,
    MINUTE,
    SQLITE,
    T0,
    TICK,
    Town,
    keys,
    minutes,
    together,
)

TEAM = ("pupr_1", "pupr_2")

#: domain.md, "The ladder", for a ticket of PUPR that nobody touches: elapsed time, step, to whom.
#: Dispatched at 10:00 WITA: the 12-hour reminder falls into the night and waits until 06:00.
MORNING = [
    ("0:00", "dispatch", ("pupr_1",)),
    ("0:15", "next_officer", ("pupr_2",)),
    ("2:00", "secretary", ("pupr_secretary",)),
    ("20:00", "remind_team", (*TEAM, "supervisor")),
    ("20:00", "remind_head", ("pupr_head",)),
    ("24:00", "missed", ("pupr_head", "coordinator", "sekda")),
    ("48:00", "missed_48h", ("wakil_bupati",)),
]
#: Dispatched at 03:00 WITA: the reminder to the head falls due at 23:00, and waiting until the
#: morning it would come after the window's end at 03:00.
NIGHT = [
    ("0:00", "dispatch", ("pupr_1",)),
    ("0:15", "next_officer", ("pupr_2",)),
    ("2:00", "secretary", ("pupr_secretary",)),
    ("12:00", "remind_team", (*TEAM, "supervisor")),
    ("20:00", "remind_head", ("pupr_head",)),
    ("24:00", "missed", ("pupr_head", "coordinator", "sekda")),
    ("48:00", "missed_48h", ("wakil_bupati",)),
]
THREE = T0 - 7 * HOUR

Rung = tuple[str, str, tuple[str, ...]]


def _emergency(rungs: list[Rung]) -> list[Rung]:
    """The same ladder, but the next officer is told after 2 minutes."""
    return [("0:02", *rung[1:]) if rung[1] == "next_officer" else rung for rung in rungs]


def _after(elapsed: str) -> timedelta:
    hours, mins = map(int, elapsed.split(":"))
    return timedelta(hours=hours, minutes=mins)


def _moments(rungs: list[Rung], start: datetime) -> list[tuple[str, datetime]]:
    return [(key, start + _after(elapsed)) for elapsed, key, _ in rungs]


def _people(rungs: list[Rung]) -> list[tuple[str, str]]:
    return [(key, person) for _, key, to in rungs for person in to]


@pytest.mark.parametrize(
    ("urgency", "start", "expected"),
    [
        ("report", T0, MORNING),
        ("emergency", T0, _emergency(MORNING)),
        ("report", THREE, NIGHT),
        ("emergency", THREE, _emergency(NIGHT)),
    ],
)
def test_four_days_minute_by_minute(
    town: Town, urgency: str, start: datetime, expected: list[Rung]
) -> None:
    ticket_id = town.sent(start, urgency=urgency)
    for moment in minutes(start, start + 4 * DAY):
        town.steps(moment)
    assert town.taken(ticket_id) == _moments(expected, start)
    assert town.told(ticket_id) == _people(expected)
    assert town.ticket(ticket_id).next_step_at is None


@pytest.mark.parametrize(
    ("urgency", "start", "expected"),
    [("report", T0, MORNING), ("emergency", THREE, _emergency(NIGHT))],
)
def test_each_step_just_before_at_and_just_after(
    town: Town, urgency: str, start: datetime, expected: list[Rung]
) -> None:
    ticket_id = town.sent(start, urgency=urgency)
    moments = sorted({moment for _, moment in _moments(expected, start)})
    for moment in moments[1:]:
        so_far = [key for key, at in _moments(expected, start) if at < moment]
        town.steps(moment - TICK)
        assert keys(town.taken(ticket_id)) == so_far
        town.steps(moment)
        town.steps(moment + TICK)
    assert town.taken(ticket_id) == _moments(expected, start)


@SQLITE
@pytest.mark.parametrize(("after", "held"), [(HOUR, 0 * HOUR), (13 * HOUR, 7 * HOUR)])
def test_a_missing_report_is_chased_minute_by_minute(
    town: Town, after: timedelta, held: timedelta
) -> None:
    """Handled at 11:00 or 23:00 WITA: in a day the team, in three the head, never at night."""
    ticket_id, handled = town.sent(T0), T0 + after
    town.report(ticket_id, handled)
    for moment in minutes(T0, T0 + 5 * DAY):
        town.steps(moment)
    # nobody accepted, but a report answers: nothing of the 24 hours is asked for any more
    assert town.taken(ticket_id) == [
        ("dispatch", T0),
        ("chase_report", handled + 24 * HOUR + held),
        ("chase_report_head", handled + 72 * HOUR + held),
    ]
    assert town.told(ticket_id)[-3:] == [
        ("chase_report", "pupr_1"),
        ("chase_report", "pupr_2"),
        ("chase_report_head", "pupr_head"),
    ]


def test_a_chase_waits_for_the_morning_although_the_window_ends_before_it(town: Town) -> None:
    """Dispatched at 03:00, handled at 13:00: at 23:00 there is no window left to be missed."""
    chase = Step("soon", 10 * HOUR, (Post.TEAM,), Until.REPORTED, Clock.HANDLED, hold_at_night=True)
    _with(town, *town.rules.ladders[Urgency.REPORT], chase)
    ticket_id = town.sent(THREE)
    town.report(ticket_id, THREE + 10 * HOUR)
    assert town.ticket(ticket_id).next_step_at == THREE + 27 * HOUR


# ---------------------------------------------------------------- what stops a step

LAST = T0 + 10 * DAY


def test_accepting_stops_what_asks_for_it_and_nothing_else(town: Town) -> None:
    ticket_id = town.sent()
    town.accept(ticket_id, T0 + MINUTE)
    town.steps(LAST)
    assert keys(town.taken(ticket_id)) == [
        "dispatch",
        "remind_team",
        "remind_head",
        "missed",
        "missed_48h",
    ]


@pytest.mark.parametrize("answer", ["respond", "report", "return_"])
@pytest.mark.parametrize(
    ("after", "taken"),
    [
        (MINUTE, 1),
        (HOUR, 2),
        (3 * HOUR, 3),
        (21 * HOUR, 5),
        (25 * HOUR, 6),
        (49 * HOUR, 7),
    ],
)
def test_an_answer_stops_every_step_of_the_window(
    town: Town, answer: str, after: timedelta, taken: int
) -> None:
    ticket_id = town.sent()
    town.steps(T0 + after)
    getattr(town, answer)(ticket_id, T0 + after)
    town.steps(T0 + after + 20 * HOUR)
    assert keys(town.taken(ticket_id)) == [key for _, key, _ in MORNING[:taken]]


def test_a_delivered_report_stops_the_chase_and_leaves_nothing_to_do(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    assert town.ticket(ticket_id).next_step_key == "chase_report"
    town.report_arrives(ticket_id, T0 + 2 * HOUR)
    assert town.ticket(ticket_id).next_step_at is None
    town.clock(LAST)
    assert keys(town.taken(ticket_id)) == ["dispatch"]


def test_a_closed_ticket_is_left_alone(town: Town) -> None:
    ticket_id = town.sent()
    town.report(ticket_id, T0 + HOUR)
    town.word(town.complaint_of(ticket_id), Outcome.SOLVED, T0 + HOUR)
    town.report_arrives(ticket_id, T0 + 2 * HOUR)
    town.clock(LAST)
    assert keys(town.taken(ticket_id)) == ["dispatch"]


def test_what_happened_over_night_makes_the_held_step_needless(town: Town) -> None:
    ticket_id = town.sent()
    town.steps(T0 + 13 * HOUR)
    assert keys(town.taken(ticket_id))[-1] == "secretary"
    town.respond(ticket_id, T0 + 15 * HOUR)
    town.steps(T0 + 20 * HOUR)
    assert keys(town.taken(ticket_id))[-1] == "secretary"


def test_a_held_step_is_released_at_six_never_twice(town: Town) -> None:
    ticket_id = town.sent()
    town.steps(T0 + 12 * HOUR)
    assert (town.ticket(ticket_id).next_step_key, town.ticket(ticket_id).next_step_at) == (
        "remind_team",
        T0 + 20 * HOUR,
    )
    six = T0 + 20 * HOUR
    for moment in (six - TICK, six, six, six + TICK, six + DAY):
        town.steps(moment)
    assert keys(town.taken(ticket_id)).count("remind_team") == 1
    (escalation,) = [e for e in _escalations(town, ticket_id) if e.step_key == "remind_team"]
    assert (escalation.due_at, escalation.taken_at) == (T0 + 12 * HOUR, six)


def _escalations(town: Town, ticket_id: int) -> list[Escalation]:
    with town.store.read() as db:
        return list(db.query(Escalation).filter_by(ticket_id=ticket_id))


# ---------------------------------------------------------------- sleep, restart, two at once


def test_a_process_that_slept_takes_each_step_once_in_order(town: Town) -> None:
    ticket_id = town.sent()
    slept = T0 + 30 * HOUR
    town.clock(slept)
    town.clock(slept)
    assert town.taken(ticket_id) == [("dispatch", T0)] + [
        (key, slept) for _, key, _ in MORNING[1:6]
    ]
    assert town.told(ticket_id) == _people(MORNING[:6])
    assert town.ticket(ticket_id).next_step_key == "missed_48h"


def test_more_tickets_than_one_turn_takes_are_all_taken(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escalation, "BATCH", 20)
    order = [town.sent() for _ in range(25)]
    assert town.steps(T0 + 15 * MINUTE) == 20
    assert town.steps(T0 + 15 * MINUTE) == 5
    assert town.steps(T0 + 15 * MINUTE) == 0
    assert all(keys(town.taken(t)) == ["dispatch", "next_officer"] for t in order)


def test_two_clocks_on_one_database_take_each_step_exactly_once(
    town: Town, database: Database
) -> None:
    order = [town.sent(urgency=urgency) for urgency in ("report", "emergency") * 6]
    clocks = [Town(database.store(), town.rules, town.folder, []) for _ in range(2)]

    def turn(clock: Town) -> None:
        for elapsed, _, _ in _emergency(MORNING)[1:] + MORNING[1:]:
            clock.clock(T0 + _after(elapsed))
        clock.clock(T0 + 3 * DAY)

    came = together(*(lambda c=c: turn(c) for c in clocks))
    assert came == [None, None]
    town.clock(T0 + 3 * DAY)  # what one left to the other, when both ended at once
    for ticket_id in order:
        assert sorted(keys(town.taken(ticket_id))) == sorted(key for _, key, _ in MORNING)
        told = town.told(ticket_id)
        assert len(told) == len(set(told)) == len(_people(MORNING))


def test_a_ticket_whose_step_fails_holds_up_no_other(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = town.sent(urgency="emergency"), town.sent(T0 + MINUTE)
    town.rules = replace(town.rules, ladders={Urgency.REPORT: town.rules.ladders[Urgency.REPORT]})
    assert town.steps(T0 + HOUR) == 1
    assert keys(town.taken(sound)) == ["dispatch", "next_officer"]
    assert keys(town.taken(broken)) == ["dispatch"]
    assert "a step of the ladder failed" in caplog.text
    assert town.ticket(broken).next_step_at == T0 + HOUR + MINUTE  # asked again, not at once


def test_a_failed_step_leaves_nothing_behind_and_is_taken_later(town: Town) -> None:
    ticket_id = town.sent(urgency="emergency")
    rules = town.rules
    before = [town.count(table) for table in (Escalation, Notice, History)]
    steps = tuple(
        replace(step, to=(*step.to, "nobody")) if step.key == "next_officer" else step  # type: ignore[arg-type]
        for step in rules.ladders[Urgency.EMERGENCY]
    )
    town.rules = replace(rules, ladders={**rules.ladders, Urgency.EMERGENCY: steps})
    town.steps(T0 + 2 * MINUTE)
    assert [town.count(table) for table in (Escalation, Notice, History)] == before
    town.rules = rules
    town.clock(T0 + 3 * MINUTE)
    assert keys(town.taken(ticket_id)) == ["dispatch", "next_officer"]


# ---------------------------------------------------------------- a changed ladder


def _with(town: Town, *steps: Step) -> None:
    town.rules = replace(town.rules, ladders={**town.rules.ladders, Urgency.REPORT: steps})


def test_a_changed_ladder_rewrites_nothing_that_was_taken(town: Town) -> None:
    ticket_id = town.sent()
    town.clock(T0 + 3 * HOUR)
    before = (town.taken(ticket_id), town.told(ticket_id), town.count(History))
    old = town.rules.ladders[Urgency.REPORT]
    later = [replace(s, after=s.after * 2, to=(Post.HEAD,)) for s in old]
    _with(town, *later)
    town.clock(T0 + 3 * HOUR + MINUTE)
    assert (town.taken(ticket_id), town.told(ticket_id), town.count(History)) == before
    town.clock(T0 + 5 * DAY)
    assert keys(town.taken(ticket_id)) == [key for _, key, _ in MORNING]
    assert dict(town.taken(ticket_id))["secretary"] == T0 + 3 * HOUR
    assert [h.why for h in town.history(ticket_id=ticket_id) if h.verb in ("step", "missed")] == [
        key for _, key, _ in MORNING
    ]


def test_a_step_that_was_taken_out_is_not_missed_and_a_new_one_is_taken(town: Town) -> None:
    ticket_id = town.sent()
    old = {step.key: step for step in town.rules.ladders[Urgency.REPORT]}
    new = Step("call_head", 3 * HOUR, (Post.HEAD,), Until.ACCEPTED)
    _with(town, old["dispatch"], old["secretary"], new)
    town.clock(T0 + 4 * HOUR)
    assert keys(town.taken(ticket_id)) == ["dispatch", "secretary", "call_head"]


def test_no_rung_is_taken_for_the_report_whatever_it_is_called(town: Town) -> None:
    """Keys of the ladder are the deployment's own words."""
    old = town.rules.ladders[Urgency.REPORT]
    _with(town, *old, Step("report", HOUR, (Post.HEAD,), Until.REPORTED))
    ticket_id = town.sent()
    town.clock(T0 + HOUR)
    town.report(ticket_id, T0 + 2 * HOUR)
    (rung,) = town.notices(kind="report")
    with town.store.write() as db:
        notice = db.get_one(Notice, rung.id)
        notice.state = "sent"
        delivery.arrived(db, notice, Arrival.DELIVERED, now=T0 + 3 * HOUR, rules=town.rules)
    assert town.ticket(ticket_id).state is TicketState.HANDLED
    town.report_arrives(ticket_id, T0 + 4 * HOUR)
    assert town.ticket(ticket_id).state is TicketState.REPORTED


def test_the_stored_next_step_is_what_the_rules_say(town: Town) -> None:
    ticket_id = town.sent()
    for moment in (MINUTE, 16 * MINUTE, 3 * HOUR, 21 * HOUR, 25 * HOUR, 50 * HOUR):
        town.steps(T0 + moment)
        ticket = town.ticket(ticket_id)
        taken = keys(town.taken(ticket_id))
        expected = next_step(
            town.rules.ladders[Urgency.REPORT], ticket.times, taken, town.rules.night
        )
        assert ticket.next_step_key == (expected.step.key if expected else None)
        assert ticket.next_step_at == (expected.release if expected else None)


def test_an_answer_just_after_the_window_does_not_hide_that_it_was_missed(town: Town) -> None:
    ticket_id = town.sent()
    town.steps(T0 + DAY - MINUTE)
    town.respond(ticket_id, T0 + DAY + TICK)  # before the clock has looked again
    town.steps(T0 + DAY + MINUTE)
    town.steps(T0 + 3 * DAY)
    assert keys(town.taken(ticket_id))[-1] == "missed"
    told = [person for step, person in town.told(ticket_id) if step == "missed"]
    assert told == ["pupr_head", "coordinator", "sekda"]
