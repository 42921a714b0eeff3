"""One box for everything: a number, a telephone, words, names, places; and what narrows it down.

Who may not read the reporter's name and telephone (an agency) does not find by them, and finds
the complaints of their own agency alone (Perpres 76/2013).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.services import audit, phones
from callcenter.store import search
from callcenter.store.places import village, villages_by_district
from callcenter.store.search import Cursor, Page, Sought
from callcenter.store.search_index import day_facets, facet, name
from callcenter.store.words import folded
from ivr.numbers import is_valid

CHANNELS = ("phone", "whatsapp", "sms", "walk_in", "letter", "facebook")
#: Beside the states themselves: everything that is still somebody's work.
OPEN = "open"
_ENDED = (ComplaintState.CLOSED, ComplaintState.MERGED, ComplaintState.NOT_ACTIONABLE)
_OPEN_STATES = tuple(state for state in ComplaintState if state not in _ENDED)
_WINDOW = {"late": ("w_late", "w_open"), "in_time": ("w_in_time",)}
_MOST_WORDS = 12
_LONGEST = 200
_NUMBER = 8  # digits
_YEARS = range(2000, 2100)
_NO_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Box:
    """What was typed into the box, as it is understood; at most one of them says something.

    `mistyped`: eight digits that are no number. `nothing`: words without meaning alone.
    """

    number: str = ""
    telephone: str = ""  # E.164
    words: tuple[str, ...] = ()
    mistyped: bool = False
    nothing: bool = False


def read_box(typed: str) -> Box:
    """`12 34 56 78` is a number, `0812...` a telephone, everything else words."""
    text = tidy(typed)
    digits = "".join(c for c in text if c.isascii() and c.isdigit())
    if digits and not any(c.isalpha() for c in text):
        if len(digits) == _NUMBER:
            return Box(number=digits) if is_valid(digits) else Box(mistyped=True)
        if len(digits) > _NUMBER and (telephone := phones.normalise(text)):
            return Box(telephone=telephone)
    words = tuple(dict.fromkeys(folded(text)))[:_MOST_WORDS]
    return Box(words=words, nothing=bool(text) and not words)


def tidy(typed: str) -> str:
    """One line of at most 200 characters that can be shown again."""
    line = "".join(c if c.isprintable() else " " for c in typed[: 10 * _LONGEST])
    return " ".join(line.split())[:_LONGEST]


@dataclass(frozen=True, slots=True)
class Known:
    """What the deployment has; `own` is the only agency whose complaints the reader may see."""

    categories: Collection[str]
    agencies: Collection[str]
    own: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as its address says it, checked; empty strings and None narrow nothing.

    `same`: the complaints of the telephone that this complaint came from; 0: of none.
    `unknown`: the parts of the address that mean nothing.
    """

    q: str = ""
    state: str = ""
    category: str = ""
    agency: str = ""
    district: str = ""
    village: str = ""
    channel: str = ""
    urgency: str = ""
    window: str = ""
    since: date | None = None
    until: date | None = None
    same: int | None = None
    before: int | None = None
    after: int | None = None
    unknown: tuple[str, ...] = field(default=(), compare=False)

    def told(self, *, cursor: bool = False) -> dict[str, str]:
        """The parts of the address that say something."""
        names = [f.name for f in fields(self) if f.name not in ("unknown", "before", "after")]
        if cursor:
            names += ["before", "after"]
        values = {each: getattr(self, each) for each in names}
        return {each: str(value) for each, value in values.items() if value not in ("", None)}

    def query(self) -> str:
        """`q=jalan&state=open`: what is shared and kept; always in one order."""
        return urlencode(self.told())

    def without(self, *names: str) -> Asked:
        """The same without these parts, from its first page."""
        empty: dict[str, Any] = {n: None if n in ("since", "until", "same") else "" for n in names}
        return replace(self, before=None, after=None, **empty)

    @property
    def narrowed(self) -> dict[str, str]:
        """What stands beside the box."""
        return {n: value for n, value in self.told().items() if n != "q"}


