"""Asking an officer by hand: whom, for what, how often, and not at night."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from callcenter.domain.chasing import PAUSE, may_chase
from callcenter.services import chasing
from callcenter.services.errors import NotFound, Refused
from callcenter.store.models import Notice
from tests.services.conftest import DAY, HOUR, MINUTE, SECOND, T0, TICK, Town, together

HEAD = "person:pupr_head"


def _chase(town: Town, ticket_id: int, at: datetime = T0 + HOUR) -> list[str]:
    with town.store.write() as db:
        told = chasing.chase(db, ticket_id, actor=HEAD, now=at, rules=town.rules)
        return [person.key for person in told]


def _notices(town: Town) -> list[Notice]:
    return [n for n in town.notices() if n.kind.startswith("chase-")]


@pytest.mark.parametrize(
    ("since", "fine"), [(timedelta(0), False), (PAUSE - TICK, False), (PAUSE, True)]
)
def test_the_pause_is_half_open(since: timedelta, fine: bool) -> None:
    assert may_chase(T0, T0 + since) is fine
    assert may_chase(None, T0)


def test_who_accepted_is_asked_else_who_is_on_duty(town: Town) -> None:
    ticket_id = town.sent()
    assert _chase(town, ticket_id) == ["pupr_1"]
    town.accept(ticket_id, T0 + HOUR, SECOND)
    assert _chase(town, ticket_id, T0 + 2 * HOUR) == ["pupr_2"]
    town.change_person("pupr_2", active=False)
    assert _chase(town, ticket_id, T0 + 3 * HOUR) == ["pupr_1"]


def test_it_is_written_down_and_says_how_much_time_is_left(town: Town) -> None:
    ticket_id = town.sent()
    _chase(town, ticket_id)
    (notice,) = _notices(town)
    assert notice.subject == "Ditagih: Jalan rusak, Kawan"
    assert "Sisa waktu 23 jam 0 menit." in notice.body
    row = town.history(verb="chase")[0]
    assert (row.actor, row.at, row.ticket_id) == (HEAD, T0 + HOUR, ticket_id)
    assert "Contoh" not in notice.body


@pytest.mark.parametrize(
    ("at", "words"),
    [(T0 + DAY - TICK, "Sisa waktu"), (T0 + DAY, "Batas waktunya terlewati.")],
)
def test_from_the_due_moment_on_it_is_late(town: Town, at: datetime, words: str) -> None:
    _chase(town, town.sent(), at)
    assert words in _notices(town)[0].body


def test_nobody_chases_twice_within_the_hour(town: Town) -> None:
    ticket_id = town.sent()
    _chase(town, ticket_id, T0)
    with pytest.raises(Refused, match="satu jam"):
        _chase(town, ticket_id, T0 + HOUR - TICK)
    _chase(town, ticket_id, T0 + HOUR)
    assert len(_notices(town)) == 2


def test_of_many_who_chase_at_once_one_does(town: Town) -> None:
    ticket_id = town.sent()
    came = together(*(lambda: _chase(town, ticket_id) for _ in range(4)))
    assert sum(isinstance(one, list) for one in came) == 1, came
    assert len(_notices(town)) == 1


@pytest.mark.parametrize("verb", ["return_", "report"])
def test_where_nothing_is_expected_nobody_is_asked(town: Town, verb: str) -> None:
    ticket_id = town.sent()
    getattr(town, verb)(ticket_id, T0 + MINUTE)
    with pytest.raises(Refused, match="tidak sedang ditunggu"):
        _chase(town, ticket_id)
    with pytest.raises(NotFound):
        _chase(town, 999)


def test_what_waits_has_its_own_day(town: Town) -> None:
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + MINUTE)
    town.wait(ticket_id, T0 + MINUTE, T0 + 9 * DAY)
    with pytest.raises(Refused):
        _chase(town, ticket_id)


def test_at_night_it_waits_for_the_morning(town: Town) -> None:
    ticket_id = town.sent()
    night = T0.replace(hour=15)  # 23.00 WITA
    _chase(town, ticket_id, night)
    (notice,) = _notices(town)
    assert notice.not_before == T0.replace(hour=22)  # 06.00 WITA
