"""Rules of writing to citizens, at their edges."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from callcenter.config.schema import Desk, ReadyAnswer
from callcenter.domain.correspondence import (
    HOLES,
    filled,
    holes_of,
    language_of,
    leaves_at,
    session_open,
)
from callcenter.domain.window import Night

WROTE = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)  # 22:30 WITA
TICK = timedelta(microseconds=1)
NIGHT = Night(time(22, 0), time(6, 0), ZoneInfo("Asia/Makassar"))


def test_whatsapp_takes_free_words_for_24_hours() -> None:
    ends = WROTE + timedelta(hours=24)
    assert session_open(WROTE, WROTE)
    assert session_open(WROTE, ends - TICK)
    assert not session_open(WROTE, ends)
    assert not session_open(None, WROTE)


def test_at_night_only_who_has_just_written_is_answered() -> None:
    soon, later = WROTE + timedelta(hours=1) - TICK, WROTE + timedelta(hours=1)
    morning = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
    assert leaves_at(WROTE, soon, NIGHT) == soon
    assert leaves_at(WROTE, later, NIGHT) == morning
    assert leaves_at(None, later, NIGHT) == morning
    assert leaves_at(None, morning, NIGHT) == morning


def test_the_language_is_the_one_chosen_last_on_the_telephone() -> None:
    chosen = [[1.0, "started", "pbx1"], [2.0, "language", "ban"], [3.0, "language", "en"]]
    assert language_of(chosen) == "en"
    assert language_of([[2.0, "language", "tlh"]]) == language_of([]) == "id"


@pytest.mark.parametrize("text", ["{name}", "{}", "{0}", "{number!r:>{phone}}", "{", "a } b"])
def test_a_ready_text_with_strange_braces_is_a_mistake_of_the_configuration(text: str) -> None:
    with pytest.raises(ValueError, match="braces"):
        ReadyAnswer(name="x", text=text)


def test_the_usual_texts_are_filled_in_every_language() -> None:
    known = dict.fromkeys(HOLES, "!")
    for answer in Desk().replies:
        assert "{" not in filled(answer.said("en"), known)
        assert answer.said("ban") == answer.text  # none of its own
        assert holes_of(answer.en) == holes_of(answer.text)
