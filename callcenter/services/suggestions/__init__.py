"""Suggesting categories: what is known from the start, what was learnt here, and learning it.

What an operator chose and sent on is a decision; every night all of them are learnt anew, so that
a corrected decision is corrected here as well, and a complaint that is gone leaves nothing. What
stood in fewer than three complaints is not kept: nothing that one citizen alone has said.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.routing import Category
from callcenter.domain.suggestion import (
    Learner,
    Learnt,
    Suggestion,
    Words,
    joined,
    learn,
    suggest,
)
from callcenter.store.assist_models import CategoryModel
from callcenter.store.models import Complaint
from callcenter.store.session import Store
from callcenter.store.words import pairs

#: States in which somebody has sent the complaint on with its category.
_DECIDED = (
    ComplaintState.DISPATCHED,
    ComplaintState.ANSWERED,
    ComplaintState.CLOSED,
    ComplaintState.REOPENED,
)
_NEWEST = 8_000  # decisions that are learnt from
_AT_LEAST = 3  # complaints that say it, before a word is kept
_SLICE = 100
_KEPT = 3  # models; the newest counts
_AT = time(2, 30)  # every night, in the programme's zone
_FIRST_WORDS = 200  # of a text: what it is about is said soon


def likely(
    session: Session, text: str, categories: tuple[Category, ...], most: int = 3
) -> list[Suggestion]:
    """The likeliest categories of `text`, the best first; none while too little was said."""
    keys = tuple(category.key for category in categories)
    return suggest(_known(session, categories), _words(text), keys, most)


def _words(text: str) -> Words:
    return list(pairs(text, _FIRST_WORDS))


# ---------------------------------------------------------------- what is known


def _known(session: Session, categories: tuple[Category, ...]) -> Learnt:
    newest = session.scalar(select(func.max(CategoryModel.id)))
    known = _kept.get((newest, categories))
    if known is None:
        row = session.get(CategoryModel, newest) if newest else None
        known = seed(categories)
        if row:
            here = {category.key for category in categories}
            known = joined(known, learnt_of(row, here))
        _kept.clear()  # one is enough: of the newest model
        _kept[newest, categories] = known
    return known


_kept: dict[tuple[int | None, tuple[Category, ...]], Learnt] = {}


def learnt_of(row: CategoryModel, categories: set[str]) -> Learnt:
    """The model as a value, without categories that the configuration no longer has."""
    seen = {
        piece: kept
        for piece, times in row.seen.items()
        if (kept := {key: n for key, n in times.items() if key in categories})
    }
    return Learnt.of(seen, {k: n for k, n in row.texts.items() if k in categories})


@lru_cache(maxsize=4)
def seed(categories: tuple[Category, ...]) -> Learnt:
    """What is known before anything was decided: seed.txt, the names, the configured words."""
    ours = {category.key for category in categories}
    rows = [(key, line) for key, line in seed_lines() if key in ours]
    for category in categories:
        rows += [(category.key, text) for text in (category.name, *category.words)]
    return learn((key, _words(text)) for key, text in rows)


def seed_lines() -> Iterator[tuple[str, str]]:
    """(category, text) of seed.txt."""
    key = ""
    for line in (Path(__file__).parent / "seed.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            key = line.strip("[]")
        elif line and not line.startswith("#"):
            yield key, line


# ---------------------------------------------------------------- learning


class Learning:
    """Learning in slices, so that whoever does it can do something else between two.

        learning = Learning(store, categories)
        while learning.go_on(now): ...

    Killed in between it begins anew, and nothing was written. Two at once write the same twice.
    `read`: of how many complaints it has learnt.
    """

    def __init__(self, store: Store, categories: tuple[Category, ...]) -> None:
        self._store, self._categories = store, {category.key for category in categories}
        self._before: int | None = None  # ids below this are still to be read
        self._learner = Learner()
        self.read = 0

    def go_on(self, now: datetime) -> int:
        """Read a slice, the newest first; after the last one write the model. How many read."""
        with self._store.read() as session:
            rows = self._slice(session)
        for complaint_id, key, text in rows:
            self._before = complaint_id
            self._learner.take(key, _words(text))
        self.read += len(rows)
        if len(rows) == _SLICE and self.read < _NEWEST:
            return len(rows)
        self._write(now)
        return 0

    def _slice(self, session: Session) -> list[tuple[int, str, str]]:
        wanted = select(Complaint.id, Complaint.category_key, Complaint.transcript).where(
            Complaint.state.in_(_DECIDED),
            Complaint.category_key.in_(self._categories),
            Complaint.transcript != "",
        )
        if self._before is not None:
            wanted = wanted.where(Complaint.id < self._before)
        rows = session.execute(wanted.order_by(Complaint.id.desc()).limit(_SLICE))
        return [(number, key or "", text) for number, key, text in rows]

    def _write(self, now: datetime) -> None:
        known = self._learner.learnt(_AT_LEAST)
        with self._store.write() as session:
            seen = {piece: dict(row) for piece, row in known.seen.items()}
            row = CategoryModel(
                made_at=now, complaints=self.read, texts=dict(known.texts), seen=seen
            )
            session.add(row)
            session.flush()
            session.execute(delete(CategoryModel).where(CategoryModel.id <= row.id - _KEPT))
        self._learner, self._before = Learner(), None


class Nightly:
    """Learning once a night, a slice at a time: the clock's duty."""

    def __init__(self, store: Store, categories: tuple[Category, ...], zone: ZoneInfo) -> None:
        self._store, self._categories, self._zone = store, categories, zone
        self._learning: Learning | None = None

    def go_on(self, now: datetime) -> int:
        """A slice, when the night's learning is due; how many complaints were read."""
        if self._learning is None:
            with self._store.read() as session:
                if not learning_due(session, now=now, zone=self._zone):
                    return 0
            self._learning = Learning(self._store, self._categories)
        read = self._learning.go_on(now)
        if not read:
            self._learning = None
        return read


def learning_due(session: Session, *, now: datetime, zone: ZoneInfo) -> bool:
    """Whether the last night's learning is still to be done."""
    local = now.astimezone(zone)
    night = datetime.combine(local.date(), _AT, zone)
    if night > local:
        night -= timedelta(days=1)
    made = session.scalar(select(func.max(CategoryModel.made_at)))
    return made is None or made < night
