"""What an agency does with its ticket: accept, respond, return, start, wait, go on.

Each verb locks the complaint, then the ticket (always in this order), moves the ticket by the
table, lets the complaint follow, and writes down the next step of the ladder.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.people import Post
from callcenter.domain.ticket import TicketState, WaitingReason
from callcenter.services import escalation, followers, history, notices, sequence, wording
from callcenter.services.batch import one_by_one
from callcenter.services.desk import clean, hold
from callcenter.services.errors import NotFound, Refused
from callcenter.services.recipients import people_for
from callcenter.services.rules import Rules
from callcenter.store.models import Complaint, History, Ticket

_LONGEST = 4000
_BATCH = 100
#: So many returns of one complaint are a game of ping-pong.
PING_PONG = 2


def locked(session: Session, ticket_id: int) -> Ticket:
    """The ticket, its complaint and itself locked until the end; NotFound without one."""
    complaint_id = session.scalar(select(Ticket.complaint_id).where(Ticket.id == ticket_id))
    if complaint_id is None:
        raise NotFound("Tiket ini tidak ada.")
    hold(session, complaint_id)
    return session.get_one(Ticket, ticket_id, with_for_update={"key_share": True})


def accept(session: Session, ticket_id: int, *, actor: str, now: datetime, rules: Rules) -> Ticket:
    """It is ours, we are on it. A second tap of the same person changes nothing."""
    ticket = locked(session, ticket_id)
    if ticket.state is TicketState.ACCEPTED and ticket.accepted_by == actor:
        return ticket
    history.advance_ticket(session, ticket, "accept", actor=actor, now=now)
    ticket.accepted_at, ticket.accepted_by = now, actor
    escalation.reschedule(ticket, rules)
    return ticket


def respond(
    session: Session, ticket_id: int, *, text: str, actor: str, now: datetime, rules: Rules
) -> Ticket:
    """The first substantive answer: stops the 24-hour window."""
    ticket = locked(session, ticket_id)
    answer = _needed("response", text, "Tuliskan tanggapan Anda.")
    history.advance_ticket(session, ticket, "respond", actor=actor, now=now, why=answer)
    ticket.responded_at, ticket.response = now, answer
    sequence.go_on(session, ticket.complaint, actor=actor, now=now, rules=rules)
    escalation.reschedule(ticket, rules)
    return ticket


def return_(
    session: Session, ticket_id: int, *, reason: str, actor: str, now: datetime, rules: Rules
) -> Ticket:
    """Not ours: back to the operators at once; the citizen's waiting time keeps running."""
    ticket = locked(session, ticket_id)
    why = _needed("reason", reason, "Tuliskan alasan mengembalikan.")
    history.advance_ticket(session, ticket, "return", actor=actor, now=now, why=why)
    ticket.returned_at, ticket.return_reason = now, why
    complaint = ticket.complaint
    complaint.returned_at = now  # on top of the operators' list, until one of them has decided
    if all(t.state is TicketState.RETURNED for t in _this_round(session, complaint)):
        history.advance_complaint(session, complaint, "return", actor=actor, now=now, why=why)
    escalation.reschedule(ticket, rules)
    if sum(t.state is TicketState.RETURNED for t in complaint.tickets) >= PING_PONG:
        _tell_of_ping_pong(session, ticket, now=now, rules=rules)
    return ticket


def _tell_of_ping_pong(session: Session, ticket: Ticket, *, now: datetime, rules: Rules) -> None:
    """Agencies send it to and fro: somebody above them has to say whose it is."""
    notices.write(
        session,
        ticket=ticket,
        people=people_for(session, ticket, (Post.COORDINATOR,), now=now, rules=rules),
        kind="ping-pong",
        words=wording.of_ping_pong(ticket, rules),
        now=now,
        rules=rules,
    )


def settle_return(
    session: Session, complaint_id: int, *, why: str, actor: str, now: datetime, rules: Rules
) -> Complaint:
    """No other agency is needed for what came back: those that have the complaint are enough."""
    complaint = hold(session, complaint_id)
    if complaint.returned_at is None:
        raise Refused("state", "Tidak ada tiket kembali yang menunggu keputusan.")
    if complaint.state is not ComplaintState.DISPATCHED:
        raise Refused("state", "Tidak ada instansi lain; teruskan ke instansi yang berwenang.")
    reason = clean(why, 300, "why")
    if not reason:
        raise Refused("why", "Tuliskan mengapa tidak perlu instansi lain.")
    complaint.returned_at = None
    history.note(session, complaint.id, "settle_return", actor=actor, now=now, why=reason)
    sequence.go_on(session, complaint, actor=actor, now=now, rules=rules)
    return complaint


def _this_round(session: Session, complaint: Complaint) -> list[Ticket]:
    """The tickets that were sent since the citizen last said no: the earlier answers were no use.

    By the order of history, because clocks may be set back.
    """
    row = select(History.id).where(History.complaint_id == complaint.id)
    no = session.scalar(row.where(History.verb == "reopen").order_by(History.id.desc()).limit(1))
    sent = session.scalars(
        select(History.ticket_id).where(
            History.complaint_id == complaint.id,
            History.verb == "dispatch",
            History.ticket_id.is_not(None),
            History.id > (no or 0),
        )
    ).all()
    return [ticket for ticket in complaint.tickets if ticket.id in sent]


