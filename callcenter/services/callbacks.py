"""Calling citizens back: one open entry per person, in permitted hours, with an end to trying.

An entry is claimed by a conditional UPDATE with a fence that grows, so that two who call back at
once do not ring the same person, and a stale result is refused. A person who asked waits for us;
one who hung up waiting for an operator, or before saying anything, is called unless they reach us
first, and the latter once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from callcenter.domain.call_back import Outcome, Reason, State, next_try
from callcenter.domain.window import Night
from callcenter.services import audit, phones, silence
from callcenter.services.errors import NotFound, Refused
from callcenter.services.turns import take_turn
from callcenter.store.line_models import CallBack, CallBackRequest, CallBackTry
from callcenter.store.models import Call, Complaint

#: Whoever has held an entry for so long is dead or stuck: longer than any call may last.
LEASE = timedelta(minutes=75)
#: After a call-back for a missed call, further missed calls ask for none for so long: a machine
#: that rings and hangs up must not make us ring it all day.
QUIET = timedelta(days=7)
#: A missed call that is filed later than this (the application was away) is past.
LATELY = timedelta(days=1)

_OPEN = (State.WAITING, State.CALLING)
_WANTED = ("queue", "no_operator")  # steps of who asked for an operator
_WEIGHT = (Reason.MISSED, Reason.ABANDONED, Reason.ASKED)


@dataclass(frozen=True, slots=True)
class Claim:
    """An entry in somebody's hands; `caller` is whom to ring (E.164)."""

    call_back_id: int
    fence: int
    caller: str
    reason: Reason


# ---------------------------------------------------------------- asked for


def call_ended(session: Session, call: Call, *, now: datetime) -> None:
    """What a filed call means for call-backs; harmless to repeat for the same call."""
    if call.caller is None:
        return
    if _asked(call):
        request(session, call, Reason.ASKED, now=now)
    elif call.complaint is not None:
        _reached_us(session, call.caller, now)
    elif _abandoned(call, now) and not _spoke_since(session, call):
        request(session, call, Reason.ABANDONED, now=now)
    elif _missed(call, now) and _worth_a_call(session, call, now):
        request(session, call, Reason.MISSED, now=now)


def request(session: Session, call: Call, reason: Reason, *, now: datetime) -> CallBack:
    """Put the call's person on the list, or add the call to their open entry.

    Who asked is called even where a missed call alone was the reason before; so is who waited.
    """
    caller = call.caller or ""
    take_turn(session, "a request to be called back")
    known = session.scalar(select(CallBackRequest).where(CallBackRequest.call_id == call.id))
    if known is not None and known.reason is reason:
        return session.get_one(CallBack, known.call_back_id)
    entry = _open_of(session, caller) or _new(session, caller, reason, now)
    if known is None:
        session.add(CallBackRequest(call_back_id=entry.id, call_id=call.id, reason=reason, at=now))
    if _WEIGHT.index(reason) > _WEIGHT.index(entry.reason):
        entry.reason = reason
    session.flush()
    return entry


def _new(session: Session, caller: str, reason: Reason, now: datetime) -> CallBack:
    entry = CallBack(
        caller=caller,
        open_caller=caller,
        reason=reason,
        state=State.WAITING,
        requested_at=now,
        next_at=now,
    )
    session.add(entry)
    session.flush()
    return entry


def _open_of(session: Session, caller: str) -> CallBack | None:
    return session.scalar(select(CallBack).where(CallBack.open_caller == caller).with_for_update())


def _asked(call: Call) -> bool:
    return any((key, value) == ("call_back", "asked") for _at, key, value in call.path)


def _abandoned(call: Call, now: datetime) -> bool:
    """Whether the caller wanted an operator lately, and neither talked nor left a complaint."""
    waited = any(key == "step" and value in _WANTED for _at, key, value in call.path)
    talked = any((key, value) == ("connected", "talked") for _at, key, value in call.path)
    return waited and not talked and (call.ended_at or call.started_at) > now - LATELY


def _missed(call: Call, now: datetime) -> bool:
    """Whether the call ended lately, before anything was said or served, on a mobile telephone."""
    lately = call.ended_at is not None and call.ended_at > now - LATELY
    return lately and call.silent and phones.mobile(call.caller) is not None


def _worth_a_call(session: Session, call: Call, now: datetime) -> bool:
    """Whether this person was neither called for a missed call before, nor has spoken since, nor
    only ever is silent."""
    caller = call.caller or ""
    had = select(CallBack.id).where(
        CallBack.caller == caller,
        CallBack.open_caller.is_(None),
        CallBack.reason == Reason.MISSED,
        CallBack.closed_at > now - QUIET,
    )
    needless = session.scalar(had.limit(1)) is not None or _spoke_since(session, call)
    return not needless and not silence.hurried(session, caller, now)


def _spoke_since(session: Session, call: Call) -> bool:
    """Whether this person has called again and left a complaint."""
    later = (
        select(Call.id)
        .join(Complaint, Complaint.call_id == Call.id)
        .where(Call.caller == call.caller, Call.started_at > call.started_at)
    )
    return session.scalar(later.limit(1)) is not None


def _reached_us(session: Session, caller: str, now: datetime) -> None:
    """They called again and spoke: a lost call needs no answer any more, a wish to talk does."""
    entry = _open_of(session, caller)
    if entry is not None and entry.reason is not Reason.ASKED and entry.state is State.WAITING:
        _close(entry, State.REACHED_US, now)


