"""The clock is killed with -9 again and again, and every step is taken once and on time."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from callcenter.store.models import Escalation, History, Notice, Ticket
from tests.faults.conftest import MakeSite
from tests.faults.deployment import Process, Site
from tests.running import until

pytestmark = pytest.mark.timeout(300)

TICKETS = 25
SCALE = 2160  # 24 hours in 40 seconds, 48 in 80
LATE = timedelta(seconds=5)


@pytest.mark.parametrize(
    ("kills", "scale", "late"),
    [(10, 4 * SCALE, None), pytest.param(50, SCALE, LATE, marks=pytest.mark.endurance)],
)
def test_every_step_once_and_on_time_while_the_clock_is_killed(
    site: MakeSite, kills: int, scale: int, late: timedelta | None
) -> None:
    here = site(time_scale=scale, enabled="false")
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    tickets = [here.ticket(serial) for serial in range(TICKETS // 2)]
    clock = here.start("clock")
    births = [datetime.now(UTC)]
    for kill in range(kills):
        if kill % 2 == 0 and len(tickets) < TICKETS:
            tickets.append(here.ticket(100 + kill))
        time.sleep(chance.uniform(0.2, 2.6))
        clock.kill()
        clock.start()
        births.append(datetime.now(UTC))
    until(lambda: not _left(here), 120)
    clock.stop()

    expected = {step.key for step in here.rules.ladders["report"] if step.clock == "dispatched"}
    with here.store.read() as session:
        taken = session.scalars(select(Escalation)).all()
        per_ticket = Counter((e.ticket_id, e.step_key) for e in taken)
        assert set(per_ticket) == {(t, key) for t in tickets for key in expected}, seed
        assert set(per_ticket.values()) == {1}, seed
        notices = Counter(session.scalars(select(Notice.key)))
        assert set(notices.values()) == {1}, seed
        rows = session.scalar(
            select(func.count()).where(History.actor == "clock", History.verb != "wake")
        )
        assert rows == len(taken) - len(tickets), seed  # step 0 is the dispatcher's
        latest = max(_late(e, births) for e in taken)
    print(f"{kills} kills, {len(taken)} steps, latest {latest.total_seconds():.2f} s late")
    assert late is None or latest <= late, (seed, latest)


def _left(here: Site) -> int:
    with here.store.read() as session:
        rows = select(func.count()).select_from(Ticket).where(Ticket.next_step_at.is_not(None))
        return session.scalar(rows) or 0


def _late(step: Escalation, births: list[datetime]) -> timedelta:
    """Against the later of its due time and the start of the clock that took it."""
    before = [birth for birth in births if birth <= step.taken_at]
    return step.taken_at - max([step.due_at, *before[-1:]])


def test_two_clocks_at_once_take_each_step_once(site: MakeSite) -> None:
    here = site(time_scale=8640, enabled="false")  # 24 hours in 10 seconds
    tickets = [here.ticket(serial) for serial in range(10)]
    clocks: list[Process] = [here.start("clock"), here.start("clock")]
    until(lambda: not _left(here), 60)
    for clock in clocks:
        clock.stop()
    with here.store.read() as session:
        taken = Counter((e.ticket_id, e.step_key) for e in session.scalars(select(Escalation)))
    assert {ticket for ticket, _ in taken} == set(tickets)
    assert set(taken.values()) == {1}
