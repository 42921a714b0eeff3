"""The word error rate: words changed, put in, left out, by words said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.word_errors import WordErrors, compare, plain_words

WORDS = st.lists(st.sampled_from(["jalan", "rusak", "lampu", "mati", "air"]), max_size=7)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("jalan rusak", "jalan rusak", WordErrors(2, 0, 0, 0)),
        ("jalan rusak", "jalan retak", WordErrors(2, 1, 0, 0)),
        ("jalan rusak", "jalan itu rusak", WordErrors(2, 0, 1, 0)),
        ("jalan rusak parah", "jalan parah", WordErrors(3, 0, 0, 1)),
        ("lampu mati di pasar", "di lampu mati", WordErrors(4, 0, 1, 2)),
        ("jalan rusak", "", WordErrors(2, 0, 0, 2)),
        ("", "jalan rusak", WordErrors(0, 0, 2, 0)),
        ("", "", WordErrors(0, 0, 0, 0)),
        ("Jalan, RUSAK!", "jalan rusak.", WordErrors(2, 0, 0, 0)),
        ("jalan-jalan", "jalan jalan", WordErrors(2, 0, 0, 0)),
    ],
)
def test_errors_are_counted_by_kind(said: str, heard: str, errors: WordErrors) -> None:
    assert compare(said, heard) == errors


@pytest.mark.parametrize(
    ("errors", "rate"),
    [
        (WordErrors(4, 1, 0, 0), 0.25),
        (WordErrors(2, 1, 2, 1), 2.0),
        (WordErrors(), 0.0),
        (WordErrors(0, 0, 3, 0), 1.0),
    ],
)
def test_the_rate_is_by_words_said(errors: WordErrors, rate: float) -> None:
    assert errors.rate == rate


def test_all_files_together_are_the_sum_of_their_words() -> None:
    whole = WordErrors(10, 1, 0, 0) + WordErrors(2, 0, 1, 1)
    assert whole == WordErrors(12, 1, 1, 1)
    assert whole.rate == 3 / 12


@given(WORDS, WORDS)
def test_as_few_errors_as_there_can_be(said: list[str], heard: list[str]) -> None:
    forth, back = compare(" ".join(said), " ".join(heard)), compare(" ".join(heard), " ".join(said))
    assert forth.errors == back.errors
    assert abs(len(said) - len(heard)) <= forth.errors <= max(len(said), len(heard))
    assert (forth.errors == 0) == (said == heard)
    assert len(heard) - len(said) == forth.inserted - forth.deleted


def test_letters_of_every_script_are_kept() -> None:
    assert plain_words("Désa  Kintamani 12, 'né'…") == ["désa", "kintamani", "12", "né"]
