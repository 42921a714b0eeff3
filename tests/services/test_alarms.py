"""An alarm about one of several things: told when it begins and ends, standing in between."""

from __future__ import annotations

from callcenter.services import alarms
from callcenter.services.wording import Words
from callcenter.store.line_models import Alarm
from callcenter.store.models import Notice
from tests.databases import Database
from tests.services.conftest import HOUR, T0, Mail, Town, together

WORDS = Words("Tidak ada petugas piket", "PUPR: malam ini tidak ada petugas piket.")
OVER = Words("Ada petugas piket", "PUPR: ada petugas piket lagi.")
TOLD = ["coordinator", "supervisor"]


def _begin(town: Town, thing: str = "pupr") -> None:
    with town.store.write() as db:
        alarms.begin(db, "duty", "nobody", WORDS, now=T0, thing=thing)


def _end(town: Town, thing: str = "pupr") -> None:
    with town.store.write() as db:
        alarms.end(db, "duty", OVER, now=T0 + HOUR, thing=thing)


def _standing(town: Town) -> list[str]:
    with town.store.read() as db:
        return [alarm.thing for alarm in alarms.all_standing(db)]


def test_each_thing_has_its_own_alarm(town: Town, mail: Mail) -> None:
    _begin(town)
    _begin(town)
    _begin(town, "pdam")
    assert _standing(town) == ["pupr", "pdam"]
    assert [n.person_key for n in town.notices(kind="alarm")] == TOLD * 2
    assert mail.work(T0) == 4
    assert mail.whatsapp.sent[0].text == WORDS.body  # no link: there is no ticket behind it
    _end(town)
    _end(town)
    assert _standing(town) == ["pdam"]
    _begin(town)
    assert _standing(town) == ["pdam", "pupr"]
    assert [n.body == OVER.body for n in town.notices()] == [False] * 4 + [True] * 2 + [False] * 2


def test_of_two_who_begin_it_at_once_one_does(town: Town, database: Database) -> None:
    others = [Town(database.store(), town.rules, town.folder, []) for _ in range(2)]
    came = together(*(lambda other=other: _begin(other) for other in others))
    assert came == [None, None]
    assert town.count(Alarm) == 1
    assert town.count(Notice) == 2


def test_without_a_coordinator_whoever_holds_an_office_is_told(town: Town) -> None:
    for key in TOLD:
        town.change_person(key, active=False)
    _begin(town)
    assert {n.person_key for n in town.notices(kind="alarm")} == {"sekda", "wakil_bupati"}


def test_the_words_stand_with_it(town: Town) -> None:
    _begin(town)
    with town.store.read() as db:
        (alarm,) = alarms.all_standing(db)
    assert (alarm.words, alarm.since) == (WORDS.body, T0)
