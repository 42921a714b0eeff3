"""Open tickets move to the ladder in force: what happened stays, from the change on the new counts.

A dry run says beforehand which ticket gets which next step. The move itself is the clock's: each
ticket in a savepoint of its own, whatever was killed in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from callcenter.domain import ladder_change
from callcenter.domain.ticket import FINAL, TicketState
from callcenter.domain.window import Due, Step, needless, next_step
from callcenter.services import escalation, ladders
from callcenter.services.batch import one_by_one
from callcenter.services.ladders import Rungs
from callcenter.services.rules import Rules
from callcenter.store.models import LadderVersion, Ticket

BATCH = 100
OPEN = tuple(state for state in TicketState if state not in FINAL)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one open ticket. `at_once`: the next step's moment is over already."""

    ticket: Ticket
    before: Due | None
    after: Due | None
    passed: tuple[str, ...]
    at_once: bool


def preview(session: Session, rungs: Rungs, *, now: datetime, rules: Rules) -> Iterator[Change]:
    """The open tickets for which something changes if these ladders were adopted at `now`."""
    version = ladders.in_force(session)
    for ticket in _open(session):
        yet_to_move = ticket.ladder_id is None and version is not None
        old = (
            ladders.steps_of(version, ticket, rules)
            if version is not None and yet_to_move
            else ladders.steps_for(ticket, rules)
        )
        new = ladders.read(rungs, ticket.urgency, ticket.agency_key, rules.time_scale)
        if old != new:
            change = _change(ticket, old, new, now, rules)
            if change.passed or _face(change.before) != _face(change.after):
                yield change


def _change(
    ticket: Ticket, old: Sequence[Step], new: Sequence[Step], now: datetime, rules: Rules
) -> Change:
    times, taken = ticket.times, escalation.done_with(ticket)
    skipped = ladder_change.passed(old, new, times, taken, now)
    before = next_step(old, times, taken, rules.night)
    after = next_step(new, times, taken | skipped, rules.night)
    told = tuple(step.key for step in new if step.key in skipped and not needless(step, times))
    return Change(ticket, before, after, told, after is not None and after.release <= now)


def _face(due: Due | None) -> tuple[Step, datetime] | None:
    return (due.step, due.release) if due else None


def _open(session: Session) -> Iterator[Ticket]:
    """A page at a time: there may be very many."""
    last = 0
    rows = select(Ticket).where(Ticket.state.in_(OPEN)).order_by(Ticket.id).limit(5 * BATCH)
    rows = rows.options(joinedload(Ticket.complaint), selectinload(Ticket.escalations))
    while page := session.scalars(rows.where(Ticket.id > last)).all():
        yield from page
        last = page[-1].id


def move_due(session: Session, *, now: datetime, rules: Rules) -> int:
    """Move tickets to the next version of the ladders, at most BATCH; how many.

    Running twice is harmless: who stands on the newest is not looked at. A ticket that ended
    stays on the ladder that it climbed.
    """
    newest = ladders.current_id(session)
    if newest is None:
        return 0
    behind = session.scalars(
        select(Ticket)
        .where(
            Ticket.state.in_(OPEN),
            or_(Ticket.ladder_id.is_(None), Ticket.ladder_id < newest),
        )
        .options(selectinload(Ticket.escalations))
        .order_by(Ticket.id)
        .limit(BATCH)
        .with_for_update(of=Ticket, skip_locked=True, key_share=True)
    ).all()
    versions = session.scalars(select(LadderVersion).order_by(LadderVersion.id)).all()
    failed = one_by_one(
        session,
        "moving a ticket to the new ladder",
        behind,
        lambda ticket: _move(session, ticket, versions, now=now, rules=rules),
    )
    return len(behind) - len(failed)


def _move(
    session: Session,
    ticket: Ticket,
    versions: Sequence[LadderVersion],
    *,
    now: datetime,
    rules: Rules,
) -> None:
    """One version after the other, each from the moment on at which it was adopted."""
    for version in versions:
        if version.id <= (ticket.ladder_id or 0):
            continue
        escalation.climb(
            session, ticket, now=now, rules=rules, actor="clock", until=version.adopted_at
        )
        old, new = ladders.steps_for(ticket, rules), ladders.steps_of(version, ticket, rules)
        taken = escalation.done_with(ticket)
        skipped = ladder_change.passed(old, new, ticket.times, taken, version.adopted_at)
        ticket.passed_steps = sorted({*ticket.passed_steps, *skipped})
        ticket.ladder_id = version.id
    escalation.reschedule(ticket, rules)
