"""What typed keys mean. Standard library only."""

from __future__ import annotations

from ivr.flow import Spelled

_ENDS = "*#"


def spelled(keys: str, most: int) -> Spelled:
    """Typed keys as digits, up to `most` or to the key that ends them."""
    digits = ""
    for key in keys:
        if key in _ENDS:
            return Spelled(digits, key)
        digits += key
        if len(digits) == most:
            break
    return Spelled(digits)
