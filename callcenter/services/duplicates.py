"""Reports that may be about the same thing as the one that is being written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.duplicates import FARTHEST, LIKELY, Nearness, Rarity, Report, nearness
from callcenter.services.rules import Rules
from callcenter.services.suggestions import likely, seed_lines
from callcenter.store.models import Complaint
from callcenter.store.places import village, villages_by_district
from callcenter.store.words import folded, pairs

_LOOKED_AT = 400  # of the newest in the district; the score is for people, not for the archive
_SHOWN = 5
_SURE = 0.5  # so sure of a category it is taken for the comparison, and for nothing else
_FIRST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """A report as it is being typed; empty where nothing was typed yet."""

    text: str
    village_code: str = ""
    place_note: str = ""
    category_key: str = ""
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A report that may be about the same, and how near it is; `shared`: as they were typed."""

    complaint: Complaint
    near: Nearness
    shared: tuple[str, ...]


def similar(
    session: Session, draft: Draft, *, but: int, at: datetime, now: datetime, rules: Rules
) -> list[Found]:
    """The likeliest repetitions, the nearest first; `but`: the complaint that is being written,
    which came `at`.
    """
    ours = _report(draft.text, draft.place_note, draft.village_code, at, draft.caller)
    if not ours.words:
        return []
    category = draft.category_key or _guess(session, draft.text, rules)
    ours = replace(ours, category=category)
    rows = [(c, _of(c)) for c in _candidates(session, draft, but, now)]
    rarity = Rarity([*_usual(), *((r.category, r.words) for _c, r in rows)])
    typed = {word: typed for typed, word in pairs(f"{draft.text} {draft.place_note}")}
    found = [(c, nearness(ours, report, rarity)) for c, report in rows]
    near = [
        Found(c, n, tuple(typed[word] for word in n.shared if word in typed))
        for c, n in found
        if n.belief >= LIKELY
    ]
    return sorted(near, key=lambda f: (-f.near.belief, -f.complaint.id))[:_SHOWN]


def _guess(session: Session, text: str, rules: Rules) -> str:
    first = next(iter(likely(session, text, rules.categories, most=1)), None)
    return first.category_key if first and first.share >= _SURE else ""


def _candidates(session: Session, draft: Draft, but: int, now: datetime) -> Sequence[Complaint]:
    rows = select(Complaint).where(
        Complaint.received_at > now - FARTHEST,
        Complaint.id != but,
        Complaint.transcript != "",
        Complaint.state.not_in((ComplaintState.MERGED, ComplaintState.NOT_ACTIONABLE)),
    )
    if place := village(draft.village_code):
        codes = dict(villages_by_district())[place.district]
        near = Complaint.village_code.in_([v.code for v in codes])
        rows = rows.where(or_(near, Complaint.village_code.is_(None)))
    rows = rows.options(joinedload(Complaint.call)).order_by(Complaint.received_at.desc())
    return session.scalars(rows.limit(_LOOKED_AT)).all()


def _of(complaint: Complaint) -> Report:
    caller = complaint.reporter_phone or (complaint.call.caller if complaint.call else None)
    report = _report(
        complaint.transcript,
        complaint.place_note,
        complaint.village_code or "",
        complaint.received_at,
        caller,
    )
    return replace(report, category=complaint.category_key or "")


def _report(
    text: str, place_note: str, village_code: str, at: datetime, caller: str | None
) -> Report:
    place = village(village_code)
    names = {*folded(place.name), *folded(place.district)} if place else set()
    return Report(
        words=frozenset(folded(f"{text} {place_note}", _FIRST_WORDS)) - names,
        received_at=at,
        village=place.code if place else "",
        district=place.district if place else "",
        caller=caller,
    )


@cache
def _usual() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What is usually said of each category."""
    return tuple((key, tuple(folded(line))) for key, line in seed_lines())
