"""Complaints are found by tokens, whole pages in both directions, however far apart the ids lie."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from callcenter.domain.complaint import ComplaintState
from callcenter.store import search
from callcenter.store.models import Agency, Complaint, Ticket, TicketState
from callcenter.store.search import Cursor, Sought
from callcenter.store.search_index import day_facets, differing, mend
from callcenter.store.session import Store
from ivr.numbers import make_number

T0 = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)  # 23:59 WITA
WORDS = ("jalan", "lampu", "sampah", "pohon")
SIZE = 5


def _complaint(number: int, words: str = "", at: datetime = T0) -> Complaint:
    return Complaint(
        id=number,
        public_number=make_number(number),
        state=ComplaintState.RECEIVED,
        channel="phone",
        received_at=at,
        transcript=words,
    )


def _scattered() -> dict[int, str]:
    """Complaints next to each other, in neighbouring buckets and far away."""
    dice = random.Random(7)
    near = range(400_000, 400_030)
    ids = {1, 2, *near, *(dice.randrange(1, 600_000) for _ in range(60)), 599_999}
    return {n: " ".join(w for w in WORDS if dice.random() < 0.5) for n in sorted(ids)}


@pytest.fixture
def scattered(store: Store) -> dict[int, str]:
    texts = _scattered()
    with store.write() as db:
        db.add_all([_complaint(number, words) for number, words in texts.items()])
    return texts


@pytest.mark.parametrize("cap", [3, 1000], ids=["many-hits", "few-hits"])
@pytest.mark.parametrize(
    "clauses",
    [(), (("jalan",),), (("jalan",), ("lampu",)), (("jalan", "pohon"), ("s_received",))],
    ids=["all", "one", "both", "either"],
)
def test_pages_hold_every_hit_once_in_both_directions(
    store: Store,
    scattered: dict[int, str],
    monkeypatch: pytest.MonkeyPatch,
    cap: int,
    clauses: tuple[tuple[str, ...], ...],
) -> None:
    monkeypatch.setattr(search, "CAP", cap)
    hits = [
        n
        for n, words in sorted(scattered.items(), reverse=True)
        if all({*words.split(), "s_received"} & {*clause} for clause in clauses)
    ]
    pages = [hits[at : at + SIZE] for at in range(0, len(hits), SIZE)]
    sought, cursor = Sought(clauses), Cursor()
    with store.read() as db:
        for index, wanted in enumerate(pages):
            page = search.page(db, sought, cursor, SIZE)
            assert (page.ids, page.newer, page.older) == (wanted, index > 0, index < len(pages) - 1)
            assert page.total == min(len(hits), cap + 1)
            cursor = Cursor(before=page.ids[-1])
        for index, wanted in reversed([*enumerate(pages)][:-1]):
            page = search.page(db, sought, Cursor(after=pages[index + 1][0]), SIZE)
            assert (page.ids, page.newer, page.older) == (wanted, index > 0, True)


def test_above_the_newest_is_the_first_page(store: Store, scattered: dict[int, str]) -> None:
    newest = sorted(scattered, reverse=True)
    with store.read() as db:
        for after in (newest[0], newest[2], 2**31 - 2):
            assert search.page(db, Sought(), Cursor(after=after), SIZE).ids == newest[:SIZE]
            every = Sought((("s_received",),))
            assert search.page(db, every, Cursor(after=after), SIZE).ids == newest[:SIZE]
        for before in (0, 1):
            assert search.page(db, every, Cursor(before=before or None), SIZE).ids == (
                [] if before else newest[:SIZE]
            )


def test_nothing_is_found_in_an_empty_database(store: Store) -> None:
    with store.read() as db:
        assert search.page(db, Sought((("jalan",),)), Cursor()).ids == []
        assert search.page(db, Sought(), Cursor(after=5)).ids == []


def _late(db: Store, moment: datetime) -> list[int]:
    sought = Sought((("w_late", "w_open"),), now=moment, late=True)
    with db.read() as session:
        return search.page(session, sought, Cursor()).ids


def test_a_ticket_is_late_from_the_end_of_its_window_on(store: Store) -> None:
    due, tick = T0 + timedelta(hours=24), timedelta(microseconds=1)
    with store.write() as db:
        db.add(Agency(key="pupr", name="PUPR", kind="opd"))
        db.flush()
        answered = {1: None, 2: due - tick, 3: due, 4: due + tick}
        for number, at in answered.items():
            db.add(_complaint(number))
            db.flush()
            db.add(
                Ticket(
                    complaint_id=number,
                    agency_key="pupr",
                    urgency="report",
                    state=TicketState.DISPATCHED,
                    dispatched_at=T0,
                    due_at=due,
                )
            )
            db.flush()
            if at:
                ticket = db.query(Ticket).filter_by(complaint_id=number).one()
                ticket.responded_at, ticket.state = at, TicketState.RESPONDED
    assert _late(store, due - tick) == [4, 3]
    assert _late(store, due) == [4, 3, 1]
    with store.read() as db:
        assert search.page(db, Sought((("w_in_time",),)), Cursor()).ids == [2]
        assert differing(db.connection(), 0)[0] == []


def test_a_day_ends_at_midnight_of_the_regency(store: Store) -> None:
    with store.write() as db:
        db.add_all([_complaint(1, at=T0), _complaint(2, at=T0 + timedelta(minutes=1))])
    with store.read() as db:
        for day, wanted in ((date(2026, 3, 1), [1]), (date(2026, 3, 2), [2])):
            sought = Sought((day_facets(day, day),))
            assert search.page(db, sought, Cursor()).ids == wanted


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 1500))
def test_days_are_told_by_few_facets_that_are_exactly_they(first: date, days: int) -> None:
    last = min(first + timedelta(days), date(2099, 12, 31))
    facets = day_facets(first, last)
    held = 0
    for day in (first - timedelta(1), first, last, last + timedelta(1)):
        own = {f"t_{day:%Y}", f"t_{day:%Y%m}", f"t_{day:%Y%m%d}"}
        held += len(own & {*facets})
        assert (len(own & {*facets}) == 1) == (first <= day <= last)
    assert len(facets) <= 30 + 11 + 100 + 11 + 30


def test_what_differs_is_found_and_mended(store: Store) -> None:
    with store.write() as db:
        db.add_all([_complaint(n, "jalan rusak") for n in (1, 2, 3)])
    with store.write() as db:
        db.execute(text("UPDATE complaint_search SET words = ' bohong' WHERE complaint_id = 2"))
        db.execute(text("DELETE FROM complaint_search WHERE complaint_id = 3"))
    with store.write() as db:
        assert differing(db.connection(), 0) == ([2, 3], 3)
        assert mend(db.connection(), 0) == ([2, 3], 3)
        assert differing(db.connection(), 3) == ([], None)
    with store.read() as db:
        assert differing(db.connection(), 0) == ([], 3)
        assert search.page(db, Sought((("jalan",),)), Cursor()).ids == [3, 2, 1]
        assert search.page(db, Sought((("bohong",),)), Cursor()).ids == []
