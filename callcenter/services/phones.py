"""Telephone numbers from outside, made E.164 or refused (libphonenumber, ITU-T E.164)."""

from __future__ import annotations

import phonenumbers
from phonenumbers import PhoneNumberType

_INDONESIA = 62


def normalise(raw: str | None) -> str | None:
    """`0812...`, `+62 812...`, `(0366) 5501000` -> `+62...`; None for hidden or nonsense."""
    if not raw or len(raw) > 40:
        return None
    try:
        parsed = phonenumbers.parse(raw, "ID")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def mobile(number: str | None) -> str | None:
    """The number (E.164) when it is an Indonesian mobile, which takes messages; else None."""
    try:
        parsed = phonenumbers.parse(number or "")
    except phonenumbers.NumberParseException:
        return None
    kind = phonenumbers.number_type(parsed)
    messages = parsed.country_code == _INDONESIA and kind == PhoneNumberType.MOBILE
    return number if messages else None
