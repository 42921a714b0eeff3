"""Public numbers: the check digit catches what people do to digits on a bad line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.numbers import (
    MAX_SERIAL,
    check_digit,
    format_number,
    is_valid,
    make_number,
    pairs,
    serial_of,
)

serials = st.integers(0, MAX_SERIAL)


def test_the_published_example_of_damm() -> None:
    assert check_digit("572") == "4"


@given(serials)
def test_every_serial_makes_one_valid_number_and_back(serial: int) -> None:
    number = make_number(serial)
    assert len(number) == 8
    assert number[0] != "0"
    assert is_valid(number)
    assert serial_of(number) == serial


@given(serials, st.integers(0, 7), st.integers(1, 9))
def test_every_single_wrong_digit_is_caught(serial: int, at: int, shift: int) -> None:
    number = make_number(serial)
    wrong = str((int(number[at]) + shift) % 10)
    assert not is_valid(number[:at] + wrong + number[at + 1 :])


@given(serials, st.integers(0, 6))
def test_every_swap_of_neighbours_is_caught(serial: int, at: int) -> None:
    number = make_number(serial)
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    assert swapped == number or not is_valid(swapped)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1234567",
        "123456789",
        "1234567x",
        "00000000",
        "１２３４５６７８",
        "1234 567",
        "²2345678",
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert not is_valid(text)
    with pytest.raises(ValueError, match="8 digits"):
        serial_of(text)


@pytest.mark.parametrize("serial", [-1, MAX_SERIAL + 1])
def test_a_serial_outside_the_range_is_refused(serial: int) -> None:
    with pytest.raises(ValueError, match="reserve another block"):
        make_number(serial)


def test_read_and_written_in_pairs() -> None:
    assert pairs("12345678") == ("12", "34", "56", "78")
    assert format_number("12345678") == "12 34 56 78"


@given(st.text(max_size=12))
def test_no_text_at_all_raises(text: str) -> None:
    assert is_valid(text) in (True, False)
