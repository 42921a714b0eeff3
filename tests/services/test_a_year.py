"""A year with random officers: the figures reconcile to the last ticket, by agency and month."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from time import monotonic

import pytest
from sqlalchemy import func, select

from callcenter.domain.ticket import FINAL
from callcenter.domain.window import Standing, standing
from callcenter.services import figures
from callcenter.services.figures import Figure
from callcenter.store.models import Complaint, Escalation, History, Notice, Ticket
from tests.services.conftest import DAY, HOUR, SQLITE, Town
from tests.services.year import BEGINS, Told, Year

#: What a ticket stands for in the figures.
NAMES = {
    Standing.MET: "met",
    Standing.MISSED: "missed",
    Standing.RUNNING: "open",
    Standing.WITHDRAWN: "withdrawn",
}


def retold(told: Told, now: datetime) -> str:
    """A ticket as the programme's rules put it: an answer within 24 hours, or not."""
    due = told.sent + timedelta(hours=24)
    if told.answered is not None:
        return "met" if told.answered < due else "missed"
    if told.returned is not None:
        return "withdrawn" if told.returned < due else "missed"
    return "open" if now < due else "missed"


@SQLITE
@pytest.mark.parametrize(
    ("complaints", "turn"),
    [
        (1000, 12 * HOUR),
        pytest.param(
            100_000, 2 * HOUR, marks=[pytest.mark.endurance, pytest.mark.timeout(4 * 3600)]
        ),
    ],
    ids=["1000", "100000"],
)
def test_every_ticket_of_a_year_counts_once(town: Town, complaints: int, turn: timedelta) -> None:
    year = Year(town, seed=complaints, complaints=complaints, turn=turn)
    began = monotonic()
    year.passes()
    now = year.ends
    with town.store.read() as db:
        counted = figures.by_agency_and_month(db, BEGINS, now, zone=town.rules.zone, now=now)
        stands = [
            (t.id, t.agency_key, t.dispatched_at, NAMES[standing(t.times, now)])
            for t in db.scalars(select(Ticket))
        ]
        heard = db.scalar(select(func.count()).select_from(Complaint))
        steps = Counter(map(tuple, db.execute(select(Escalation.ticket_id, Escalation.step_key))))
        climbed = db.scalar(select(func.count()).where(History.verb.in_(("step", "missed"))))
        keys = Counter(db.scalars(select(Notice.key)))
        asleep = db.scalars(
            select(Ticket.id).where(Ticket.state.not_in(FINAL), Ticket.next_step_at <= now)
        ).all()
    total = _sum(counted)
    print(f"{complaints} complaints in {monotonic() - began:.0f} s: {total}; {len(steps)} steps")

    # those who did it, the domain's rule and the database's figures agree on every ticket
    zone = town.rules.zone
    expected = Counter(
        (told.agency, f"{told.sent.astimezone(zone):%Y-%m}", retold(told, now))
        for told in year.told.values()
    )
    by_rule = Counter((a, f"{at.astimezone(zone):%Y-%m}", name) for _, a, at, name in stands)
    by_figure = Counter(
        {
            (f.agency_key, f.month, name): getattr(f, name)
            for f in counted
            for name in NAMES.values()
            if getattr(f, name)
        }
    )
    assert expected == by_rule == by_figure
    for figure in (*counted, total):
        parts = figure.met + figure.missed + figure.open + figure.withdrawn
        assert figure.dispatched == parts
    assert total.dispatched == len(stands) == len(year.told)
    assert all(getattr(total, name) for name in ("met", "missed", "withdrawn"))
    # nothing lost, nothing twice, nothing forgotten
    assert heard == complaints
    assert set(steps.values()) == set(keys.values()) == {1}
    assert climbed == len(steps)
    assert asleep == []


def _sum(counted: list[Figure]) -> Figure:
    names = ("dispatched", "met", "missed", "open", "withdrawn")
    return Figure("*", "*", *(sum(getattr(f, name) for f in counted) for name in names))


def test_the_edges_of_a_month_and_of_a_window(town: Town) -> None:
    """The last instant of March in Bangli is 15:59:59 UTC; an answer at `due` is late."""
    zone, march = town.rules.zone, datetime.fromisoformat("2026-04-01T00:00:00+08:00")
    tick = timedelta(microseconds=1)
    for sent, answer in (
        (march - tick, DAY - tick),
        (march, DAY),
        (march, DAY + tick),
        (march, None),
        (march + DAY, None),
    ):
        ticket_id = town.sent(sent)
        if answer is not None:
            town.respond(ticket_id, sent + answer)
    with town.store.read() as db:
        counted = figures.by_agency_and_month(
            db, march - DAY, march + DAY, zone=zone, now=march + 2 * DAY - tick
        )
    assert counted == [
        Figure("pupr", "2026-03", 1, 1, 0, 0, 0),
        Figure("pupr", "2026-04", 4, 0, 3, 1, 0),
    ]
