"""What officers write by message, and what is no reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.replies import WORDS, Reply, Said, understood


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("TERIMA 10000009", Said(Reply.ACCEPT, "10000009", "")),
        ("terima 10 00 00 09", Said(Reply.ACCEPT, "10000009", "")),
        ("  *Terima*: #10-00-00-09. ", Said(Reply.ACCEPT, "10000009", "")),
        ("TERIMA10000009", None),
        ("Tolak 10000009 jalan provinsi", Said(Reply.RETURN, "10000009", "jalan provinsi")),
        (
            "TOLAK 10000009, bukan kami.\nItu PLN",
            Said(Reply.RETURN, "10000009", "bukan kami.\nItu PLN"),
        ),
        (
            "SELESAI 10000009 12 lubang ditambal",
            Said(Reply.REPORT, "10000009", "12 lubang ditambal"),
        ),
        ("jawab 10000009: besok", Said(Reply.RESPOND, "10000009", "besok")),
        ("TERIMA 100000091", None),
        ("TERIMA 1000009", None),
        ("TERIMA", None),
        ("10000009", None),
        ("", None),
        ("TERIMAKASIH 10000009", None),
        ("saya TERIMA 10000009", None),
        ("TERIMA \u0661\u0660000009", None),
    ],
)
def test_what_is_understood(body: str, said: Said | None) -> None:
    assert understood(body) == said


@given(
    st.sampled_from(sorted(WORDS)),
    st.integers(0, 99_999_999).map("{:08d}".format),
    st.text(st.characters(categories=["L", "P", "Zs"]), max_size=60).map(str.strip),
    st.booleans(),
)
def test_every_word_with_every_number(word: str, number: str, text: str, pairs: bool) -> None:
    shown = " ".join(number[i : i + 2] for i in range(0, 8, 2)) if pairs else number
    said = understood(f"{word.title()} {shown} x{text}")
    assert said == Said(WORDS[word], number, f"x{text}".strip())


@given(st.text(max_size=300))
def test_nothing_that_people_write_breaks_it(body: str) -> None:
    said = understood(body)
    assert said is None or len(said.number) == 8
