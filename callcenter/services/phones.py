"""Telephone numbers from outside, made E.164 or refused (libphonenumber, ITU-T E.164)."""

from __future__ import annotations

import phonenumbers


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
