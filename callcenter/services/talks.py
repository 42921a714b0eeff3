"""The database follows the operators' queue: who waits, whose telephone rings, who talks.

Everything is derived from how the exchange stands now, never from single events, so that a look
that was missed is made good by the next one, and looking twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from callcenter.domain.out_call import is_ours
from callcenter.domain.presence import Board, Phone, Wanted
from callcenter.services import history, intake, presences
from callcenter.services.intake import HeardCall
from callcenter.store.models import Call
from callcenter.store.operator_models import OperatorCall, Presence

#: So many of the latest conversations say how long one takes.
_LATEST = 20
#: A longer one (somebody forgot to hang up) says nothing about the next.
_LONGEST = timedelta(hours=1)
_SPOKEN = ("id", "ban", "en")


@dataclass(frozen=True, slots=True)
class Follower:
    """What following needs: the line's name, the time after a call, and the spool's word.

    `heard` gives what the spool knows of a call by its id, or None. `missed_most`: an operator
    who does not answer so often in a row is paused.
    """

    line: str
    wrap_up: timedelta
    heard: Callable[[str], HeardCall | None]
    missed_most: int = 2


def follow(
    session: Session,
    board: Board,
    waiting: Collection[str],
    follower: Follower,
    *,
    now: datetime,
    missed: Collection[str] = (),
) -> None:
    """Bring the database to `board`; `waiting` are the calls that wait, also between two rounds.

    `missed`: the telephones that were not answered since the last look, once for each call.
    """
    there = {p.extension: p for p in presences.signed_in(session) if p.extension}
    calls = {row.call.call_uid: row for row in open_calls(session)}
    ringing = _ringing(board)
    talking = {leg.call_id: leg.extension for leg in board.legs if leg.answered}
    for call_id in sorted({*waiting, *ringing, *talking} - set(calls)):
        if (row := _join(session, call_id, follower, now)) is not None:
            calls[call_id] = row
    for call_id, row in calls.items():
        _rings(session, row, ringing.get(call_id, []), there, now)
        if call_id in talking:
            _talks(session, row, talking[call_id], there, now)
        elif row.answered_at or (call_id not in waiting and call_id not in ringing):
            _over(session, row, there, follower, now)
    for extension in missed:
        if (presence := there.get(extension)) is not None:
            actor = f"line:{follower.line}"
            presences.not_answered(
                session, presence, most=follower.missed_most, actor=actor, now=now
            )
    for presence in there.values():
        _telephone(session, presence, board, now)
    session.flush()


def lost(session: Session, *, now: datetime) -> None:
    """The exchange cannot be asked: nobody knows what the telephones do."""
    for presence in presences.signed_in(session):
        if presence.phone is not Phone.UNKNOWN:
            presence.phone = Phone.UNKNOWN
            presences.happened(session, "phone", now, user_id=presence.user_id)


def all_over(session: Session, follower: Follower, *, now: datetime) -> None:
    """The exchange is dead, or was not to be reached for long: nobody waits or talks any more.

    A call that does go on is found again by `follow`, as soon as the exchange can be asked.
    """
    there = {p.extension: p for p in presences.signed_in(session) if p.extension}
    for row in open_calls(session):
        _over(session, row, there, follower, now)


def wanted(session: Session, now: datetime) -> dict[str, Wanted]:
    """How the exchange should have each telephone at which somebody sits."""
    return {
        p.extension: Wanted(p.state, p.reason, p.wrap_until is not None and now < p.wrap_until)
        for p in presences.signed_in(session)
        if p.extension
    }


def next_due(session: Session) -> datetime | None:
    """When the next operator has had the time to write; None where nobody writes."""
    return min((p.wrap_until for p in presences.signed_in(session) if p.wrap_until), default=None)


def open_calls(session: Session) -> list[OperatorCall]:
    """Callers who wait or talk, who came first first."""
    return list(
        session.scalars(
            select(OperatorCall)
            .where(OperatorCall.ended_at.is_(None))
            .options(joinedload(OperatorCall.call).joinedload(Call.complaint))
            .order_by(OperatorCall.joined_at, OperatorCall.id)
        )
    )


def usual_seconds(session: Session) -> float | None:
    """How long the latest conversations took on average; None without any."""
    rows = session.execute(
        select(OperatorCall.answered_at, OperatorCall.ended_at)
        .where(OperatorCall.answered_at.is_not(None), OperatorCall.ended_at.is_not(None))
        .order_by(OperatorCall.id.desc())
        .limit(_LATEST)
    )
    spans = [ended - answered for answered, ended in rows if answered and ended]
    usual = [span.total_seconds() for span in spans if span <= _LONGEST]
    return sum(usual) / len(usual) if usual else None


# ---------------------------------------------------------------- one call


def _ringing(board: Board) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for leg in board.legs:
        if not leg.answered:
            found.setdefault(leg.call_id, []).append(leg.extension)
    return {call_id: sorted(extensions) for call_id, extensions in found.items()}


def _join(session: Session, call_id: str, follower: Follower, now: datetime) -> OperatorCall | None:
    """A caller asks for an operator; who asks again in the same call waits in the same row.

    Whom the line itself calls back is written down where that is done.
    """
    heard = follower.heard(call_id)
    if heard is None or is_ours(heard.mode):
        return None
    call = intake.open_call(session, heard, now=now)
    row = session.scalar(select(OperatorCall).where(OperatorCall.call_id == call.id))
    if row is None:
        row = OperatorCall(call_id=call.id, call=call, joined_at=now, ringing=[])
        session.add(row)
    row.ended_at, row.language = None, _language(heard)
    session.flush()
    presences.happened(session, "joined", now, operator_call_id=row.id)
    return row


def _language(heard: HeardCall) -> str:
    spoken = [value for _at, key, value in heard.path if key == "language" and value in _SPOKEN]
    return spoken[-1] if spoken else _SPOKEN[0]


def _rings(
    session: Session,
    row: OperatorCall,
    extensions: list[str],
    there: Mapping[str, Presence],
    now: datetime,
) -> None:
    if extensions == row.ringing:
        return
    for extension in sorted(set(extensions) - set(row.ringing)):
        user_id = there[extension].user_id if extension in there else None
        presences.happened(
            session, "rings", now, user_id=user_id, operator_call_id=row.id, detail=extension
        )
    if not extensions:
        presences.happened(session, "rings_no_more", now, operator_call_id=row.id)
    row.ringing = extensions


def _talks(
    session: Session,
    row: OperatorCall,
    extension: str,
    there: Mapping[str, Presence],
    now: datetime,
) -> None:
    """The conversation begins: its complaint is there at once, to be written down."""
    if row.answered_at is not None:
        return
    presence = there.get(extension)
    row.answered_at, row.extension = now, extension
    row.user_id = presence.user_id if presence else None
    if presence is not None:
        presence.missed = 0
    complaint = intake.draft(session, row.call, now=now)
    actor = presence.user.username if presence else extension
    history.note(session, complaint.id, "answer_call", actor=actor, now=now)
    presences.happened(
        session, "talks", now, user_id=row.user_id, operator_call_id=row.id, detail=extension
    )


def _over(
    session: Session,
    row: OperatorCall,
    there: Mapping[str, Presence],
    follower: Follower,
    now: datetime,
) -> None:
    row.ended_at, row.ringing = now, []
    presence = there.get(row.extension or "")
    if row.answered_at and presence and presence.user_id == row.user_id:
        presence.wrap_until = now + follower.wrap_up
    what = "talked" if row.answered_at else "left"
    presences.happened(session, what, now, user_id=row.user_id, operator_call_id=row.id)


# ---------------------------------------------------------------- one telephone


def _telephone(session: Session, presence: Presence, board: Board, now: datetime) -> None:
    member = board.members.get(presence.extension or "")
    phone = member.phone if member else Phone.UNKNOWN
    if phone is not presence.phone:
        presence.phone = phone
        presences.happened(
            session, "phone", now, user_id=presence.user_id, detail=phone.value or "unknown"
        )
    if presence.wrap_until is not None and presence.wrap_until <= now:
        presence.wrap_until = None
        presences.happened(session, "wrapped_up", now, user_id=presence.user_id)
