"""Numbers, dates, durations and a complaint's standing, said in three languages by the rules."""

from __future__ import annotations

import datetime as dt
from datetime import timedelta
from pathlib import Path

import pytest
from lokal.terbilang import terbilang

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.domain.ticket import TicketState
from ivr.numbers import make_number
from ivr.prompts import open_books, texts
from ivr.saying import (
    MOST,
    Facts,
    Pace,
    closing,
    date,
    digits,
    duration,
    number,
    status,
    ticket,
    time_of_day,
)

LANGUAGES = ("id", "ban", "en")
BOOKS = open_books(Path(__file__).parents[2] / "recordings" / "prompts")
WORDS = {language: texts("id") | texts(language) for language in LANGUAGES}
WORTH = {f"number_{n}": n for n in (*range(10, 21), 30, 40, 50, 60, 70, 80, 90, 100, 1000)}
WORTH |= {f"digit_{n}": n for n in range(10)} | {f"linked_{n}": n for n in range(10)}
TIMES = {"number_tens": 10, "number_hundreds": 100, "number_thousands": 1000}


def spoken(keys: tuple[str, ...], language: str = "id") -> str:
    return " ".join(WORDS[language][key] for key in keys)


def worth(keys: tuple[str, ...]) -> int:
    """What a spoken number comes to: a size counts what stands before it."""
    total = last = 0
    for key in keys:
        if key == "number_teens":
            total, last = total + 10, last + 10
        elif key == "number_thousands":
            total = last = total * 1000
        elif key in TIMES:
            total, last = total + last * (TIMES[key] - 1), last * TIMES[key]
        else:
            last = WORTH[key]
            total += last
    return total


def test_every_indonesian_number_is_said_as_lokal_writes_it() -> None:
    words = WORDS["id"]
    for n in range(MOST + 1):
        assert " ".join([words[key] for key in number(n)]) == terbilang(n)


@pytest.mark.parametrize("language", ["ban", "en"])
def test_every_number_comes_to_what_it_says(language: str) -> None:
    keys: set[str] = set()
    for n in range(MOST + 1):
        said = number(n, language)
        keys.update(said)
        assert worth(said) == n
    assert all(key in BOOKS[language] for key in keys)


@pytest.mark.parametrize(
    ("n", "balinese", "english"),
    [
        (0, "nol", "zero"),
        (8, "kutus", "eight"),
        (11, "solas", "eleven"),
        (18, "pelekutus", "eighteen"),
        (21, "kalih dasa siki", "twenty one"),
        (34, "tigang dasa papat", "thirty four"),
        (50, "seket", "fifty"),
        (56, "seket nenem", "fifty six"),
        (100, "satus", "one hundred"),
        (315, "tigang atus limolas", "three hundred fifteen"),
        (1000, "siu", "one thousand"),
        (2026, "kalih tali kalih dasa nenem", "two thousand twenty six"),
        (50_000, "seket tali", "fifty thousand"),
        (112_024, "satus rolas tali kalih dasa papat", "one hundred twelve thousand twenty four"),
    ],
)
def test_numbers_in_balinese_and_english(n: int, balinese: str, english: str) -> None:
    assert spoken(number(n, "ban"), "ban") == balinese
    assert spoken(number(n, "en"), "en") == english


@pytest.mark.parametrize("n", [-1, MOST + 1])
def test_a_number_out_of_range_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        number(n)


def test_an_unknown_language_is_spoken_by_the_indonesian_rules() -> None:
    assert number(12, "jv") == number(12, "id")


