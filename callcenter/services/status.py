"""What became of a complaint, for whoever knows its PIN; nothing for a guesser.

An unknown number, a wrong PIN and a caller who has to wait get the same answer: None. The rules
of waiting are `domain.limits`; the rows that they count are written in the same transaction.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.orm import Session

from callcenter.domain.limits import Answer, Limits, Wrong, may_answer, unforgiven
from callcenter.domain.status import Status, TicketView, status_of
from callcenter.services import audit, followers, phones, pins
from callcenter.services.turns import take_turn
from callcenter.store.line_models import StatusAttempt
from callcenter.store.models import Call, Complaint
from ivr.numbers import is_valid

_PURPOSE = b"aduan24 caller of an inquiry 1\0"
_NOBODYS = "10000004"  # a number to compare a PIN with where there is no complaint
_HIDDEN = "hidden"  # all who hide their number share one budget
_NEWEST = 10  # by the telephone alone; each one more helps whoever forges a caller's number


@dataclass(frozen=True, slots=True)
class InquiryRules:
    """The secret that PINs follow from, and what wrong ones cost."""

    secret: str = field(repr=False)
    limits: Limits


@dataclass(frozen=True, slots=True)
class _Question:
    """Who asks about what. `number`: a public number; None: by the caller's own telephone."""

    number: str | None
    caller: str
    own: bool
    candidates: Sequence[Complaint]


def inquire(
    session: Session,
    *,
    number: str,
    pin: str,
    caller: str,
    now: datetime,
    rules: InquiryRules,
) -> Status | None:
    """The facts of the complaint, if number and PIN belong together and may be looked at now.

    Without a `number` the newest complaint of the caller's telephone whose PIN it is. `caller` as
    the line gives it; empty for a hidden one. Commit the session whatever the answer is: a wrong
    one has left a row.
    """
    if number and not is_valid(number):
        return None  # a slip of the finger: no complaint can have this number
    take_turn(session, "an inquiry")
    question = _question(session, number, phones.normalise(caller), rules)
    evaluated = may_answer(
        _wrong(session, question, now, rules.limits), own=question.own, now=now, limits=rules.limits
    )
    found = _matching(question, pin, rules.secret) if evaluated else None
    session.add(
        StatusAttempt(
            at=now,
            caller_hash=question.caller,
            own=question.own,
            public_number=question.number,
            evaluated=evaluated,
            succeeded=found is not None,
        )
    )
    if found is None:
        return None
    thing = f"complaint:{found.id}"
    audit.record(session, actor="caller", action="status_told", thing=thing, now=now)
    return facts_of(found, now)


def facts_of(complaint: Complaint, now: datetime) -> Status:
    """What may be told of a complaint at `now`; of a merged one, what becomes of its lead."""
    number, received_at = complaint.public_number, complaint.received_at
    complaint = followers.lead_of(complaint) or complaint
    tickets = [
        TicketView(t.agency_key, t.state, t.times, t.waiting_until) for t in complaint.tickets
    ]
    return status_of(
        number,
        complaint.state,
        received_at,
        tickets,
        now,
        outcome=complaint.outcome,
        closed_at=complaint.closed_at,
    )


def forget(session: Session, *, now: datetime, limits: Limits) -> int:
    """Throw away questions that no rule counts any more; how many there were."""
    old = delete(StatusAttempt).where(StatusAttempt.at <= now - limits.memory)
    return session.execute(old).rowcount  # type: ignore[attr-defined, no-any-return]


# ---------------------------------------------------------------- the question


def _question(
    session: Session, number: str, telephone: str | None, rules: InquiryRules
) -> _Question:
    caller = _keyed(telephone or _HIDDEN, rules.secret)
    if not number:
        return _Question(None, caller, own=True, candidates=_own(session, telephone))
    found = session.scalars(select(Complaint).where(Complaint.public_number == number)).all()
    own = any(telephone and telephone in _telephones(complaint) for complaint in found)
    return _Question(number, caller, own, found)


def _keyed(telephone: str, secret: str) -> str:
    """Tells callers apart and cannot be turned back by trying every telephone number."""
    return hmac.digest(secret.encode(), _PURPOSE + telephone.encode(), "sha256").hex()


def _own(session: Session, telephone: str | None) -> Sequence[Complaint]:
    """The newest complaints from this telephone."""
    if telephone is None:
        return ()
    return session.scalars(
        select(Complaint)
        .outerjoin(Call, Complaint.call_id == Call.id)
        .where(or_(Complaint.reporter_phone == telephone, Call.caller == telephone))
        .order_by(Complaint.received_at.desc(), Complaint.id.desc())
        .limit(_NEWEST)
    ).all()


def _telephones(complaint: Complaint) -> set[str | None]:
    return {complaint.reporter_phone, complaint.call.caller if complaint.call else None}


def _matching(question: _Question, pin: str, secret: str) -> Complaint | None:
    """The first whose PIN it is; where there is none, one PIN is compared all the same."""
    pins.matches(pin, question.number or _NOBODYS, secret)
    right = (c for c in question.candidates if pins.matches(pin, c.public_number, secret))
    return next(right, None)


# ---------------------------------------------------------------- what was wrong before


def _wrong(session: Session, question: _Question, now: datetime, limits: Limits) -> Wrong:
    foreign = StatusAttempt.own.is_(False)
    to_this = StatusAttempt.public_number == question.number
    return Wrong(
        by_caller=unforgiven(_answers(session, question, since=now - limits.memory)),
        to_complaint=_moments(session, to_this, foreign, since=now - limits.memory),
        overall=_moments(session, foreign, since=now - _longest(limits)),
    )


def _answers(session: Session, question: _Question, since: datetime) -> list[Answer]:
    """What this caller has had answered, to the same kind of question."""
    rows = session.execute(
        select(StatusAttempt.at, StatusAttempt.public_number, StatusAttempt.succeeded)
        .where(
            StatusAttempt.caller_hash == question.caller,
            StatusAttempt.own.is_(question.own),
            StatusAttempt.at > since,
            StatusAttempt.evaluated,
        )
        .order_by(StatusAttempt.id)
    )
    return [Answer(at, number, right) for at, number, right in rows]


def _moments(
    session: Session, *conditions: ColumnElement[bool], since: datetime
) -> Sequence[datetime]:
    return session.scalars(
        select(StatusAttempt.at).where(
            *conditions,
            StatusAttempt.at > since,
            StatusAttempt.evaluated,
            StatusAttempt.succeeded.is_(False),
        )
    ).all()


def _longest(limits: Limits) -> timedelta:
    return max(window.length for window in limits.overall)
