"""Calls to citizens: is it solved? So many tries, in permitted hours, then silence may count.

A word is never lost: it lies in the call's sidecar until it is filed. Nobody is called again who
has said something, and no complaint is closed as unconfirmed while a try is still to come.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from callcenter.domain.call_back import next_morning, next_try
from callcenter.domain.complaint import DROPPED, REPORTED, ComplaintState, Outcome
from callcenter.domain.out_call import Purpose
from callcenter.services import closing, history
from callcenter.services.errors import Refused
from callcenter.services.out_plans import Ground, plan
from callcenter.store.models import Call, Complaint, History, Ticket
from callcenter.store.outgoing_models import OutCall

_BATCH = 50
_LENGTHS = (10, 16)  # of what `may_be_dialled`
_WORDS = {"solved": Outcome.SOLVED, "not_solved": Outcome.NOT_SOLVED}


def plan_due(session: Session, *, now: datetime, ground: Ground) -> int:
    """Plan the first call for what is answered and reported and was not asked by telephone yet;
    how many. Twice is harmless: the key names complaint, round and try."""
    planned = [_plan(session, c, 1, now, now) for c in due(session, ground=ground)]
    return len([call for call in planned if call is not None])


def due(session: Session, *, ground: Ground) -> list[Complaint]:
    """What is answered, reported and not asked by telephone in this round; a batch of it.

    Whoever cannot be asked yet, or not by telephone, must not fill the batch for good: a report
    may be missing for months, and a number may be another country's.
    """
    if not ground.tries:
        return []
    ripe = session.scalars(
        select(Complaint)
        .where(
            Complaint.state == ComplaintState.ANSWERED,
            Complaint.outcome.is_(None),
            Complaint.reporter_phone.like("+62%"),
            func.length(Complaint.reporter_phone).between(*_LENGTHS),
            ~_called_in_this_round(),
            _has_ticket(Ticket.state.in_(REPORTED)),
            ~_has_ticket(Ticket.state.not_in((*REPORTED, *DROPPED))),
        )
        .order_by(Complaint.id)
        .limit(_BATCH)
    ).all()
    return list(ripe)


def _has_ticket(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Ticket.complaint_id == Complaint.id, condition)


def _called_in_this_round() -> ColumnElement[bool]:
    """Whether the citizen was called since the last reopening."""
    reopened = (
        select(func.max(History.at))
        .where(History.complaint_id == Complaint.id, History.verb == "reopen")
        .correlate(Complaint)
        .scalar_subquery()
    )
    since = (reopened.is_(None)) | (OutCall.created_at > reopened)
    return exists().where(
        OutCall.complaint_id == Complaint.id, OutCall.purpose == Purpose.CLOSING, since
    )


def _plan(
    session: Session, complaint: Complaint, number: int, not_before: datetime, now: datetime
) -> OutCall | None:
    rounds = session.scalar(
        select(func.count())
        .select_from(History)
        .where(History.complaint_id == complaint.id, History.verb == "reopen")
    )
    return plan(
        session,
        f"closing:{complaint.id}:{rounds}:{number}",
        Purpose.CLOSING,
        complaint.reporter_phone,
        now=now,
        not_before=not_before,
        complaint_id=complaint.id,
    )


def needless(session: Session, call: OutCall) -> bool:
    """Whether the citizen has said something since, or the complaint is open again."""
    complaint = session.get_one(Complaint, call.complaint_id, populate_existing=True)
    return complaint.state is not ComplaintState.ANSWERED or complaint.outcome is not None


def ended(
    session: Session, call: OutCall, heard: Call | None, *, now: datetime, ground: Ground
) -> None:
    """The citizen's word takes effect; without one there is another try, or silence counts."""
    told = {key: value for _at, key, value in heard.path} if heard else {}
    call.word = str(told.get("citizen", ""))[:20]
    complaint_id = call.complaint_id or 0
    word = _WORDS.get(call.word)
    if word is None:
        _try_again(session, call, now=now, ground=ground)
        return
    actor = f"call:{heard.id}" if heard else "line"
    try:
        with session.begin_nested():
            closing.word(session, complaint_id, word, actor=actor, now=now, rules=ground.rules)
    except Refused as error:  # an operator was told meanwhile
        history.note(session, complaint_id, "called", actor=actor, now=now, why=error.message)


def _try_again(session: Session, call: OutCall, *, now: datetime, ground: Ground) -> None:
    complaint = session.get_one(Complaint, call.complaint_id, populate_existing=True)
    outcome = call.outcome.value if call.outcome else ""
    history.note(session, complaint.id, "called", actor="line", now=now, why=outcome)
    if needless(session, call):
        return
    made = int(call.key.split(":")[3])
    if made < ground.tries:
        again = next_try(made, now, ground.forbidden) or next_morning(now, ground.forbidden)
        _plan(session, complaint, made + 1, again, now)
    elif complaint.asked_at is None:
        closing.asked(session, complaint.id, actor="line", now=now)
