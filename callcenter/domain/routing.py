"""From a category to the agency that is responsible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """What a complaint is about; `agency` is the usual addressee, only ever proposed. `words`:
    what people say about it, besides what is known of the sample's categories."""

    key: str
    name: str
    agency: str
    emergency: bool = False
    words: tuple[str, ...] = ()


def suggest_agency(categories: Iterable[Category], key: str) -> str | None:
    """The agency usually responsible for the category `key`; None when it is unknown."""
    return next((c.agency for c in categories if c.key == key), None)
