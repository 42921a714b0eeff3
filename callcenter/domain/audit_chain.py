"""The chain of audit rows: nobody changes, removes or adds one without its being seen.

Each row bears a *mark* (HMAC-SHA-256, RFC 2104) from the moment it is written, which only who
holds the installation's secret can make. A little later it gets its *place* in the chain and a
*seal*: SHA-256 over the seal before and the row. Whoever changes one seal has to change all that
follow, and then the *heads* that are kept elsewhere (one a day) no longer fit.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

#: The seal before the first.
BEGINNING = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """What an audit row says. `at` is aware; `detail` is what JSON can hold."""

    at: datetime
    actor: str
    action: str
    thing: str
    address: str | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A row in its place: `mark` is None where it was written before there were marks."""

    place: int
    entry: Entry
    mark: str | None
    seal: str


class Harm(StrEnum):
    """What happened to the chain at a place."""

    CHANGED = "changed"  # the row or its seal is another one than was sealed
    REMOVED = "removed"  # a row is not there
    FOREIGN = "foreign"  # the row bears no mark of this installation
    REPLACED = "replaced"  # the seal differs from the head that was kept of it


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong at `place`, or from there up to the place `last`."""

    place: int
    harm: Harm
    last: int


def mark_of(entry: Entry, key: bytes) -> str:
    """64 hexadecimal digits that only who knows `key` can make."""
    return hmac.new(key, _plain(entry), hashlib.sha256).hexdigest()


def mark_of_head(place: int, seal: str, key: bytes) -> str:
    """As `mark_of`, for the end of the chain."""
    return hmac.new(key, f"head {place} {seal}".encode(), hashlib.sha256).hexdigest()


def seal_of(before: str, place: int, entry: Entry, mark: str | None) -> str:
    """64 hexadecimal digits over a row in its place and the seal `before` it."""
    head = f"{before} {place} {mark or '-'} ".encode()
    return hashlib.sha256(head + _plain(entry)).hexdigest()


def _plain(entry: Entry) -> bytes:
    """The same bytes for the same row, before it is stored and after: keys in order, UTC."""
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    detail = json.loads(json.dumps(entry.detail))  # as a database gives it back: keys are text
    facts = [at, entry.actor, entry.action, entry.thing, entry.address, detail]
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


class Examiner:
    """Looks at a chain from its beginning; links may be handed over in slices.

    `key` is the installation's, `heads` are kept seals by place.
    """

    def __init__(self, key: bytes, heads: Mapping[int, str]) -> None:
        self._key, self._heads = key, dict(heads)
        self._seal: str | None = BEGINNING
        self._marked = False
        self.place = 0

    def look(self, links: Iterable[Link]) -> Iterator[Fault]:
        """What is wrong with these, which follow those before."""
        for link in links:
            yield from self._missing(link.place)
            yield from self._wrong(link)
            self.place, self._seal = link.place, link.seal

    def end(self) -> Iterator[Fault]:
        """After the last: heads of places that are not there any more."""
        yield from self._missing(max(self._heads, default=0) + 1)

    def _missing(self, place: int) -> Iterator[Fault]:
        if place > self.place + 1:
            yield Fault(self.place + 1, Harm.REMOVED, place - 1)
            self._seal = None  # what the next one was sealed with is gone
            self.place = place - 1

    def _wrong(self, link: Link) -> Iterator[Fault]:
        before, entry = self._seal, link.entry
        sealed = before is None or seal_of(before, link.place, entry, link.mark) == link.seal
        if not sealed:
            yield _at(link, Harm.CHANGED)
        if link.mark is not None:
            self._marked = True
            if not hmac.compare_digest(link.mark, mark_of(entry, self._key)) and sealed:
                yield _at(link, Harm.FOREIGN)
        elif self._marked:
            yield _at(link, Harm.FOREIGN)
        if self._heads.get(link.place, link.seal) != link.seal:
            yield _at(link, Harm.REPLACED)


def _at(link: Link, harm: Harm) -> Fault:
    return Fault(link.place, harm, link.place)
