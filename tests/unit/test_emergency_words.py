"""Words that mean danger, in what citizens write."""

from __future__ import annotations

import pytest

from callcenter.config.schema import Desk
from callcenter.domain.emergency_words import found

WORDS = ("kebakaran", "api", "tumbang")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ada KEBAKARAN di pasar", ["kebakaran"]),
        ("apinya besar, api lagi, apinya", ["apinya", "api"]),
        ("pohon tumbang!", ["tumbang"]),
        ("rapi sekali, tidak seperti kapiten", []),
        ("", []),
    ],
)
def test_whole_words_with_their_endings(text: str, words: list[str]) -> None:
    assert found(text, WORDS) == words


def test_no_words_are_in_no_text() -> None:
    assert found("kebakaran", ()) == []


def test_signs_in_a_configured_word_are_no_pattern() -> None:
    assert found("abc", ("a.c",)) == []


def test_the_usual_list_leaves_an_ordinary_report_alone() -> None:
    usual = Desk().emergency_words
    assert found("Lampu jalan mati sudah tiga hari, mohon diperbaiki.", usual) == []
    assert found("Tolong, ada kecelakaan dan orang pingsan", usual) == [
        "tolong",
        "kecelakaan",
        "pingsan",
    ]
