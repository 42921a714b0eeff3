"""Very many windows end in one and the same second: each step once, and soon."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from sqlalchemy import func, insert, select

from callcenter.clock import Turns, duties
from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.domain.ticket import TicketState
from callcenter.store.models import Complaint, Escalation, History, Notice, Ticket
from ivr.numbers import make_number
from tests.services.conftest import DAY, T0, TICK, Town
from tests.services.test_clock import Letterbox

BEFORE = ("dispatch", "next_officer", "secretary", "remind_team", "remind_head")
LIMIT_S = 60.0


def _fill(town: Town, many: int) -> None:
    """So many tickets of PUPR that nobody touched for a day, all sent in the same second."""
    numbers = range(1, many + 1)
    complaints = [
        {
            "id": n,
            "public_number": make_number(n),
            "state": ComplaintState.DISPATCHED,
            "channel": "phone",
            "received_at": T0,
            "transcript": "Jalan berlubang.",
            "category_key": "road_damage",
            "village_code": "51.06.02.1004",
        }
        for n in numbers
    ]
    tickets = [
        {
            "id": n,
            "complaint_id": n,
            "agency_key": "pupr",
            "urgency": Urgency.REPORT,
            "state": TicketState.DISPATCHED,
            "dispatched_at": T0,
            "due_at": T0 + DAY,
            "next_step_key": "missed",
            "next_step_at": T0 + DAY,
        }
        for n in numbers
    ]
    taken = [
        {"ticket_id": n, "step_key": key, "due_at": T0, "taken_at": T0}
        for n in numbers
        for key in BEFORE
    ]
    with town.store.write() as db:
        for table, rows in ((Complaint, complaints), (Ticket, tickets), (Escalation, taken)):
            db.execute(insert(table), rows)


@pytest.mark.parametrize(
    "many",
    [250, pytest.param(10_000, marks=[pytest.mark.endurance, pytest.mark.timeout(600)])],
)
def test_all_windows_end_in_one_second(town: Town, many: int) -> None:
    """Two clocks' worth of turns; what a turn leaves over, the next one takes at once."""
    _fill(town, many)
    box = Letterbox()
    turns = Turns(duties(town.store, box, town.rules))  # type: ignore[arg-type]
    due = T0 + DAY
    turns.turn(due - TICK, 0.0)
    assert town.count(Escalation) == len(BEFORE) * many

    began = time.monotonic()
    rounds, rest = 0, 0.0
    while rest == 0.0:
        rounds += 1
        rest = turns.turn(due, 1.0 + rounds / 1000)
    took = time.monotonic() - began
    with town.store.read() as db:
        taken = Counter(db.scalars(select(Escalation.ticket_id).filter_by(step_key="missed")))
        told = Counter(db.scalars(select(Notice.key)))
        rows = db.scalar(select(func.count()).where(History.verb == "missed"))
    print(f"{many} windows in one second: {took:.1f} s, {rounds} rounds")
    assert len(taken) == rows == many
    assert set(taken.values()) == {1}
    assert len(told) == 3 * many  # head, coordinator, regional secretary
    assert set(told.values()) == {1}
    if many >= 10_000:
        assert took <= LIMIT_S