def test_digits() -> None:
    assert spoken(digits("0307")) == "nol tiga nol tujuh"
    for text in ("", "12a", "1 2", "١٢"):
        with pytest.raises(ValueError, match="only digits"):
            digits(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_date_of_several_years(language: str) -> None:
    day, last = dt.date(2024, 1, 1), dt.date(2031, 12, 31)
    while day <= last:
        said = date(day, language)
        month = said.index(f"month_{day.month}")
        assert worth(tuple(k for k in said[:month] if k != "date")) == day.day
        assert worth(tuple(k for k in said[month + 1 :] if k != "year")) == day.year
        assert all(key in BOOKS[language] for key in said)
        day += timedelta(days=1)


def test_a_date_in_words() -> None:
    day = dt.date(2026, 3, 12)
    assert spoken(date(day)) == "tanggal dua belas Maret dua ribu dua puluh enam"
    assert spoken(date(day, "ban"), "ban") == (
        "tanggal rolas Maret warsa kalih tali kalih dasa nenem"
    )
    assert spoken(date(day, "en"), "en") == "twelve March two thousand twenty six"


@pytest.mark.parametrize(
    ("at", "indonesian", "balinese", "english"),
    [
        ("00:00", "pukul nol", "jam nol", "midnight"),
        (
            "00:05",
            "pukul nol lewat lima menit",
            "jam nol langkung limang menit",
            "twelve oh five AM",
        ),
        ("09:01", "pukul sembilan lewat satu menit", "jam sia langkung amenit", "nine oh one AM"),
        ("12:00", "pukul dua belas", "jam rolas", "noon"),
        ("14:30", "pukul empat belas lewat tiga puluh menit", None, "two thirty PM"),
    ],
)
def test_a_time_of_day(at: str, indonesian: str, balinese: str | None, english: str) -> None:
    time = dt.time.fromisoformat(at)
    assert spoken(time_of_day(time)) == indonesian
    assert spoken(time_of_day(time, "en"), "en") == english
    if balinese:
        assert spoken(time_of_day(time, "ban"), "ban") == balinese


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_minute_of_the_day_is_said_differently(language: str) -> None:
    minutes = [dt.time(hour, minute) for hour in range(24) for minute in range(60)]
    said = {time_of_day(at, language) for at in minutes}
    assert len(said) == len(minutes)
    assert all(key in BOOKS[language] for keys in said for key in keys)


def test_english_says_oh_before_single_minutes_and_nowhere_else() -> None:
    for minute in range(60):
        assert ("oh" in time_of_day(dt.time(13, minute), "en")) is (0 < minute < 10)


@pytest.mark.parametrize(
    ("span", "indonesian", "balinese", "english"),
    [
        ({"seconds": 0}, "kurang dari satu menit", "kirang saking amenit", "less than a minute"),
        ({"seconds": 59}, "kurang dari satu menit", "kirang saking amenit", "less than a minute"),
        ({"seconds": 60}, "satu menit", "amenit", "one minute"),
        ({"minutes": 15}, "lima belas menit", "limolas menit", "fifteen minutes"),
        ({"minutes": 59, "seconds": 59}, "lima puluh sembilan menit", "seket sangang menit", None),
        ({"minutes": 60}, "satu jam", "ajam", "one hour"),
        ({"minutes": 61}, "satu jam satu menit", "ajam amenit", "one hour one minute"),
        (
            {"hours": 22, "minutes": 3},
            "dua puluh dua jam tiga menit",
            "kalih dasa kalih jam tigang menit",
            "twenty two hours three minutes",
        ),
        ({"hours": 24, "seconds": -1}, "dua puluh tiga jam lima puluh sembilan menit", None, None),
        ({"hours": 24}, "satu hari", "arahina", "one day"),
        (
            {"days": 2, "hours": 3, "minutes": 40},
            "dua hari tiga jam",
            "kalih rahina tigang jam",
            "two days three hours",
        ),
        ({"days": 2, "minutes": 40}, "dua hari", "kalih rahina", "two days"),
        ({"days": 400}, "empat ratus hari", "petang atus rahina", "four hundred days"),
    ],
)
def test_a_duration_says_its_two_largest_units(
    span: dict[str, int], indonesian: str, balinese: str | None, english: str | None
) -> None:
    expected = {"id": indonesian, "ban": balinese, "en": english}
    for language, words in expected.items():
        if words:
            assert spoken(duration(timedelta(**span), language), language) == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_minute_of_three_days_has_its_words(language: str) -> None:
    for minute in range(3 * 24 * 60):
        said = duration(timedelta(minutes=minute), language)
        assert said and all(key in BOOKS[language] for key in said)


def test_a_duration_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="below zero"):
        duration(timedelta(seconds=-1))


def test_status_of_waiting_work_that_is_late() -> None:
    facts = Facts("waiting", "pupr", Pace.LATE, timedelta(hours=27), expected=dt.date(2026, 3, 12))
    said = status(facts, sounds={"agency_pupr"})
    assert said[:5] == ("status", "status_waiting", "handled_by", "agency_pupr", "late")
    assert spoken(tuple(key for key in said if not key.startswith("agency_"))) == (
        "Aduan Anda masih menunggu dikerjakan. Instansi yang menangani: Tanggapan terlambat "
        "satu hari tiga jam Perkiraan dilanjutkan tanggal dua belas Maret dua ribu dua puluh enam"
    )


def test_status_while_the_clock_runs_and_when_it_was_met() -> None:
    running = Facts("dispatched", pace=Pace.RUNNING, span=timedelta(hours=21, minutes=15))
    assert spoken(status(running, "en"), "en") == (
        "Your complaint has been sent on. Time left to answer: twenty one hours fifteen minutes"
    )
    met = Facts("closed", pace=Pace.MET, outcome="solved")
    assert spoken(status(met, "ban"), "ban") == (
        "Aduan ragane sampun katutup. Katanggapin nenten kasep. Manut ragane, puput."
    )


def test_an_agency_without_a_sound_is_not_named() -> None:
    facts = Facts("accepted", "pupr")
    assert "handled_by" not in status(facts, sounds=BOOKS["id"])
    assert status(facts) == ("status", "status_accepted", "handled_by", "agency_pupr")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", [*ComplaintState, *TicketState])
def test_every_state_and_every_word_of_the_citizen_can_be_said(state: str, language: str) -> None:
    for outcome in (None, *Outcome):
        said = status(Facts(state, outcome=outcome), language)
        assert said[0] == "status"
        assert all(key in BOOKS[language] and key in WORDS[language] for key in said)


def test_what_an_officer_hears_first() -> None:
    said = ticket(True, "fire", timedelta(hours=1), sounds={"category_fire"})
    assert said == (
        "brief_emergency",
        "category_fire",
        "time_left",
        "digit_1",
        "hours",
    )
    assert spoken(ticket(False, "fire", timedelta(minutes=-2), sounds=())) == (
        "Aduan baru. Tanggapan terlambat dua menit"
    )
    assert ticket(False, None, None) == ("brief_report",)


def test_a_citizen_hears_which_complaint_is_meant() -> None:
    number_ = make_number(0)
    said = closing(number_, "waste", {"category_waste"})
    assert said[0] == "number_intro"
    assert [key[-1] for key in said if key.startswith("digit_")] == list(number_)
    assert said[-1] == "category_waste"
    assert closing(number_, "waste", ())[-1] != "category_waste"
