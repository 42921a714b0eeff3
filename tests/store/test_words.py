"""What two people write about one thing becomes the same words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.store.words import fold, folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jalan berlubang", "jln lobang"),
        ("sampah tidak diangkut", "SAMPAH GAK DIANGKUT"),
        ("perbaikan", "diperbaiki"),
        ("jalane uug", "jalan rusak"),
        ("yeh ledenge mati", "air pdam padam"),
        ("gorong2", "gorong-gorong"),
        ("aduuuuh", "aduh"),
        ("embid abinge", "longsor tebing"),
        ("punyan kayu pungkat", "pohon kayu tumbang"),
        ("café", "cafe"),
        ("𝐀𝐢𝐫 mati", "air mati"),
    ],
)
def test_spellings_meet(one: str, other: str) -> None:
    assert set(folded(one)) == set(folded(other))


def test_words_without_meaning_are_left_out() -> None:
    assert folded("pak tolong, ini yg di sana sudah sekali ya") == folded("sana")


def test_numbers_stay_as_they_are() -> None:
    assert folded("nomor 1112 dan 40") == ["nomor", "1112", "40"]


def test_what_is_longer_than_a_word_is_none() -> None:
    assert folded("a" * 41) == []
    assert len(folded("a" * 40)) == 1


def test_a_text_without_end_is_read_to_a_limit() -> None:
    assert len(folded("jalan " * 10_000)) == 4000


@given(st.text())
def test_anything_is_folded_to_small_letters_and_digits(text: str) -> None:
    for word in folded(text):
        assert word.isascii()
        assert word.isalnum()
        assert word == word.lower()


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", max_size=30))
def test_folding_one_word_is_the_same_each_time(word: str) -> None:
    assert fold(word) == fold(word.upper())
