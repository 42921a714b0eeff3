"""The ladder at work: every step of a ticket once, recorded, with the notices it sends.

`next_step_key` and `next_step_at` are columns, so that the clock asks the database for what is
due; the unique key of an escalation makes a second one impossible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from callcenter.domain.window import Due, next_step
from callcenter.services import ladders, notices, out_plans, wording
from callcenter.services.batch import one_by_one
from callcenter.services.notices import Telling
from callcenter.services.recipients import Directory
from callcenter.services.rules import Rules
from callcenter.store.bulk import write_rows
from callcenter.store.models import Agency, Escalation, History, Ticket

BATCH = 500
PUT_OFF = timedelta(minutes=1)


def some_due(connection: Connection, now: datetime) -> bool:
    """Whether any step is due: one look into an index, before anybody holds the database."""
    due = select(Ticket.id).where(Ticket.next_step_at <= now).limit(1)
    return connection.execute(due).first() is not None


def take_due(session: Session, *, now: datetime, rules: Rules) -> int:
    """Take every step that is due now, of at most BATCH tickets; of how many tickets it did.

    A process that slept takes what it missed, in the order of the ladder. Two clocks at once are
    harmless: on PostgreSQL each leaves the other's rows alone, on SQLite one waits for the other.
    """
    due = session.scalars(
        select(Ticket)
        .where(Ticket.next_step_at <= now)
        .options(joinedload(Ticket.complaint))
        .order_by(Ticket.next_step_at, Ticket.id)
        .limit(BATCH)
        .with_for_update(of=Ticket, skip_locked=True, key_share=True)
    ).all()
    _bring_agencies(session, due)
    together = one_by_one(
        session,
        "steps of the ladder",
        [due] if due else [],
        lambda tickets: _climb_all(session, tickets, now=now, rules=rules),
    )
    failed = one_by_one(
        session,
        "a step of the ladder",
        [(ticket, ticket.id) for tickets in together for ticket in tickets],
        lambda one: climb(session, one[0], now=now, rules=rules, actor="clock"),
    )
    _put_off(session, [ticket_id for _, ticket_id in failed], now)
    return len(due) - len(failed)


def _bring_agencies(session: Session, tickets: Sequence[Ticket]) -> None:
    """Every agency is asked for once, not by each ticket."""
    known = {agency.key: agency for agency in session.scalars(select(Agency))} if tickets else {}
    for ticket in tickets:
        set_committed_value(ticket, "agency", known[ticket.agency_key])


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
    taken = {ticket.id: done_with(ticket)}
    stands = _climb(session, [ticket], taken, now=now, rules=rules, actor=actor, until=until)
    for one, due in stands:
        _write_down(one, due)


Stand = tuple[Ticket, Due | None]


def _climb_all(session: Session, tickets: Sequence[Ticket], *, now: datetime, rules: Rules) -> None:
    """The same for many: all of them together, or none. The caller holds the tickets."""
    taken: dict[int, set[str]] = {ticket.id: set(ticket.passed_steps) for ticket in tickets}
    rows = select(Escalation.ticket_id, Escalation.step_key)
    for ticket_id, key in session.execute(rows.where(Escalation.ticket_id.in_(taken))):
        taken[ticket_id].add(key)
    stands = _climb(session, tickets, taken, now=now, rules=rules, actor="clock")
    _write_all_down(session, stands)


def _climb(
    session: Session,
    tickets: Sequence[Ticket],
    done: Mapping[int, set[str]],
    *,
    now: datetime,
    rules: Rules,
    actor: str,
    until: datetime | None = None,
) -> list[Stand]:
    """Take the steps that are due, and tell of them; what comes next for each ticket.

    `done`: by ticket, the keys that are never taken again; what is taken now is added.
    However many they are, each kind of row is written by one statement.
    """
    people = Directory(session, tickets, now=now, rules=rules)
    stands: list[Stand] = []
    taken: list[tuple[Ticket, Due]] = []
    tellings = []
    for ticket in tickets:
        steps, times = ladders.steps_for(ticket, rules), ticket.times
        over = done[ticket.id]
        while (due := next_step(steps, times, over, rules.night)) and _is_due(due, now, until):
            over.add(due.step.key)
            taken.append((ticket, due))
            told = people.people_for(ticket, due.step.to)
            people.tell(ticket, told)
            if due.step.call:
                out_plans.call_officers(session, ticket, told, due.step.key, now=now)
            words = wording.of_step(due.step, ticket, now, rules)
            tellings.append(Telling(ticket, told, due.step.key, words))
        stands.append((ticket, due))
    _keep(session, taken, now=now, actor=actor)
    notices.write_all(session, tellings, now=now, rules=rules)
    return stands


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


def _write_all_down(session: Session, stands: Iterable[Stand]) -> None:
    """The same in one statement; the tickets in memory follow."""
    table = Ticket.__table__
    session.connection().execute(
        update(Ticket)
        .where(table.c.id == bindparam("ticket"))
        .values(
            next_step_key=bindparam("key"),
            next_step_at=bindparam("at"),
            version=table.c.version + 1,
        ),
        [
            {
                "ticket": ticket.id,
                "key": due.step.key if due else None,
                "at": due.release if due else None,
            }
            for ticket, due in stands
        ],
    )
    for ticket, due in stands:
        set_committed_value(ticket, "next_step_key", due.step.key if due else None)
        set_committed_value(ticket, "next_step_at", due.release if due else None)
        set_committed_value(ticket, "version", ticket.version + 1)


def _keep(
    session: Session, taken: Sequence[tuple[Ticket, Due]], *, now: datetime, actor: str
) -> None:
    """Each step that was taken: that it was, and the event."""
    if not taken:
        return
    session.flush()  # events stand in their order
    write_rows(
        session,
        Escalation,
        [
            {
                "ticket_id": ticket.id,
                "step_key": due.step.key,
                "due_at": due.at,
                "taken_at": now,
            }
            for ticket, due in taken
        ],
    )
    write_rows(
        session,
        History,
        [
            {
                "complaint_id": ticket.complaint_id,
                "ticket_id": ticket.id,
                "at": now,
                "actor": actor,
                "verb": "missed" if due.step.missed else "step",
                "from_state": "",
                "to_state": "",
                "why": due.step.key,
            }
            for ticket, due in taken
        ],
    )
    for ticket, _due in taken:
        if "escalations" in ticket.__dict__:
            session.expire(ticket, ["escalations"])
