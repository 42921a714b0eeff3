"""The ladder at work: every step of a ticket once, recorded, with the notices it sends.

`next_step_key` and `next_step_at` are columns, so that the clock asks the database for what is
due; the unique key of an escalation makes a second one impossible.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from callcenter.domain.window import Due, next_step
from callcenter.services import history, ladders, notices, out_plans, wording
from callcenter.services.batch import one_by_one
from callcenter.services.notices import Telling
from callcenter.services.recipients import Directory
from callcenter.services.rules import Rules
from callcenter.store.models import Escalation, Ticket

BATCH = 100
PUT_OFF = timedelta(minutes=1)


def take_due(session: Session, *, now: datetime, rules: Rules) -> int:
    """Take every step that is due now, of at most BATCH tickets; of how many tickets it did.

    A process that slept takes what it missed, in the order of the ladder. Two clocks at once are
    harmless: on PostgreSQL each leaves the other's rows alone, on SQLite one waits for the other.
    """
    due = session.scalars(
        select(Ticket)
        .where(Ticket.next_step_at <= now)
        .options(
            joinedload(Ticket.complaint),
            joinedload(Ticket.agency),
            selectinload(Ticket.escalations),
        )
        .order_by(Ticket.next_step_at, Ticket.id)
        .limit(BATCH)
        .with_for_update(of=Ticket, skip_locked=True, key_share=True)
    ).all()
    together = one_by_one(
        session,
        "steps of the ladder",
        [due] if due else [],
        lambda tickets: _climb(session, tickets, now=now, rules=rules, actor="clock"),
    )
    failed = one_by_one(
        session,
        "a step of the ladder",
        [(ticket, ticket.id) for tickets in together for ticket in tickets],
        lambda one: climb(session, one[0], now=now, rules=rules, actor="clock"),
    )
    _put_off(session, [ticket_id for _, ticket_id in failed], now)
    return len(due) - len(failed)


def _put_off(session: Session, ticket_ids: list[int], now: datetime) -> None:
    """A ticket whose step fails is asked for again in a while: the others come first."""
    if ticket_ids:
        session.execute(
            update(Ticket)
            .where(Ticket.id.in_(ticket_ids))
            .values(next_step_at=now + PUT_OFF)
            .execution_options(synchronize_session=False)
        )


def climb(
    session: Session,
    ticket: Ticket,
    *,
    now: datetime,
    rules: Rules,
    actor: str,
    until: datetime | None = None,
) -> None:
    """Take the steps of one ticket that are due, then write down the next one.

    `until`: only what fell due before that moment, when its ladder gave way to another.
    """
    _climb(session, [ticket], now=now, rules=rules, actor=actor, until=until)


def _climb(
    session: Session,
    tickets: Sequence[Ticket],
    *,
    now: datetime,
    rules: Rules,
    actor: str,
    until: datetime | None = None,
) -> None:
    """The same for many: all of them together, or none."""
    people, tellings = Directory(session, tickets, now=now, rules=rules), []
    for ticket in tickets:
        while (due := _next(ticket, rules)) is not None and _is_due(due, now, until):
            _take(session, ticket, due, now=now, actor=actor)
            told = people.people_for(ticket, due.step.to)
            people.tell(ticket, told)
            if due.step.call:
                out_plans.call_officers(session, ticket, told, due.step.key, now=now)
            words = wording.of_step(due.step, ticket, now, rules)
            tellings.append(Telling(ticket, told, due.step.key, words))
        _write_down(ticket, due)
    notices.write_all(session, tellings, now=now, rules=rules)


def reschedule(ticket: Ticket, rules: Rules) -> None:
    """Write down the next step after something happened to the ticket; takes none."""
    _write_down(ticket, _next(ticket, rules))


def done_with(ticket: Ticket) -> set[str]:
    """Keys of the steps that this ticket has taken, or never takes."""
    return {escalation.step_key for escalation in ticket.escalations} | set(ticket.passed_steps)


def _is_due(due: Due, now: datetime, until: datetime | None) -> bool:
    return due.release <= now and (until is None or due.release < until)


def _next(ticket: Ticket, rules: Rules) -> Due | None:
    steps = ladders.steps_for(ticket, rules)
    return next_step(steps, ticket.times, done_with(ticket), rules.night)


def _write_down(ticket: Ticket, due: Due | None) -> None:
    ticket.next_step_key = due.step.key if due else None
    ticket.next_step_at = due.release if due else None


def _take(session: Session, ticket: Ticket, due: Due, *, now: datetime, actor: str) -> None:
    step = due.step
    ticket.escalations.append(Escalation(step_key=step.key, due_at=due.at, taken_at=now))
    history.note(
        session,
        ticket.complaint_id,
        "missed" if step.missed else "step",
        actor=actor,
        now=now,
        ticket_id=ticket.id,
        why=step.key,
    )