def read(given: Mapping[str, str], known: Known) -> Asked:
    """A search out of an address or a form; what means nothing is left out, and named."""
    reader = _Reader(given)
    districts = [district for district, _villages in villages_by_district()]
    asked = Asked(
        q=tidy(given.get("q", "")),
        state=reader.one("state", (OPEN, *ComplaintState)),
        category=reader.one("category", known.categories),
        agency="" if known.own is not None else reader.one("agency", known.agencies),
        district=reader.one("district", districts),
        village=reader.village(),
        channel=reader.one("channel", CHANNELS),
        urgency=reader.one("urgency", list(Urgency)),
        window=reader.one("window", _WINDOW),
        since=reader.day("since"),
        until=reader.day("until"),
        same=None if known.own is not None else reader.id("same"),
        before=reader.id("before"),
        after=reader.id("after"),
    )
    if asked.since and asked.until and asked.since > asked.until:
        reader.unknown.append("until")
        asked = replace(asked, until=None)
    return replace(asked, unknown=tuple(reader.unknown))


class _Reader:
    def __init__(self, given: Mapping[str, str]) -> None:
        self._given, self.unknown = given, list[str]()

    def one(self, part: str, of: Collection[str]) -> str:
        value = self._given.get(part, "")
        if value and value not in of:
            self.unknown.append(part)
            return ""
        return value

    def village(self) -> str:
        value = self._given.get("village", "")
        if value and village(value) is None:
            self.unknown.append("village")
            return ""
        return value

    def day(self, part: str) -> date | None:
        value = self._given.get(part, "")
        try:
            day = date.fromisoformat(value) if value else None
        except ValueError:
            day = None
        if value and (day is None or day.year not in _YEARS):
            self.unknown.append(part)
            return None
        return day

    def id(self, part: str) -> int | None:
        value = self._given.get(part, "")
        if not value:
            return None
        if not (value.isascii() and value.isdigit() and int(value[:11]) < _NO_ID):
            self.unknown.append(part)
            return None
        return int(value)


# ---------------------------------------------------------------- finding


def page(session: Session, asked: Asked, known: Known, now: datetime) -> Page:
    """A page of ids. A telephone in the box finds nothing here: see `of_telephone`."""
    box = read_box(asked.q)
    if box.mistyped or box.nothing or box.telephone:
        return Page()
    sought = Sought(
        clauses=(*_words(box, known), *_clauses(asked, known)),
        now=now,
        late=asked.window == "late",
        among=_among(session, asked, box),
    )
    return search.page(session, sought, Cursor(asked.before, asked.after))


def _words(box: Box, known: Known) -> list[tuple[str, ...]]:
    """Each word in the text; for who may read it, in the reporter's name as well."""
    if known.own is not None:
        return [(word,) for word in box.words]
    return [(word, name(word)) for word in box.words]


def _clauses(asked: Asked, known: Known) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    if known.own is not None:
        found.append((facet("g", known.own or "-"),))
    if asked.state:
        states = _OPEN_STATES if asked.state == OPEN else (asked.state,)
        found.append(tuple(facet("s", state) for state in states))
    told = {
        "k": asked.category,
        "g": asked.agency,
        "d": asked.district,
        "v": asked.village,
        "c": asked.channel,
        "u": asked.urgency,
    }
    found += [(facet(kind, value),) for kind, value in told.items() if value]
    if asked.window:
        found.append(_WINDOW[asked.window])
    if asked.since or asked.until:
        first, last = date(_YEARS.start, 1, 1), date(_YEARS.stop - 1, 12, 31)
        found.append(day_facets(asked.since or first, asked.until or last))
    return found


def _among(session: Session, asked: Asked, box: Box) -> tuple[int, ...] | None:
    """The ids that number and telephone leave; None without both."""
    found: set[int] | None = None
    if box.number:
        found = {*search.by_number(session, box.number)}
    if asked.same is not None:
        telephones = search.telephones_of(session, asked.same)
        same = {n for each in telephones for n in search.by_telephone(session, each)}
        found = same if found is None else found & same
    return None if found is None else tuple(sorted(found))


def of_telephone(
    session: Session, telephone: str, *, actor: str, now: datetime, address: str | None
) -> int:
    """The newest complaint of a telephone, 0 without one: an address names it, not the number.

    That somebody looked is written down, without the number.
    """
    found = search.by_telephone(session, telephone)
    audit.record(
        session,
        actor=actor,
        action="searched_by_telephone",
        thing=f"complaint:{found[0]}" if found else "complaints",
        now=now,
        address=address,
        detail={"found": len(found)},
    )
    return found[0] if found else 0