def start(session: Session, ticket_id: int, *, actor: str, now: datetime, rules: Rules) -> Ticket:
    """Work begins, or goes on after waiting."""
    ticket = locked(session, ticket_id)
    history.advance_ticket(session, ticket, "start", actor=actor, now=now)
    stop_waiting(ticket, now)
    escalation.reschedule(ticket, rules)
    return ticket


def wait(
    session: Session,
    ticket_id: int,
    *,
    reason: WaitingReason,
    note: str,
    until: datetime,
    approver: str,
    actor: str,
    now: datetime,
    rules: Rules,
) -> Ticket:
    """The handling pauses until a day, with reason, evidence and approver; never the window.

    Where it waits already, or has waited, this is a prolongation: with an approval of its own, and
    not more often than configured. The citizen is told each time.
    """
    ticket = locked(session, ticket_id)
    before = _waitings(session, ticket_id)
    _check_until(ticket, until, before, now, rules)
    ticket.waiting_note = _needed("evidence", note, "Tuliskan buktinya.")
    ticket.waiting_approver = clean(approver, 120, "approver")
    if not ticket.waiting_approver:
        raise Refused("approver", "Tuliskan siapa yang menyetujui.")
    verb = "prolong" if ticket.state is TicketState.WAITING else "wait"
    history.advance_ticket(session, ticket, verb, actor=actor, now=now, why=reason.value)
    ticket.waiting_reason, ticket.waiting_until = reason, until
    ticket.waiting_since = ticket.waiting_since or now
    escalation.reschedule(ticket, rules)
    notices.tell_reporter(
        session,
        ticket.complaint,
        wording.of_waiting(ticket, rules),
        what=f"{ticket.id}:{before + 1}",
        now=now,
        rules=rules,
    )
    followers.tell(
        session,
        ticket.complaint_id,
        lambda number: wording.of_waiting(ticket, rules, number),
        what=f"{ticket.id}:{before + 1}",
        now=now,
        rules=rules,
    )
    return ticket


def _waitings(session: Session, ticket_id: int) -> int:
    """How often the work was put off so far."""
    rows = select(func.count()).where(
        History.ticket_id == ticket_id, History.verb.in_(("wait", "prolong"))
    )
    return session.scalar(rows) or 0


def _check_until(ticket: Ticket, until: datetime, before: int, now: datetime, rules: Rules) -> None:
    if until <= now:
        raise Refused("until", "Pilih tanggal yang akan datang.")
    if until > now + rules.waiting.longest:
        raise Refused("until", "Pilih tanggal perkiraan pekerjaan berlanjut.")
    if before > rules.waiting.prolonged_at_most:
        raise Refused("until", "Masa menunggu sudah diperpanjang sesering yang diizinkan.")
    held = ticket.waiting_until if ticket.state is TicketState.WAITING else None
    if held is not None and until <= held:
        raise Refused("until", "Pilih tanggal setelah tanggal yang sekarang berlaku.")


def stop_waiting(ticket: Ticket, now: datetime) -> None:
    """The work goes on: what was waited is measured, and its clock runs again."""
    if ticket.waiting_since is not None:
        ticket.waited_s += max(0.0, (now - ticket.waiting_since).total_seconds())
        ticket.waiting_since = None


def wake_due(session: Session, *, now: datetime, rules: Rules) -> int:
    """Waiting tickets whose expected day has come go on, and the team is told; how many."""
    waiting = session.scalars(
        select(Ticket.id)
        .where(Ticket.state == TicketState.WAITING, Ticket.waiting_until <= now)
        .order_by(Ticket.waiting_until, Ticket.id)
        .limit(_BATCH)
    ).all()
    asleep = one_by_one(
        session, "waking a ticket", waiting, lambda t: _wake(session, t, now=now, rules=rules)
    )
    return len(waiting) - len(asleep)


def _wake(session: Session, ticket_id: int, *, now: datetime, rules: Rules) -> None:
    ticket = locked(session, ticket_id)
    until = ticket.waiting_until
    if ticket.state is not TicketState.WAITING or until is None or until > now:
        return  # somebody was quicker
    history.advance_ticket(session, ticket, "wake", actor="clock", now=now)
    stop_waiting(ticket, now)
    escalation.reschedule(ticket, rules)
    notices.write(
        session,
        ticket=ticket,
        people=people_for(session, ticket, (Post.TEAM,), now=now, rules=rules),
        kind=f"wake-{int(until.timestamp())}",
        words=wording.of_wake(ticket, rules),
        now=now,
        rules=rules,
    )


def _needed(field: str, text: str, remedy: str) -> str:
    kept = clean(text, _LONGEST, field)
    if not kept:
        raise Refused(field, remedy)
    return kept
