"""A year with random officers: the figures reconcile to the last ticket, by agency and month."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from callcenter.services import figures
from callcenter.services.figures import Figure
from tests.services.conftest import DAY, HOUR, Town
from tests.services.year_part import NAMES, Plan, live_all


@pytest.mark.parametrize(
    ("complaints", "parts", "turn"),
    [
        (300, 1, 12 * HOUR),
        pytest.param(1000, 1, 12 * HOUR, marks=pytest.mark.endurance),
        pytest.param(
            100_000, 12, 2 * HOUR, marks=[pytest.mark.endurance, pytest.mark.timeout(4 * 3600)]
        ),
    ],
    ids=["300", "1000", "100000"],
)
def test_every_ticket_of_a_year_counts_once(
    migrated_file: Path, tmp_path: Path, complaints: int, parts: int, turn: timedelta
) -> None:
    """Many complaints come in several parts of the year, each with a database of its own: the
    parts pass at the same time, and their sums are one year's.
    """
    began, plans = monotonic(), []
    for which in range(parts):
        (tmp_path / f"{which}").mkdir()
        file = Path(shutil.copy(migrated_file, tmp_path / f"{which}" / "year.db"))
        share = complaints * (which + 1) // parts - complaints * which // parts
        plans.append(Plan(file, which, parts, share, turn))
    year = live_all(plans)
    total = Counter({name: sum(getattr(f, name) for f in year.figures) for name in NAMES.values()})
    print(
        f"\n{complaints} complaints in {monotonic() - began:.0f} s: {year.tickets} tickets, "
        f"{dict(total)}; {year.steps} steps and {year.notices} notices, each once"
    )

    # those who did it, the domain's rule and the database's figures agree on every ticket
    assert year.told == year.by_rule == year.by_figure
    for figure in year.figures:
        ways = figure.met + figure.missed + figure.open + figure.withdrawn
        assert figure.dispatched == ways
    assert sum(f.dispatched for f in year.figures) == year.tickets == year.told.total()
    assert all(total[name] for name in ("met", "missed", "withdrawn"))
    # nothing lost, nothing twice, nothing forgotten
    assert year.complaints == complaints
    assert year.times_taken == year.times_told == {1}
    assert year.recorded == year.steps
    assert year.asleep == 0


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
