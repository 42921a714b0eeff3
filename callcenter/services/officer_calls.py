"""Calls to officers about a ticket: once per ticket, step and person; then the next of the team.

What an officer decides lies on disk before anything is written here (the call's sidecar); it
takes effect when the call is filed. Who gives no word is not asked again: the next one is.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.ticket import FINAL, TicketState
from callcenter.services import history, notices, reports, tickets, voice_notes, wording
from callcenter.services.errors import Refused
from callcenter.services.out_plans import Ground, call_officer
from callcenter.services.rules import Rules
from callcenter.store.models import Call, Person, Ticket
from callcenter.store.outgoing_models import OutCall

log = logging.getLogger("aduan24.dialler")

ACCEPT, RETURN, WAITING, REPORT = "accept", "return", "waiting", "report"
_RETURNED = "Bukan tugas kami (lewat telepon)."


def needless(session: Session, call: OutCall) -> bool:
    """Whether somebody has taken the ticket, or it has ended, since the call was planned."""
    ticket = session.get_one(Ticket, call.ticket_id, populate_existing=True)
    taken = ticket.accepted_at or ticket.times.answered_at
    return taken is not None or ticket.state in FINAL


def ended(
    session: Session, call: OutCall, heard: Call | None, *, now: datetime, ground: Ground
) -> None:
    """What the officer decided takes effect; without a word the next of the team is called."""
    call.word = _word(heard)
    person = session.get_one(Person, call.person_key)
    if not call.word:
        _next_of_team(session, call, person, now)
        return
    try:
        with session.begin_nested():
            _decide(session, call, person, heard, now=now, ground=ground)
    except Refused as error:  # somebody else was quicker: the ticket has moved on
        log.info("ticket %s: %s by telephone: %s", call.ticket_id, call.word, error.field)
        _note(session, call, f"{call.word}: {error.message}", now)


def _word(heard: Call | None) -> str:
    """A report that was spoken counts, even where the officer hung up in the middle of it."""
    if heard is None:
        return ""
    if _spoken(heard) is not None:
        return REPORT
    told = {key: value for _at, key, value in heard.path}
    return str(told.get("officer", ""))[:20]


def _spoken(heard: Call) -> str | None:
    """Where the report lies that was spoken into this call, the last take with speech."""
    takes = [r for r in heard.recordings if r.kind == REPORT and r.speech_seconds > 0]
    return takes[-1].path if takes else None


def _decide(
    session: Session,
    call: OutCall,
    person: Person,
    heard: Call | None,
    *,
    now: datetime,
    ground: Ground,
) -> None:
    ticket_id, actor, rules = call.ticket_id or 0, f"person:{person.key}", ground.rules
    if call.word == REPORT and heard is not None:
        _file_report(session, call, person, heard, now=now, ground=ground)
    elif call.word == RETURN:
        tickets.return_(session, ticket_id, reason=_RETURNED, actor=actor, now=now, rules=rules)
    elif call.word in (ACCEPT, WAITING):
        ticket = tickets.accept(session, ticket_id, actor=actor, now=now, rules=rules)
        if call.word == WAITING:
            _ask_what_for(session, ticket, person, now=now, rules=rules)


def _ask_what_for(
    session: Session, ticket: Ticket, person: Person, *, now: datetime, rules: Rules
) -> None:
    """A key says that it has to wait; reason, evidence and day come through the link."""
    notices.write(
        session,
        ticket=ticket,
        people=[person],
        kind="waiting-asked",
        words=wording.of_waiting_asked(ticket, rules),
        now=now,
        rules=rules,
    )


def _file_report(
    session: Session,
    call: OutCall,
    person: Person,
    heard: Call,
    *,
    now: datetime,
    ground: Ground,
) -> None:
    """The spoken report is the report. Raises Refused, also for a sound without speech."""
    try:
        spoken = (ground.recordings / (_spoken(heard) or "")).read_bytes()
    except OSError as error:
        log.error("ticket %s: the spoken report cannot be read: %s", call.ticket_id, error.errno)
        raise Refused("voice", "Rekaman laporan tidak bisa dibaca.") from None
    voice = voice_notes.heard(spoken)
    reports.file_report(
        session,
        call.ticket_id or 0,
        text="",
        done_at=heard.ended_at or now,
        people=person.name,
        materials="",
        photos=[],
        actor=f"person:{person.key}",
        now=now,
        rules=ground.rules,
        folder=ground.recordings,
        voice=voice,
    )


def _note(session: Session, call: OutCall, why: str, now: datetime) -> None:
    ticket = session.get_one(Ticket, call.ticket_id)
    history.note(
        session,
        ticket.complaint_id,
        "called",
        actor=f"person:{call.person_key}",
        now=now,
        ticket_id=ticket.id,
        why=why,
    )


def _next_of_team(session: Session, call: OutCall, person: Person, now: datetime) -> None:
    """Who comes after this officer in duty order, then from the beginning, each once a step."""
    outcome = call.outcome.value if call.outcome else ""
    _note(session, call, outcome, now)
    ticket = session.get_one(Ticket, call.ticket_id, populate_existing=True)
    if ticket.state is not TicketState.DISPATCHED:
        return
    team = session.scalars(
        select(Person)
        .where(Person.agency_key == ticket.agency_key, Person.post == "officer", Person.active)
        .order_by(Person.duty_order, Person.key)
    ).all()
    after = [p for p in team if (p.duty_order, p.key) > (person.duty_order, person.key)]
    before = [p for p in team if p not in after and p.key != person.key]
    step_key = call.key.split(":")[2]
    for each in (*after, *before):
        if call_officer(session, ticket.id, each, step_key, now=now) is not None:
            return