# ---------------------------------------------------------------- due


def next_due(session: Session, now: datetime, forbidden: Night) -> CallBack | None:
    """Who is to be called first now; None outside the permitted hours.

    Who asked or waited for us comes before who hung up, then who has waited longest.
    """
    if forbidden.covers(now):
        return None
    asked_first = (CallBack.reason != Reason.MISSED).desc()
    return session.scalar(
        select(CallBack)
        .where(_is_due(now))
        .order_by(asked_first, CallBack.next_at, CallBack.id)
        .limit(1)
    )


def claim(session: Session, now: datetime, *, by: str, forbidden: Night) -> Claim | None:
    """Take the next person to be called, and write down the try; None when nobody is due.

    Commit before ringing. Of two who claim at once each gets another person, or one gets none.
    """
    entry = next_due(session, now, forbidden)
    return None if entry is None else _taken(session, entry.id, _is_due(now), by=by, now=now)


def take(session: Session, call_back_id: int, *, by: str, now: datetime) -> Claim | None:
    """Take this very person, due or not; None when the entry is closed or in other hands."""
    at_hand = or_(CallBack.state == State.WAITING, _is_due(now))
    return _taken(session, call_back_id, at_hand, by=by, now=now)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(CallBack.state == State.WAITING, CallBack.next_at <= now),
        and_(CallBack.state == State.CALLING, CallBack.claimed_at <= now - LEASE),
    )


def _taken(
    session: Session, call_back_id: int, condition: ColumnElement[bool], *, by: str, now: datetime
) -> Claim | None:
    taken = session.execute(
        update(CallBack)
        .where(CallBack.id == call_back_id, condition)
        .values(state=State.CALLING, claimed_at=now, claimed_by=by, fence=CallBack.fence + 1)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    entry = session.get_one(CallBack, call_back_id, populate_existing=True)
    session.add(CallBackTry(call_back_id=entry.id, fence=entry.fence, made_by=by, started_at=now))
    session.flush()
    return Claim(entry.id, entry.fence, entry.caller, entry.reason)


# ---------------------------------------------------------------- settled


def settle(
    session: Session, held: Claim, outcome: Outcome, *, now: datetime, forbidden: Night
) -> bool:
    """Write down what came of the try; False when somebody else has the entry by now."""
    tried = _try_of(session, held)
    if tried is not None and tried.finished_at is None:
        tried.finished_at, tried.outcome = now, outcome
    entry = _entry_of(session, held)
    if entry is None:
        return False
    _follow(entry, outcome, now, forbidden)
    session.flush()
    return True


def put_back(session: Session, held: Claim, *, again: datetime, now: datetime) -> None:
    """Nobody was called: no operator was free. The try counts for nothing; asked for at `again`."""
    tried = _try_of(session, held)
    if tried is not None and tried.finished_at is None:
        session.delete(tried)
    entry = _entry_of(session, held)
    if entry is not None:
        entry.state, entry.next_at, entry.claimed_at = State.WAITING, max(again, now), None
    session.flush()


def _try_of(session: Session, held: Claim) -> CallBackTry | None:
    return session.scalar(
        select(CallBackTry).where(
            CallBackTry.call_back_id == held.call_back_id, CallBackTry.fence == held.fence
        )
    )


def _entry_of(session: Session, held: Claim) -> CallBack | None:
    """The entry, locked, if it is in these hands still."""
    return session.scalar(
        select(CallBack)
        .where(
            CallBack.id == held.call_back_id,
            CallBack.fence == held.fence,
            CallBack.state == State.CALLING,
        )
        .with_for_update()
    )


def called(
    session: Session,
    call_back_id: int,
    outcome: Outcome,
    *,
    actor: str,
    now: datetime,
    forbidden: Night,
) -> None:
    """An operator has called this person by hand, at whatever hour, and says what came of it.

    Refused when the entry is closed, or somebody is calling at this moment.
    """
    entry = session.get(CallBack, call_back_id)
    if entry is None:
        raise NotFound("Permintaan telepon balik ini tidak ada.")
    held = take(session, call_back_id, by=actor, now=now)
    if held is None:
        raise Refused("state", "Permintaan ini sudah selesai, atau sedang ditelepon.")
    settle(session, held, outcome, now=now, forbidden=forbidden)
    audit.record(
        session,
        actor=actor,
        action="called_back",
        thing=f"call_back:{call_back_id}",
        now=now,
        detail={"outcome": outcome.value},
    )


def _follow(entry: CallBack, outcome: Outcome, now: datetime, forbidden: Night) -> None:
    """To its end, or to the next try."""
    if outcome is Outcome.TALKED:
        _close(entry, State.TALKED, now)
        return
    entry.tries += 1
    again = None if outcome is Outcome.GAVE_UP else next_try(entry.tries, now, forbidden)
    if again is None:
        _close(entry, State.GIVEN_UP, now)
    else:
        entry.state, entry.next_at, entry.claimed_at = State.WAITING, again, None


def _close(entry: CallBack, state: State, now: datetime) -> None:
    entry.state, entry.closed_at = state, now
    entry.open_caller = entry.next_at = entry.claimed_at = None
