"""The roster at work: who is told, swaps, and nobody on duty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time

import pytest

from callcenter.domain.calendar import Calendar
from callcenter.domain.roster import Plan, Shift
from callcenter.services import alarms, roster, roster_watch
from callcenter.services.errors import NotFound, Refused
from callcenter.store.models import Audit, DutySwap
from tests.services.conftest import DAY, HOUR, MINUTE, T0, TICK, Town

WEEK = frozenset(range(7))
#: T0 is Monday, 10:00 WITA.
DAY_AND_NIGHT = Plan(
    (Shift(WEEK, time(7), time(19), ("pupr_2",)), Shift(WEEK, time(19), time(7), ("pupr_1",)))
)
ONLY_BY_DAY = Plan((Shift(WEEK, time(7), time(19), ("pupr_2",)),))
EVENING, NIGHT = T0 + 9 * HOUR, T0 + 12 * HOUR


def _planned(town: Town, plan: Plan) -> Town:
    town.rules = replace(town.rules, rosters={"pupr": plan})
    return town


def _swap(town: Town, at: datetime = T0, **changed: object) -> int:
    values: dict[str, object] = {
        "out": "pupr_2",
        "into": "pupr_1",
        "starts": T0,
        "ends": T0 + 2 * HOUR,
        "why": "Sakit",
    }
    with town.store.write() as db:
        return roster.swap(
            db,
            "pupr",
            actor="officer",
            now=at,
            **{**values, **changed},  # type: ignore[arg-type]
        ).id


def _cancel(town: Town, swap_id: int, at: datetime, agency: str = "pupr") -> None:
    with town.store.write() as db:
        roster.cancel(db, swap_id, agency, actor="admin", now=at)


def _first(town: Town, at: datetime) -> str:
    return town.told(town.sent(at))[0][1]


def _watch(town: Town, at: datetime) -> list[str]:
    with town.store.write() as db:
        roster_watch.watch(db, now=at, rules=town.rules)
    with town.store.read() as db:
        return [alarm.thing for alarm in alarms.all_standing(db)]


@pytest.mark.parametrize(
    ("at", "person"),
    [
        (T0, "pupr_2"),
        (EVENING - TICK, "pupr_2"),
        (EVENING, "pupr_1"),
        (T0 + 21 * HOUR - TICK, "pupr_1"),
        (T0 + 21 * HOUR, "pupr_2"),
    ],
)
def test_who_is_on_duty_is_told_first(town: Town, at: datetime, person: str) -> None:
    assert _first(_planned(town, DAY_AND_NIGHT), at) == person


def test_unanswered_goes_to_the_next_of_the_team_and_then_up(town: Town) -> None:
    ticket_id = _planned(town, ONLY_BY_DAY).sent()
    town.steps(T0 + 3 * HOUR)
    assert town.told(ticket_id) == [
        ("dispatch", "pupr_2"),
        ("next_officer", "pupr_1"),  # off duty, and still of the team
        ("secretary", "pupr_secretary"),
    ]


def test_where_nobody_else_is_left_it_goes_to_the_head(town: Town) -> None:
    town.change_person("pupr_1", active=False)
    ticket_id = _planned(town, ONLY_BY_DAY).sent()
    town.steps(T0 + 20 * MINUTE)
    assert town.told(ticket_id) == [("dispatch", "pupr_2"), ("next_officer", "pupr_head")]


def test_nobody_on_duty_sends_it_to_the_head_at_once(town: Town) -> None:
    assert _first(_planned(town, ONLY_BY_DAY), NIGHT) == "pupr_head"


def test_an_agency_without_a_plan_has_its_whole_team_on_duty(town: Town) -> None:
    _planned(town, ONLY_BY_DAY)
    assert town.told(town.sent(NIGHT, agency="pdam")) == [("dispatch", "pdam_1")]
    assert _watch(town, NIGHT) == ["pupr"]


def test_holidays_have_their_own_people(town: Town) -> None:
    calendar = Calendar(frozenset({date(2026, 3, 2)}), town.rules.zone)
    town.rules = replace(town.rules, calendar=calendar)
    _planned(town, replace(DAY_AND_NIGHT, holidays=("pupr_1",)))
    assert _first(town, T0) == "pupr_1"
    assert _first(town, T0 + DAY) == "pupr_2"


# ---------------------------------------------------------------- swaps


def test_a_swap_holds_for_its_time_and_is_written_down(town: Town) -> None:
    _planned(town, DAY_AND_NIGHT)
    _swap(town)
    found = [_first(town, at) for at in (T0 - TICK, T0, T0 + 2 * HOUR - TICK, T0 + 2 * HOUR)]
    assert found == ["pupr_2", "pupr_1", "pupr_1", "pupr_2"]
    with town.store.read() as db:
        row = db.get_one(DutySwap, 1)
        assert (row.made_by, row.made_at, row.why) == ("officer", T0, "Sakit")
        actions = [a.action for a in db.query(Audit).filter(Audit.thing == "duty_swap:1")]
    assert actions == ["duty_swapped"]


def test_a_cancelled_swap_counts_until_then(town: Town) -> None:
    _planned(town, DAY_AND_NIGHT)
    swap_id = _swap(town)
    _cancel(town, swap_id, T0 + HOUR)
    assert [_first(town, at) for at in (T0 + HOUR - TICK, T0 + HOUR)] == ["pupr_1", "pupr_2"]
    with pytest.raises(Refused):
        _cancel(town, swap_id, T0 + HOUR)


def test_somebody_may_stand_beside_the_others(town: Town) -> None:
    _planned(town, ONLY_BY_DAY)
    _swap(town, out=None, into="pupr_1", starts=NIGHT, ends=NIGHT + HOUR)
    assert _first(town, NIGHT) == "pupr_1"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"out": "pdam_1"}, "out"),
        ({"into": "pdam_1"}, "into"),
        ({"into": "pupr_head"}, "into"),
        ({"into": "pupr_2"}, "into"),
        ({"into": ""}, "into"),
        ({"ends": T0}, "ends"),
        ({"starts": T0 - DAY, "ends": T0 - TICK}, "ends"),
        ({"ends": T0 + 93 * DAY}, "ends"),
        ({"why": " "}, "why"),
        ({"why": "x" * 301}, "why"),
    ],
)
def test_what_is_no_swap(town: Town, changed: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as refused:
        _swap(town, **changed)
    assert refused.value.field == field
    assert town.count(DutySwap) == 0


def test_another_agencys_swap_is_not_there(town: Town) -> None:
    swap_id = _swap(town)
    with pytest.raises(NotFound):
        _cancel(town, swap_id, T0, agency="pdam")


# ---------------------------------------------------------------- nobody


def test_nobody_on_duty_is_an_alarm_until_somebody_is(town: Town) -> None:
    _planned(town, ONLY_BY_DAY)
    looks = (EVENING - TICK, EVENING, NIGHT, T0 + 21 * HOUR - TICK, T0 + 21 * HOUR)
    assert [_watch(town, at) for at in looks] == [[], ["pupr"], ["pupr"], ["pupr"], []]
    told = [(n.person_key, n.subject.split(":")[0]) for n in town.notices(kind="alarm")]
    assert told == [
        ("coordinator", "Tidak ada petugas piket"),
        ("supervisor", "Tidak ada petugas piket"),
        ("coordinator", "Ada petugas piket"),
        ("supervisor", "Ada petugas piket"),
    ]


@pytest.mark.parametrize(
    "ends",
    [
        lambda town: _swap(town, out=None, starts=NIGHT, ends=NIGHT + HOUR),
        lambda town: setattr(town, "rules", replace(town.rules, rosters={})),
    ],
)
def test_a_swap_or_a_plan_taken_out_ends_the_alarm(
    town: Town, ends: Callable[[Town], object]
) -> None:
    _planned(town, ONLY_BY_DAY)
    assert _watch(town, NIGHT) == ["pupr"]
    ends(town)
    assert _watch(town, NIGHT + MINUTE) == []


def test_a_planned_officer_who_left_is_nobody(town: Town) -> None:
    _planned(town, ONLY_BY_DAY)
    town.change_person("pupr_2", active=False)
    assert _watch(town, T0) == ["pupr"]
    assert _first(town, T0) == "pupr_head"
