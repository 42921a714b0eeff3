"""The PIN for closing: chosen once, kept sealed, counted when wrong, forgotten on request."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from callcenter.config import Config
from callcenter.services import closing_pins, directory
from callcenter.services.errors import NotFound
from callcenter.store.models import Audit, Person
from tests.services.conftest import DAY, DUTY, HOUR, MINUTE, T0, TICK, Town, together

SECRET, PIN = "secret of the tests", "2580"


def _choose(town: Town, ticket_id: int, pin: str = PIN, again: str | None = None) -> str:
    with town.store.write() as db:
        why = closing_pins.choose(
            db,
            ticket_id,
            "pupr_1",
            pin,
            pin if again is None else again,
            secret=SECRET,
            actor=DUTY,
            now=T0,
            rules=town.rules,
        )
        return why.message if why else ""


def _check(town: Town, pin: str, at: datetime = T0, secret: str = SECRET) -> str:
    with town.store.write() as db:
        why = closing_pins.check(db, "pupr_1", pin, secret=secret, actor=DUTY, now=at)
        return why.message if why else ""


@pytest.fixture
def chosen(town: Town) -> int:
    """A ticket, and the PIN of its officer."""
    ticket_id = town.sent()
    assert _choose(town, ticket_id) == ""
    return ticket_id


def test_a_chosen_pin_is_right_and_others_are_wrong(town: Town, chosen: int) -> None:
    assert _check(town, PIN) == ""
    for wrong in ("", "2581", "02580", "２５８０", "\ud800", " 2580"):
        assert _check(town, wrong, T0 + DAY * 9) != ""
        assert _check(town, PIN, T0 + DAY * 9) == ""


def test_the_pin_stands_nowhere_and_another_secret_makes_it_worthless(
    town: Town, chosen: int
) -> None:
    with town.store.read() as db:
        person = db.get_one(Person, "pupr_1")
        assert person.pin_seal is not None
        assert PIN not in person.pin_seal
        assert [row for row in db.query(Audit) if PIN in repr(row.detail) + row.thing] == []
    assert _check(town, PIN, secret="another") == "PIN salah."


def test_the_same_pin_of_two_people_is_sealed_differently(town: Town, chosen: int) -> None:
    seals = {closing_pins._seal(PIN, key, SECRET) for key in ("pupr_1", "pupr_2")}
    assert len(seals) == 2


@pytest.mark.parametrize(
    "pin", ["", "123", "12345", "12a4", "٢٥٨٠", "0000", "7777", "1234", "4321"]
)
def test_what_is_no_pin_or_too_easy_is_refused(town: Town, pin: str) -> None:
    assert _choose(town, town.sent(), pin) != ""
    assert town.notices(kind=f"pin-chosen-{int(T0.timestamp())}") == []


def test_it_is_typed_twice(town: Town) -> None:
    assert _choose(town, town.sent(), PIN, "2581") == "Kedua PIN tidak sama; ketik lagi."


def test_whoever_chooses_is_told_on_their_own_telephone(town: Town, chosen: int) -> None:
    (notice,) = town.notices(kind=f"pin-chosen-{int(T0.timestamp())}")
    assert notice.person_key == "pupr_1"
    assert PIN not in notice.body + notice.subject
    assert "Bila bukan Anda" in notice.body


def test_who_has_one_cannot_choose_another_by_the_same_way(town: Town, chosen: int) -> None:
    assert _choose(town, chosen, "1357") == "PIN salah."
    assert _check(town, PIN) == ""


def test_of_two_who_choose_at_once_one_counts(town: Town) -> None:
    ticket_id = town.sent()
    came = together(*(lambda p=pin: _choose(town, ticket_id, p) for pin in ("2580", "1357")))
    assert sorted(came, key=str) == ["", "PIN salah."], came


def test_the_fifth_wrong_one_locks_until_the_end_of_the_quarter_hour(
    town: Town, chosen: int
) -> None:
    for _ in range(4):
        assert _check(town, "1357") == "PIN salah."
    assert _check(town, PIN) == ""
    for _ in range(5):
        assert _check(town, "1357") == "PIN salah."
    for at, right in ((T0 + 15 * MINUTE - TICK, False), (T0 + 15 * MINUTE, True)):
        assert (_check(town, PIN, at) == "") is right


def test_each_further_five_lock_twice_as_long_and_never_for_good(town: Town, chosen: int) -> None:
    at, waits = T0, []
    for _ in range(9):
        for _ in range(5):
            _check(town, "1357", at)
        with town.store.read() as db:
            until = db.get_one(Person, "pupr_1").pin_locked_until
        assert until is not None
        waits.append(until - at)
        at = until
    quarter = timedelta(minutes=15)
    assert waits[:4] == [quarter, 2 * quarter, 4 * quarter, 8 * quarter]
    assert waits[-1] == 24 * HOUR
    assert _check(town, PIN, at) == ""


def test_a_forgotten_pin_is_chosen_anew(town: Town, chosen: int) -> None:
    for _ in range(5):
        _check(town, "1357")
    with town.store.write() as db:
        closing_pins.forget(db, "pupr_1", actor="supervisor", now=T0)
    assert _check(town, PIN) == "PIN salah."
    assert _choose(town, chosen, "1357") == ""
    assert _check(town, "1357") == ""
    with town.store.write() as db, pytest.raises(NotFound):
        closing_pins.forget(db, "nobody", actor="supervisor", now=T0)


def test_a_new_start_with_the_same_people_keeps_their_pins(
    town: Town, chosen: int, config: Config
) -> None:
    with town.store.write() as db:
        directory.sync(db, config, T0 + HOUR)
    assert _check(town, PIN) == ""
