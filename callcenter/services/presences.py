"""Operators sign in at a telephone, pause, go on, and sign out.

What is written here is the truth; the line brings the exchange to it (`callcenter.attendant`),
also after the exchange has forgotten everything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from callcenter.domain.presence import NO_ANSWER, Phone, State
from callcenter.services import audit
from callcenter.services.errors import NotFound, Refused
from callcenter.services.turns import take_turn
from callcenter.store.models import User
from callcenter.store.operator_models import OperatorEvent, Presence


def of(session: Session, user_id: int) -> Presence | None:
    """What this person has said last; None where they never were an operator."""
    return session.get(Presence, user_id)


def signed_in(session: Session) -> Sequence[Presence]:
    """Everybody who is at a telephone, by its name."""
    rows = select(Presence).where(Presence.extension.is_not(None))
    return session.scalars(
        rows.options(joinedload(Presence.user)).order_by(Presence.extension)
    ).all()


def sign_in(
    session: Session,
    user_id: int,
    extension: str,
    *,
    known: Collection[str],
    actor: str,
    now: datetime,
) -> Presence:
    """Sit down at a telephone, ready for calls; whoever sits at another one moves.

    Raises Refused for a telephone that does not exist, or at which somebody else sits.
    """
    if extension not in known:
        raise Refused("extension", "Pilih pesawat telepon Anda.")
    take_turn(session, "operators' telephones")
    there = session.scalar(select(Presence).where(Presence.extension == extension))
    if there is not None and there.user_id != user_id:
        raise Refused("extension", "Pesawat ini sedang dipakai operator lain; pilih yang lain.")
    presence = _held(session, user_id) or Presence(user_id=user_id)
    presence.extension = presence.last_extension = extension
    presence.phone, presence.wrap_until, presence.missed = Phone.UNKNOWN, None, 0
    session.add(presence)
    _change(session, presence, State.READY, None, actor=actor, now=now)
    return presence


def pause(
    session: Session,
    user_id: int,
    reason: str,
    *,
    known: Collection[str],
    actor: str,
    now: datetime,
) -> Presence:
    """No call comes until `ready`; a call that goes on is not touched.

    Raises Refused for a reason that is none of `known`, and for who is out.
    """
    presence = _there(session, user_id)
    if reason not in known:
        raise Refused("reason", "Pilih alasan jeda.")
    _change(session, presence, State.PAUSED, reason, actor=actor, now=now)
    return presence


def ready(session: Session, user_id: int, *, actor: str, now: datetime) -> Presence:
    """Calls may come: after a pause, or before the time to write is over."""
    presence = _there(session, user_id)
    presence.wrap_until, presence.missed = None, 0
    _change(session, presence, State.READY, None, actor=actor, now=now)
    return presence


def sign_out(session: Session, user_id: int, *, actor: str, now: datetime) -> Presence:
    """Leave the telephone to others; who is out already stays out."""
    presence = _held(session, user_id)
    if presence is None:
        raise NotFound("Operator ini belum pernah masuk antrean.")
    if presence.state is not State.OUT:
        presence.extension = presence.wrap_until = None
        presence.phone, presence.missed = Phone.UNKNOWN, 0
        _change(session, presence, State.OUT, None, actor=actor, now=now)
    return presence


def leave(session: Session, user_id: int, *, actor: str, now: datetime) -> None:
    """Whoever goes home leaves the telephone too; nothing for one who never sat at one."""
    if of(session, user_id) is not None:
        sign_out(session, user_id, actor=actor, now=now)


def _held(session: Session, user_id: int) -> Presence | None:
    return session.get(Presence, user_id, with_for_update=True)


def _there(session: Session, user_id: int) -> Presence:
    presence = _held(session, user_id)
    if presence is None or presence.state is State.OUT:
        raise Refused("state", "Masuk ke antrean dulu: pilih pesawat telepon Anda.")
    return presence


def _change(
    session: Session,
    presence: Presence,
    state: State,
    reason: str | None,
    *,
    actor: str,
    now: datetime,
) -> None:
    """Say it, in the row, in the operators' log, and in the audit rows."""
    presence.state, presence.reason, presence.since = state, reason, now
    said = f"{presence.extension or ''} {reason or ''}".strip()
    happened(session, state.value, now, user_id=presence.user_id, detail=said)
    audit.record(
        session,
        actor=actor,
        action=f"operator_{state}",
        thing=f"user:{presence.user_id}",
        now=now,
        detail={"extension": presence.extension, "reason": reason},
    )


def not_answered(
    session: Session, presence: Presence, *, most: int, actor: str, now: datetime
) -> None:
    """The telephone rang in vain, refused, or could not be reached; after `most` times in a row
    no call comes until `ready`."""
    presence.missed += 1
    happened(
        session,
        "missed",
        now,
        user_id=presence.user_id,
        detail=f"{presence.extension} {presence.missed}",
    )
    if presence.missed >= most and presence.state is State.READY:
        _change(session, presence, State.PAUSED, NO_ANSWER, actor=actor, now=now)


def happened(
    session: Session,
    what: str,
    now: datetime,
    *,
    user_id: int | None = None,
    operator_call_id: int | None = None,
    detail: str = "",
) -> None:
    """Write down what happened; every screen that shows operators is renewed."""
    session.add(
        OperatorEvent(
            at=now,
            what=what,
            user_id=user_id,
            operator_call_id=operator_call_id,
            detail=detail[:40],
        )
    )
    session.flush()


def people(session: Session, user_ids: Collection[int]) -> dict[int, User]:
    """These users, by id."""
    rows = session.scalars(select(User).where(User.id.in_(user_ids)))
    return {user.id: user for user in rows}
