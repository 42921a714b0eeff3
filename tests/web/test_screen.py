"""Times, durations and countdowns as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask, g, session

from callcenter.web import screen

NOON = datetime(2026, 3, 11, 4, 0, tzinfo=UTC)  # 12.00 WITA


@pytest.fixture
def here(app: Flask) -> Iterator[None]:
    """A request at noon in Bangli."""
    with time_machine.travel(NOON, tick=False), app.test_request_context("/"):
        yield


@pytest.mark.usefixtures("here")
def test_times_are_shown_in_wita() -> None:
    assert screen.wita(NOON) == "11 Mar 2026, 12.00 WITA"
    assert screen.wita(NOON, "short") == "12.00"
    assert screen.wita(NOON - timedelta(hours=13), "short") == "10 Mar 23.00"
    assert screen.wita(NOON, "day") == "11 Maret 2026"
    assert screen.wita(None) == "–"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 detik"),
        (59, "59 detik"),
        (60, "1 menit"),
        (3661, "1 jam 1 menit"),
        (86_400, "1 hari"),
        (-7380, "2 jam 3 menit"),
        (190_000, "2 hari 4 jam"),
    ],
)
def test_durations_in_words(seconds: int, words: str) -> None:
    assert screen.duration(timedelta(seconds=seconds)) == words


@pytest.mark.usefixtures("here")
def test_english_knows_one_and_many() -> None:
    session["language"] = "en"
    g.pop("_flask_babel", None)
    assert screen.duration(3660) == "1 hour 1 minute"
    assert screen.duration(2 * 86_400 + 7200) == "2 days 2 hours"


@pytest.mark.parametrize(
    ("seconds", "face"), [(86_399, "23:59:59"), (0, "00:00:00"), (-61, "−00:01:01")]
)
def test_the_face_of_a_countdown(seconds: int, face: str) -> None:
    assert screen.hms(timedelta(seconds=seconds)) == face


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("back", "words"),
    [
        (timedelta(seconds=20), "baru saja"),
        (timedelta(minutes=41), "41 mnt"),
        (timedelta(hours=8, minutes=5), "8 j 05 mnt"),
        (timedelta(days=3), "3 hari"),
    ],
)
def test_waiting_time_at_a_glance(back: timedelta, words: str) -> None:
    assert screen.ago(NOON - back) == words


@pytest.mark.usefixtures("here")
def test_what_people_type_as_a_time_is_local() -> None:
    assert screen.from_local("2026-03-11T12:00") == NOON
    assert screen.to_local(NOON) == "2026-03-11T12:00"
    assert screen.from_local("soon") is None
    assert screen.local_date("2026-03-11") is not None
    assert screen.local_date("11/03") is None


@pytest.mark.usefixtures("here")
def test_people_are_shown_by_name() -> None:
    assert screen.actor_name("person:pupr_1") == "I Nyoman Darmawan"
    assert screen.actor_name("line:pbx1") == "saluran telepon"
    assert screen.actor_name("operator") == "operator"
    assert screen.place("51.06.02.1004") == "Kawan, Kec. Bangli"
    assert screen.place("nonsense") == ""
