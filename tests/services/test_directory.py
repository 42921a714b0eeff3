"""Agencies and people: the tables follow the file, and who left is kept but told nothing more."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from callcenter.config import Config
from callcenter.services import directory
from callcenter.services.errors import Refused
from callcenter.store.models import Agency, Audit, Person
from tests.services.conftest import HOUR, MINUTE, T0, Mail, Town


def _rows(town: Town) -> list[dict[str, Any]]:
    with town.store.read() as db:
        return [
            {c.key: getattr(row, c.key) for c in row.__table__.columns}
            for table in (Agency, Person, Audit)
            for row in db.scalars(select(table).order_by(*table.__table__.primary_key))
        ]


def _sync(town: Town, config: Config) -> None:
    with town.store.write() as db:
        directory.sync(db, config, T0)


def _person(town: Town, key: str) -> Person:
    with town.store.read() as db:
        return db.get_one(Person, key)


def _changed(config: Config, key: str, **values: Any) -> Config:
    """The file with another text for one agency."""
    agencies = tuple(a.model_copy(update=values) if a.key == key else a for a in config.agencies)
    return config.model_copy(update={"agencies": agencies})


def _without(config: Config, key: str) -> Config:
    return config.model_copy(update={"agencies": tuple(a for a in config.agencies if a.key != key)})


def _team(config: Config, key: str) -> tuple[Any, ...]:
    agency = config.agency(key)
    assert agency is not None
    return agency.team


def test_everybody_of_the_file_is_there_in_duty_order(town: Town, config: Config) -> None:
    assert town.count(Agency) == len(config.agencies)
    people = sum(1 + bool(a.secretary) + len(a.team) for a in config.agencies)
    assert town.count(Person) == people + len(config.offices)
    first, second = _person(town, "pupr_1"), _person(town, "pupr_2")
    assert (first.post, first.duty_order, second.duty_order) == ("officer", 0, 1)
    assert (_person(town, "sekda").agency_key, _person(town, "sekda").post) == (
        None,
        "regional_secretary",
    )


def test_running_it_again_changes_nothing(town: Town, config: Config) -> None:
    before = _rows(town)
    for _ in range(3):
        _sync(town, config)
    assert _rows(town) == before


def test_who_left_is_kept_but_inactive_and_written_down_once(town: Town, config: Config) -> None:
    team = _team(config, "pupr")
    smaller = _changed(config, "pupr", team=team[1:])
    for _ in range(2):
        _sync(town, smaller)
    assert not _person(town, "pupr_1").active
    assert _person(town, "pupr_2").duty_order == 0
    with town.store.read() as db:
        things = db.scalars(select(Audit.thing).where(Audit.action == "person_left")).all()
    assert things == ["person:pupr_1"]
    assert town.told(town.sent()) == [("dispatch", "pupr_2")]


def test_who_left_with_a_notice_on_the_way_does_not_get_it(
    town: Town, config: Config, mail: Mail
) -> None:
    ticket_id = town.sent()
    _sync(town, _changed(config, "pupr", team=_team(config, "pupr")[1:]))
    mail.work(T0)
    assert mail.sent() == []
    assert town.notices(ticket_id=ticket_id)[0].state == "dead"
    town.steps(T0 + 15 * MINUTE)
    assert town.told(ticket_id)[1:] == [("next_officer", "pupr_2")]


def test_who_comes_back_is_told_again(town: Town, config: Config) -> None:
    _sync(town, _changed(config, "pupr", team=_team(config, "pupr")[1:]))
    _sync(town, config)
    assert _person(town, "pupr_1").active
    assert town.told(town.sent()) == [("dispatch", "pupr_1")]


def test_an_agency_that_left_gets_no_tickets_and_its_people_no_steps(
    town: Town, config: Config
) -> None:
    ticket_id = town.sent()
    _sync(town, _without(config, "pupr"))
    with pytest.raises(Refused):
        town.sent()
    town.steps(T0 + 2 * HOUR)
    assert town.told(ticket_id)[1:] == [
        ("next_officer", "coordinator"),
        ("secretary", "coordinator"),
    ]
    _sync(town, config)
    assert town.told(town.sent()) == [("dispatch", "pupr_1")]


def test_a_new_number_is_used_for_what_is_already_on_its_way(
    town: Town, config: Config, mail: Mail
) -> None:
    town.sent()
    team = _team(config, "pupr")
    moved = team[0].model_copy(update={"whatsapp": "+628129999999"})
    _sync(town, _changed(config, "pupr", team=(moved, *team[1:])))
    mail.work(T0)
    assert mail.sent() == [("whatsapp", "+628129999999")]


def test_a_person_who_changes_the_agency_is_not_there_twice(town: Town, config: Config) -> None:
    mover = _team(config, "pupr")[0]
    config = _changed(config, "pupr", team=_team(config, "pupr")[1:])
    config = _changed(config, "pdam", team=(mover, *_team(config, "pdam")))
    _sync(town, config)
    assert (_person(town, "pupr_1").agency_key, _person(town, "pupr_1").active) == ("pdam", True)
    assert town.told(town.sent(agency="pdam")) == [("dispatch", "pupr_1")]
    assert town.told(town.sent()) == [("dispatch", "pupr_2")]
