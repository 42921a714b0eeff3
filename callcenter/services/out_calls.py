"""Calls that the line places itself, each at most once: planned, written down, placed, ended.

A call gets its id before the exchange is told. Whoever finds an order without an answer asks
whether a call of that id exists, lies in the spool or is filed; only one that is nowhere is
ordered again, under the same id, which the exchange takes once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, true, update
from sqlalchemy.orm import Session

from callcenter.domain import call_back
from callcenter.domain.out_call import Outcome, Purpose, State, call_uid, may_be_dialled, outcome_of
from callcenter.domain.window import Night
from callcenter.services import audit, callbacks, closing_calls, officer_calls
from callcenter.services.batch import one_by_one
from callcenter.services.callbacks import Claim
from callcenter.services.errors import NotFound, Refused
from callcenter.services.out_plans import Ground
from callcenter.store.line_models import CallBack
from callcenter.store.models import Call
from callcenter.store.outgoing_models import OutCall

#: An order that was answered by nobody for so long is looked up, and given again if need be.
DOUBTFUL = timedelta(seconds=6)
#: A call that is nowhere for so long after it was placed has come to nothing.
LOST = timedelta(seconds=30)
#: So many orders that the exchange does not take are enough.
_MOST_ORDERS = 5
_NO_OPERATOR_PAUSE = timedelta(minutes=2)
_SPOKEN_FOR = {
    Outcome.ANSWERED: call_back.Outcome.TALKED,
    Outcome.BUSY: call_back.Outcome.BUSY,
    Outcome.NO_ANSWER: call_back.Outcome.NO_ANSWER,
}


@dataclass(frozen=True, slots=True)
class Placing:
    """A call that is written down and is to be ordered now. `again`: an earlier order may have
    been taken."""

    out_call_id: int
    order: int
    call_uid: str
    purpose: Purpose
    telephone: str
    operator: str


# ---------------------------------------------------------------- planned


def call_back_now(
    session: Session,
    call_back_id: int,
    *,
    operator: str,
    actor: str,
    now: datetime,
    forbidden: Night,
    never: Sequence[str] = (),
) -> OutCall:
    """An operator wants to talk to this person now: a telephone of ours rings, then theirs.

    `operator` is the telephone; empty: whoever is free. Refused outside the hours, when the entry
    is closed, or somebody is calling.
    """
    if session.get(CallBack, call_back_id) is None:
        raise NotFound("Permintaan telepon balik ini tidak ada.")
    if forbidden.covers(now):
        raise Refused("state", "Di luar jam telepon balik: warga tidak ditelepon sekarang.")
    held = callbacks.take(session, call_back_id, by=actor, now=now)
    if held is None:
        raise Refused("state", "Permintaan ini sudah selesai, atau sedang ditelepon.")
    if not may_be_dialled(held.caller, never):
        raise Refused("state", "Nomor ini tidak bisa ditelepon dari sini.")
    thing = f"call_back:{call_back_id}"
    audit.record(session, actor=actor, action="call_back_dialled", thing=thing, now=now)
    return _back(session, held, operator, now)


def somebody_due(session: Session, now: datetime, forbidden: Night, node: str) -> bool:
    """Whether somebody is to be called back now, and no call-back of this exchange's is under
    way."""
    open_one = select(OutCall.id).where(
        OutCall.purpose == Purpose.CALL_BACK,
        or_(OutCall.state == State.PLANNED, _under_way(node)),
    )
    if session.scalar(open_one.limit(1)) is not None:
        return False
    return callbacks.next_due(session, now, forbidden) is not None


def call_back_next(
    session: Session, *, now: datetime, forbidden: Night, never: Sequence[str] = ()
) -> OutCall | None:
    """The next person who is due; for the clock, while an operator is free."""
    held = callbacks.claim(session, now, by="line", forbidden=forbidden)
    if held is None:
        return None
    if not may_be_dialled(held.caller, never):  # from abroad: an operator may call by hand
        callbacks.settle(session, held, call_back.Outcome.GAVE_UP, now=now, forbidden=forbidden)
        return None
    return _back(session, held, "", now)


def _back(session: Session, held: Claim, operator: str, now: datetime) -> OutCall:
    call = OutCall(
        key=f"call_back:{held.call_back_id}:{held.fence}",
        purpose=Purpose.CALL_BACK,
        state=State.PLANNED,
        telephone=held.caller,
        operator=operator,
        call_back_id=held.call_back_id,
        fence=held.fence,
        created_at=now,
        not_before=now,
    )
    session.add(call)
    session.flush()
    return call


# ---------------------------------------------------------------- placed


def planned(session: Session, now: datetime) -> bool:
    """Whether a call is to be placed by now."""
    due = select(OutCall.id).where(OutCall.state == State.PLANNED, OutCall.not_before <= now)
    return session.scalar(due.limit(1)) is not None


def next_to_place(
    session: Session, now: datetime, *, node: str, most: int, ground: Ground
) -> Placing | None:
    """Take a planned call that is due and write down that it is placed now; commit, then order.

    None while `most` are under way on the exchange `node`. Of two who take at once one gets it. No
    citizen is called in the forbidden hours. What must never be dialled has failed, whoever
    planned it and when.
    """
    under_way = select(func.count()).select_from(OutCall).where(_under_way(node))
    if session.scalar(under_way) >= most:  # type: ignore[operator]
        return None
    found = session.scalar(
        select(OutCall)
        .where(
            OutCall.state == State.PLANNED,
            OutCall.not_before <= now,
            OutCall.purpose == Purpose.OFFICER if ground.forbidden.covers(now) else true(),
        )
        .order_by(OutCall.not_before, OutCall.id)
        .limit(1)
    )
    if found is None:
        return None
    if _needless(session, found):
        found.state, found.outcome, found.ended_at = State.ENDED, Outcome.NEEDLESS, now
        session.flush()
        return next_to_place(session, now, node=node, most=most, ground=ground)
    if not may_be_dialled(found.telephone, ground.never):
        _finish(session, found, Outcome.FAILED, now=now, ground=ground)
        return next_to_place(session, now, node=node, most=most, ground=ground)
    taken = session.execute(
        update(OutCall)
        .where(OutCall.id == found.id, OutCall.state == State.PLANNED)
        .values(
            state=State.PLACING, placed_at=now, orders=1, call_uid=call_uid(node, now, found.id)
        )
        .execution_options(synchronize_session=False)
    )
    return _placing(session, found.id) if taken.rowcount == 1 else None  # type: ignore[attr-defined]


def _under_way(node: str) -> ColumnElement[bool]:
    """What the exchange `node` was told to place. Of another's calls it knows nothing: they are
    neither doubtful here nor in the way."""
    return and_(
        OutCall.state.in_((State.PLACING, State.PLACED)),
        OutCall.call_uid.startswith(f"{node}-", autoescape=True),
    )


def _needless(session: Session, call: OutCall) -> bool:
    """Whether what the call is for has been settled since it was planned."""
    if call.purpose is Purpose.CALL_BACK:
        entry = session.get(CallBack, call.call_back_id, populate_existing=True)
        mine = (call.fence, call_back.State.CALLING)
        return entry is None or (entry.fence, entry.state) != mine
    if call.purpose is Purpose.OFFICER:
        return officer_calls.needless(session, call)
    return closing_calls.needless(session, call)


def _placing(session: Session, out_call_id: int) -> Placing:
    call = session.get_one(OutCall, out_call_id, populate_existing=True)
    uid = call.call_uid or ""
    return Placing(call.id, call.orders, uid, call.purpose, call.telephone, call.operator)


def taken(session: Session, placing: Placing) -> None:
    """The exchange has said that it takes the order."""
    session.execute(
        update(OutCall)
        .where(OutCall.id == placing.out_call_id, OutCall.state == State.PLACING)
        .values(state=State.PLACED)
        .execution_options(synchronize_session=False)
    )


def doubtful(session: Session, now: datetime, node: str) -> Sequence[OutCall]:
    """Calls of the exchange `node` of which nobody has heard for a while: ordered without an
    answer, or placed long ago."""
    return session.scalars(
        select(OutCall)
        .where(
            _under_way(node),
            or_(
                and_(OutCall.state == State.PLACING, OutCall.placed_at <= now - DOUBTFUL),
                and_(OutCall.state == State.PLACED, OutCall.placed_at <= now - LOST),
            ),
        )
        .order_by(OutCall.id)
    ).all()


def settle_doubt(
    session: Session,
    out_call_id: int,
    *,
    known: Collection[str],
    now: datetime,
    ground: Ground,
) -> Placing | None:
    """What to do about a doubtful call: nothing, or the order to give once more.

    `known` are the ids of the calls that live or lie in the spool, asked for after the call was
    found doubtful; what became of one that is filed by now, `finish_filed` writes down. A call
    that was taken and is nowhere has failed; so has one that the exchange does not take again and
    again.
    """
    call = session.get_one(OutCall, out_call_id, with_for_update=True)
    still = call.state in (State.PLACING, State.PLACED)
    if not still or call.placed_at is None or call.placed_at > now - DOUBTFUL:
        return None  # somebody was quicker
    if call.call_uid in known:
        call.state = State.PLACED
        return None
    if of_row(session, call) is not None:
        return None
    if call.state is State.PLACED or call.orders >= _MOST_ORDERS:
        _finish(session, call, Outcome.FAILED, now=now, ground=ground)
        return None
    call.orders, call.placed_at = call.orders + 1, now
    session.flush()
    return _placing(session, call.id)


# ---------------------------------------------------------------- ended


def of_row(session: Session, call: OutCall) -> Call | None:
    """What was filed of this call; None while nothing is."""
    return session.scalar(select(Call).where(Call.call_uid == call.call_uid))


def finish_filed(session: Session, *, now: datetime, ground: Ground) -> int:
    """Write down what came of our calls that are filed by now; how many. Twice is harmless, and
    one that cannot be written down holds up no other."""
    over = filed(session)
    left = one_by_one(
        session,
        "what came of a call of ours",
        over,
        lambda call: ended(session, call, now=now, ground=ground),
    )
    return len(over) - len(left)


def filed(session: Session) -> Sequence[Call]:
    """Our calls that are filed by now, and not written down as ended."""
    return session.scalars(
        select(Call)
        .join(OutCall, OutCall.call_uid == Call.call_uid)
        .where(OutCall.state.in_((State.PLACING, State.PLACED)))
        .order_by(Call.id)
    ).all()


def ended(session: Session, call: Call, *, now: datetime, ground: Ground) -> bool:
    """A filed call that the line has placed itself: write down what came of it, and go on.

    Whether it is one. Harmless to repeat: an ended call is left alone.
    """
    out = session.scalar(select(OutCall).where(OutCall.call_uid == call.call_uid).with_for_update())
    if out is None:
        return False
    if out.state is not State.ENDED:
        told = {key: value for _at, key, value in call.path}
        outcome = outcome_of(out.purpose, told)
        _finish(session, out, outcome, now=now, ground=ground, heard=call)
    return True


def _finish(
    session: Session,
    call: OutCall,
    outcome: Outcome,
    *,
    now: datetime,
    ground: Ground,
    heard: Call | None = None,
) -> None:
    call.state, call.outcome, call.ended_at = State.ENDED, outcome, now
    if call.purpose is Purpose.OFFICER:
        officer_calls.ended(session, call, heard, now=now, ground=ground)
    elif call.purpose is Purpose.CLOSING:
        closing_calls.ended(session, call, heard, now=now, ground=ground)
    else:
        _settle_call_back(session, call, outcome, now=now, ground=ground)
    session.flush()


def _settle_call_back(
    session: Session, call: OutCall, outcome: Outcome, *, now: datetime, ground: Ground
) -> None:
    held = Claim(call.call_back_id or 0, call.fence, call.telephone, call_back.Reason.ASKED)
    if outcome is Outcome.NO_OPERATOR:
        callbacks.put_back(session, held, again=now + _NO_OPERATOR_PAUSE, now=now)
    else:
        came = _SPOKEN_FOR.get(outcome, call_back.Outcome.FAILED)
        callbacks.settle(session, held, came, now=now, forbidden=ground.forbidden)
