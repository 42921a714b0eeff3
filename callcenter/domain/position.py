"""A point on the map: read from what people type or paste, checked, written for people."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Five digits are a metre; more would claim what no telephone knows.
_DIGITS = 5
_NUMBER = r"([+-]?\d{1,3}(?:\.\d{1,15})?)"
#: `geo:` (RFC 5870), what map pages put into their addresses, and two plain numbers.
_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"geo:{_NUMBER},{_NUMBER}(?:,[^;?]*)?(?:[;?].*)?",
        rf"https?://\S*?(?:@|[?&](?:q|query|ll|mlat)=){_NUMBER}(?:,|%2C|&mlon=){_NUMBER}\b\S*",
        rf"{_NUMBER}\s*[,;\s]\s*{_NUMBER}",
    )
)
#: As Indonesian writes numbers: `-8,4541 115,3544`, or with a semicolon between.
_COMMAS = re.compile(r"([+-]?\d{1,3}),(\d{1,15})\s*[;\s]\s*([+-]?\d{1,3}),(\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """Degrees north and east (WGS 84)."""

    latitude: float
    longitude: float

    def __str__(self) -> str:
        """`-8.45410, 115.35440`: what a map page, and `read`, understand."""
        return f"{self.latitude:.{_DIGITS}f}, {self.longitude:.{_DIGITS}f}"

    @property
    def uri(self) -> str:
        """A geo: URI (RFC 5870), which opens a telephone's own map."""
        return f"geo:{self.latitude:.{_DIGITS}f},{self.longitude:.{_DIGITS}f}"

    @property
    def words(self) -> str:
        """`8,45410° LS, 115,35440° BT`, to be read aloud."""
        north = "LU" if self.latitude >= 0 else "LS"
        east = "BT" if self.longitude >= 0 else "BB"
        pair = (
            f"{abs(self.latitude):.{_DIGITS}f}° {north}; {abs(self.longitude):.{_DIGITS}f}° {east}"
        )
        return pair.replace(".", ",").replace(";", ",")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A piece of the map: south, west, north, east."""

    south: float
    west: float
    north: float
    east: float

    def hold(self, position: Position) -> bool:
        """Whether the position lies in it, its edges included."""
        return (
            self.south <= position.latitude <= self.north
            and self.west <= position.longitude <= self.east
        )


#: Around Bangli with room to spare: the regency lies at 8°08'-8°32' S, 115°13'-115°28' E.
BANGLI = Bounds(-8.60, 115.15, -8.05, 115.55)


def at(latitude: float | None, longitude: float | None) -> Position | None:
    """The position of two stored numbers; None where one is missing or no place on earth."""
    if latitude is None or longitude is None:
        return None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # NaN too
        return None
    return Position(round(latitude, _DIGITS), round(longitude, _DIGITS))


def read(text: str) -> Position | None:
    """What somebody typed or pasted; None where it is no position."""
    text = text.strip()
    if found := _COMMAS.fullmatch(text):
        south, part, east, rest = found.groups()
        return at(float(f"{south}.{part}"), float(f"{east}.{rest}"))
    for form in _FORMS:
        if found := form.fullmatch(text):
            return at(float(found[1]), float(found[2]))
    return None
