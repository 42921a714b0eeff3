"""Public complaint numbers: eight digits that survive a bad line.

Seven payload digits (a serial number, the first never 0) and one check digit after Damm
(H. M. Damm, *Total anti-symmetrische Quasigruppen*, 2004), which catches every single wrong
digit and every swap of neighbours. They are said digit by digit, in pairs.

Standard library only: the dialplan's number block, the flow and the console share this file.
"""

from __future__ import annotations

LENGTH = 8
MAX_SERIAL = 8_999_999
_BASE = 1_000_000  # so that the first payload digit is never 0: people drop a leading zero

# Damm's totally anti-symmetric quasigroup of order 10: row = interim digit, column = next digit.
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def check_digit(payload: str) -> str:
    """The Damm digit (one character) of a string of ASCII digits."""
    interim = 0
    for character in payload:
        interim = _DAMM[interim][int(character)]
    return str(interim)


def make_number(serial: int) -> str:
    """The public number of a serial, 0 to ``MAX_SERIAL``; 8 digits.

    Raises ValueError for a serial outside that range.
    """
    if not 0 <= serial <= MAX_SERIAL:
        raise ValueError(f"serial {serial} is outside 0..{MAX_SERIAL}: reserve another block")
    payload = str(_BASE + serial)
    return payload + check_digit(payload)


def is_valid(number: str) -> bool:
    """Whether `number` is exactly eight ASCII digits, not starting with 0, check digit right."""
    if len(number) != LENGTH or not (number.isascii() and number.isdigit()):
        return False
    return number[0] != "0" and check_digit(number) == "0"


def serial_of(number: str) -> int:
    """The serial a valid public number was made from. Raises ValueError if it is not valid."""
    if not is_valid(number):
        raise ValueError("not a public complaint number: 8 digits with a right check digit")
    return int(number[:-1]) - _BASE


def pairs(number: str) -> tuple[str, ...]:
    """``12345678`` -> ``("12", "34", "56", "78")``: the way it is read aloud."""
    return tuple(number[at : at + 2] for at in range(0, len(number), 2))


def format_number(number: str) -> str:
    """``12345678`` -> ``12 34 56 78``: the way it is written for people."""
    return " ".join(pairs(number))
