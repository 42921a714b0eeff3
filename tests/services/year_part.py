"""A part of a year in a database of its own, and what it amounts to: several parts at once.

    part = live(Plan(file, which=3, parts=12, complaints=8334, turn=2 * HOUR))

Reports come in during that part of the year; then time passes to the year's end. Each part is
counted three ways: by those who did it, by the domain's rule, and by the database's figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path

from sqlalchemy import func, select

from callcenter.config.load import load
from callcenter.domain.ticket import FINAL
from callcenter.domain.window import Standing, standing
from callcenter.services import directory, figures
from callcenter.services.figures import Figure
from callcenter.store.models import Complaint, Escalation, History, Notice, Ticket
from callcenter.wiring import rules_of
from tests.databases import Database
from tests.services.conftest import DAY, ROOT, T0, Town
from tests.services.year import BEGINS, Told, Year

#: What a ticket stands for in the figures.
NAMES = {
    Standing.MET: "met",
    Standing.MISSED: "missed",
    Standing.RUNNING: "open",
    Standing.WITHDRAWN: "withdrawn",
}
#: How many tickets by (agency, month, standing).
Counted = Counter[tuple[str, str, str]]


@dataclass(frozen=True)
class Plan:
    """`file`: an empty, migrated SQLite database; the other fields as `Year` has them."""

    file: Path
    which: int
    parts: int
    complaints: int
    turn: timedelta


@dataclass
class Part:
    """What was counted. `times_taken`, `times_told`: how often one step, one notice was there."""

    told: Counted = field(default_factory=Counter)
    by_rule: Counted = field(default_factory=Counter)
    by_figure: Counted = field(default_factory=Counter)
    figures: list[Figure] = field(default_factory=list)
    complaints: int = 0
    tickets: int = 0
    steps: int = 0
    notices: int = 0
    recorded: int = 0
    asleep: int = 0
    times_taken: set[int] = field(default_factory=set)
    times_told: set[int] = field(default_factory=set)

    def __add__(self, other: Part) -> Part:
        return Part(
            self.told + other.told,
            self.by_rule + other.by_rule,
            self.by_figure + other.by_figure,
            self.figures + other.figures,
            self.complaints + other.complaints,
            self.tickets + other.tickets,
            self.steps + other.steps,
            self.notices + other.notices,
            self.recorded + other.recorded,
            self.asleep + other.asleep,
            self.times_taken | other.times_taken,
            self.times_told | other.times_told,
        )


def live_all(plans: Sequence[Plan]) -> Part:
    """All of them, as many at once as there are processors; their sum."""
    if len(plans) == 1:
        return live(plans[0])
    with ProcessPoolExecutor(cpu_count(), get_context("spawn")) as pool:
        return sum(pool.map(live, plans), Part())


def live(plan: Plan) -> Part:
    """One part, to the end of the year."""
    config = load(ROOT / "config.yaml")
    with closing(Database(f"sqlite:///{plan.file}")) as database:
        store = database.store()
        with store.write() as db:
            directory.sync(db, config, T0 - DAY)
        town = Town(store, rules_of(config), plan.file.parent / "recordings", [])
        year = Year(
            town,
            seed=plan.complaints + plan.which,
            complaints=plan.complaints,
            turn=plan.turn,
            part=(plan.which, plan.parts),
        )
        year.passes()
        return _counted(town, year)


def _counted(town: Town, year: Year) -> Part:
    zone, now, part = town.rules.zone, year.ends, Part()
    with town.store.read() as db:
        part.figures = figures.by_agency_and_month(db, BEGINS, now, zone=zone, now=now)
        for ticket in db.scalars(select(Ticket)):
            month = f"{ticket.dispatched_at.astimezone(zone):%Y-%m}"
            part.by_rule[ticket.agency_key, month, NAMES[standing(ticket.times, now)]] += 1
            part.tickets += 1
        part.complaints = db.scalar(select(func.count()).select_from(Complaint)) or 0
        taken = Counter(map(tuple, db.execute(select(Escalation.ticket_id, Escalation.step_key))))
        keys = Counter(db.scalars(select(Notice.key)))
        climbed = func.count().filter(History.verb.in_(("step", "missed")))
        part.recorded = db.scalar(select(climbed)) or 0
        asleep = func.count().filter(Ticket.state.not_in(FINAL), Ticket.next_step_at <= now)
        part.asleep = db.scalar(select(asleep)) or 0
    for told in year.told.values():
        part.told[told.agency, f"{told.sent.astimezone(zone):%Y-%m}", retold(told, now)] += 1
    for figure in part.figures:
        for name in NAMES.values():
            if count := getattr(figure, name):
                part.by_figure[figure.agency_key, figure.month, name] += count
    part.steps, part.notices = len(taken), len(keys)
    part.times_taken, part.times_told = set(taken.values()), set(keys.values())
    return part


def retold(told: Told, now: datetime) -> str:
    """A ticket as the programme's rules put it: an answer within 24 hours, or not."""
    due = told.sent + timedelta(hours=24)
    if told.answered is not None:
        return "met" if told.answered < due else "missed"
    if told.returned is not None:
        return "withdrawn" if told.returned < due else "missed"
    return "open" if now < due else "missed"
