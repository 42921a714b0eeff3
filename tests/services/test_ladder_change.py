"""Changing the ladder: what happened stays, open tickets take the new steps from now on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from callcenter.config import Config
from callcenter.config.load import load
from callcenter.services import ladder_change, ladders
from callcenter.store.models import Audit, LadderVersion
from callcenter.wiring import rules_of
from tests.databases import Database
from tests.services.conftest import DAY, HOUR, MINUTE, ROOT, SQLITE, T0, Town, keys, together

Edit = Callable[[dict[str, Any]], None]


def _rung(ladder: dict[str, Any], key: str) -> dict[str, Any]:
    return next(r for r in ladder["report"] if r["key"] == key)


def _config(folder: Path, edit: Edit | None = None) -> Config:
    """The shipped configuration with another ladder."""
    text = yaml.safe_load((ROOT / "config.yaml").read_text())
    if edit:
        edit(text["ladder"])
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(text))
    return load(file)


def _adopt(town: Town, config: Config, at: datetime) -> bool:
    with town.store.write() as db:
        return ladders.adopt(db, ladders.rungs_of(config), actor="admin", now=at)


def _move(town: Town, at: datetime) -> None:
    while True:
        with town.store.write() as db:
            if not ladder_change.move_due(db, now=at, rules=town.rules):
                return


def _change(town: Town, config: Config, at: datetime) -> None:
    assert _adopt(town, config, at)
    _move(town, at)


@pytest.fixture
def house(town: Town, tmp_path: Path) -> Town:
    """A regency whose first ladder is the shipped one."""
    assert _adopt(town, _config(tmp_path), T0 - DAY)
    return town


def _earlier_reminder(ladder: dict[str, Any]) -> None:
    _rung(ladder, "remind_head")["after"] = "5h"
    _rung(ladder, "remind_head")["hold_at_night"] = False
    ladder["report"].append({"key": "extra", "after": "1h", "to": ["head"], "until": "responded"})
    ladder["report"].append({"key": "later", "after": "9h", "to": ["head"], "until": "responded"})
    ladder["report"] = [r for r in ladder["report"] if r["key"] != "missed_48h"]


def test_what_happened_stays_and_the_new_steps_count_from_now_on(
    house: Town, tmp_path: Path
) -> None:
    ticket_id = house.sent()
    house.steps(T0 + 6 * HOUR)
    before = house.taken(ticket_id)
    _change(house, _config(tmp_path, _earlier_reminder), T0 + 6 * HOUR)
    assert house.taken(ticket_id) == before
    assert house.ticket(ticket_id).passed_steps == ["extra"]  # its hour was over, and it was new
    # the reminder was still to come, and by the new ladder its hour is over: at once
    assert house.ticket(ticket_id).next_step_key == "remind_head"
    for hour in range(6, 72):
        house.steps(T0 + hour * HOUR)
    after = house.taken(ticket_id)[len(before) :]
    assert [(key, at - T0) for key, at in after] == [
        ("remind_head", 6 * HOUR),
        ("later", 9 * HOUR),
        ("remind_team", 20 * HOUR),
        ("missed", 24 * HOUR),
    ]
    new = house.sent(T0 + 7 * HOUR)
    assert house.ticket(new).next_step_key == "next_officer"
    house.steps(T0 + 9 * HOUR)
    assert "extra" in keys(house.taken(new))


def test_what_fell_due_before_the_change_is_taken_by_the_old_ladder(
    house: Town, tmp_path: Path
) -> None:
    """Nobody was there from the first minute on: the clock stood, then the ladder was changed."""
    ticket_id = house.sent()

    def without(ladder: dict[str, Any]) -> None:
        ladder["report"] = [
            r for r in ladder["report"] if r["key"] not in ("next_officer", "secretary", "missed")
        ]

    _adopt(house, _config(tmp_path, without), T0 + 3 * HOUR)
    _move(house, T0 + 30 * HOUR)
    house.steps(T0 + 30 * HOUR)
    assert keys(house.taken(ticket_id)) == [
        "dispatch",
        "next_officer",
        "secretary",
        "remind_team",
        "remind_head",
    ]


def test_several_changes_while_nobody_moved_a_ticket(house: Town, tmp_path: Path) -> None:
    ticket_id = house.sent()

    def add(key: str, after: str) -> Edit:
        rung = {"key": key, "after": after, "to": ["head"], "until": "never"}
        return lambda ladder: ladder["report"].append(rung)

    _adopt(house, _config(tmp_path, add("one", "1h")), T0 + 30 * MINUTE)
    _adopt(house, _config(tmp_path, add("two", "90m")), T0 + 2 * HOUR)
    _move(house, T0 + 3 * HOUR)
    assert [k for k in keys(house.taken(ticket_id)) if k in ("one", "two")] == ["one"]
    assert house.ticket(ticket_id).passed_steps == ["two"]


def test_a_dry_run_says_what_changes_and_changes_nothing(house: Town, tmp_path: Path) -> None:
    first, quiet = house.sent(), house.sent()
    house.report(quiet, T0 + HOUR)
    house.report_arrives(quiet, T0 + HOUR)
    house.steps(T0 + 6 * HOUR)
    faces = [house.ticket(t).next_step_at for t in (first, quiet)]
    rungs = ladders.rungs_of(_config(tmp_path, _earlier_reminder))
    with house.store.read() as db:
        (change,) = ladder_change.preview(db, rungs, now=T0 + 6 * HOUR, rules=house.rules)
        assert change.ticket.id == first
    assert change.before is not None
    assert change.after is not None
    assert (change.before.step.key, change.before.release) == ("remind_team", T0 + 20 * HOUR)
    assert (change.after.step.key, change.at_once, change.passed) == (
        "remind_head",
        True,
        ("extra",),
    )
    assert [house.ticket(t).next_step_at for t in (first, quiet)] == faces
    assert house.count(LadderVersion) == 1


def test_the_old_ladder_stays_in_force_until_it_is_adopted_also_over_a_start(
    house: Town, tmp_path: Path
) -> None:
    """Another process reads the changed file; nothing changes."""
    config = _config(tmp_path, _earlier_reminder)
    restarted = Town(house.store, rules_of(config), house.folder, [])
    ticket_id = restarted.sent()
    restarted.steps(T0 + 12 * HOUR)
    assert keys(restarted.taken(ticket_id)) == ["dispatch", "next_officer", "secretary"]
    with house.store.write() as db:
        ladders.adopt_first(db, config, T0 + DAY)  # what `migrate` and `up` do
    assert house.count(LadderVersion) == 1
    assert not _adopt(house, _config(tmp_path), T0 + DAY)  # the very same


@SQLITE
def test_an_exercise_is_no_other_ladder(house: Town, tmp_path: Path) -> None:
    text = yaml.safe_load((ROOT / "config.yaml").read_text())
    text["window"]["time_scale"] = 60
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(text))
    config = load(tmp_path / "config.yaml")
    assert not _adopt(house, config, T0)
    fast = Town(house.store, rules_of(config), house.folder, [])
    ticket_id = fast.sent()
    assert fast.ticket(ticket_id).next_step_at == T0 + MINUTE / 4


def test_an_agency_may_have_a_ladder_of_its_own(town: Town, tmp_path: Path) -> None:
    def own(ladder: dict[str, Any]) -> None:
        rungs = [
            {"key": "dispatch", "after": "0s", "to": ["duty", "head"], "until": "never"},
            {"key": "missed", "after": "6h", "to": ["head"], "until": "responded", "missed": True},
        ]
        ladder["agencies"] = {"pln": {"report": rungs}}

    config = _config(tmp_path, own)
    for adopted in (False, True):  # by the file alone, and as it was adopted
        if adopted:
            _adopt(town, config, T0)
        there = town
        there.rules = rules_of(config)
        complaint_id = there.complaint(urgency="report")
        theirs = there.dispatch(complaint_id, T0, "pln")
        ours = there.dispatch(complaint_id, T0, "pupr")
        urgent = there.sent(agency="pln", urgency="emergency")
        there.steps(T0 + 7 * HOUR)
        assert keys(there.taken(theirs)) == ["dispatch", "missed"]
        assert [p for _, p in there.told(theirs)][:2] == ["pln_1", "pln_head"]
        assert keys(there.taken(ours)) == ["dispatch", "next_officer", "secretary"]
        assert keys(there.taken(urgent)) == ["dispatch", "next_officer", "secretary"]
        there.return_(theirs, T0 + 8 * HOUR)


def test_a_ticket_that_ended_stays_on_the_ladder_it_climbed(house: Town, tmp_path: Path) -> None:
    ended = house.sent()
    house.return_(ended, T0 + HOUR)
    before = house.ticket(ended).ladder_id
    _change(house, _config(tmp_path, _earlier_reminder), T0 + 2 * HOUR)
    assert house.ticket(ended).ladder_id == before


def test_two_who_adopt_and_two_clocks_that_move_do_it_once(
    house: Town, tmp_path: Path, database: Database
) -> None:
    sent = [house.sent() for _ in range(5)]
    config = _config(tmp_path, _earlier_reminder)
    others = [Town(database.store(), house.rules, house.folder, []) for _ in range(2)]
    came = together(*(lambda o=o: _adopt(o, config, T0 + 6 * HOUR) for o in others))
    assert sorted(map(str, came)) == ["False", "True"]
    assert together(*(lambda o=o: _move(o, T0 + 6 * HOUR) for o in others)) == [None, None]
    for ticket_id in sent:
        house.steps(T0 + 6 * HOUR)
        taken = keys(house.taken(ticket_id))
        assert len(taken) == len(set(taken))
    with house.store.read() as db:
        rows = [(a.actor, a.thing) for a in db.query(Audit).filter_by(action="ladder_adopted")]
    assert rows == [("admin", "ladder:1"), ("admin", "ladder:2")]


def test_mistakes_in_an_agencys_own_ladder_are_named(tmp_path: Path) -> None:
    from callcenter.config import ConfigError

    def wrong(ladder: dict[str, Any]) -> None:
        rung = {"key": "late", "after": "1h", "to": ["head"]}
        ladder["agencies"] = {"pln": {"report": [rung]}, "nobody": {}}

    with pytest.raises(ConfigError) as error:
        _config(tmp_path, wrong)
    told = "\n".join(error.value.mistakes)
    assert "ladder.agencies.nobody: unknown agency" in told
    assert "ladder.agencies.pln.report: no step at 0" in told
