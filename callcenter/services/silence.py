"""Silent calls and pranks: measured, listed, flagged by two people; nothing is ever deleted.

A telephone that was silent again and again gets a shorter welcome until it speaks, or until the
day is over. A flag tells operators what others have found. Neither shuts anybody out: while many
call at once, these telephones share the few places of the crowd.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callcenter.domain.silence import DAY, Heard, limited_until
from callcenter.services import audit, phones, whole_file
from callcenter.services.errors import NotFound, Refused
from callcenter.store.line_models import CallerFlag
from callcenter.store.models import Call
from callcenter.store.session import Store

MOST = 3  # silent calls in a day
_PURPOSE = b"aduan24 limited caller 1\0"

#: Lines of a sidecar that only somebody can bring about who is there and wants something.
_ENGAGED = frozenset(
    {
        ("step", "served"),
        ("step", "queue"),
        ("inquiry", "found"),
        ("connected", "talked"),
        ("call_back", "asked"),
    }
)


def engaged(path: Iterable[Sequence[Any]]) -> bool:
    """Whether the caller was told, connected or served, so that their silence means nothing."""
    return any((key, value) in _ENGAGED for _at, key, value in path)


# ---------------------------------------------------------------- the short welcome


def hurried(session: Session, caller: str, now: datetime, most: int = MOST) -> bool:
    """Whether this telephone gets the short welcome at `now`; never a hidden one.

    `caller` as the line gives it, or E.164.
    """
    telephone = phones.normalise(caller)
    if telephone is None:
        return False
    end = limited_until(_calls(session, [telephone], now).get(telephone, []), most)
    return end is not None and now < end


def limited_callers(session: Session, now: datetime, most: int = MOST) -> dict[str, datetime]:
    """Every telephone that gets the short welcome at `now` (E.164), and until when."""
    often = session.scalars(
        select(Call.caller)
        .where(Call.silent, Call.started_at > now - DAY, Call.caller.is_not(None))
        .group_by(Call.caller)
        .having(func.count() >= most)
    ).all()
    heard = _calls(session, [caller for caller in often if caller], now)
    ends = {caller: limited_until(calls, most) for caller, calls in heard.items()}
    return {caller: end for caller, end in ends.items() if end is not None and now < end}


def _calls(session: Session, callers: Sequence[str], now: datetime) -> dict[str, list[Heard]]:
    rows = session.execute(
        select(Call.caller, Call.started_at, Call.silent).where(
            Call.caller.in_(callers), Call.started_at > now - DAY
        )
    )
    heard: dict[str, list[Heard]] = {}
    for caller, at, silent in rows:
        heard.setdefault(caller or "", []).append(Heard(at, silent))
    return heard


@dataclass(frozen=True, slots=True)
class LimitedFile:
    """The file in which the line looks at every call; it names no telephone."""

    path: Path
    secret: str = field(repr=False)
    most: int = MOST

    def publish(self, store: Store, now: datetime) -> None:
        """Bring the file to what the database says; writes only what has changed.

        Raises OSError, or what the database raises: then the file is as it was.
        """
        with whole_file.alone(self.path):
            with store.read() as session:
                limited = limited_callers(session, now, self.most)
            ends = {self._keyed(caller): end.isoformat() for caller, end in limited.items()}
            whole_file.put(self.path, json.dumps(ends, sort_keys=True).encode() + b"\n")

    def covers(self, caller: str, now: datetime) -> bool:
        """Whether this telephone gets the short welcome; no when the file cannot be understood."""
        telephone = phones.normalise(caller)
        if telephone is None:
            return False
        try:
            end = json.loads(whole_file.get(self.path)).get(self._keyed(telephone))
            return end is not None and now < datetime.fromisoformat(end)
        except (ValueError, TypeError, AttributeError):
            return False

    def _keyed(self, telephone: str) -> str:
        key = self.secret.encode()
        return hmac.digest(key, _PURPOSE + telephone.encode(), "sha256").hex()[:32]


def held_back(session: Session, now: datetime, most: int = MOST) -> frozenset[str]:
    """Every telephone (E.164) that has few places while many call at `now`: flagged by two
    people, or silent again and again."""
    standing = CallerFlag.confirmed_at.is_not(None), CallerFlag.lifted_at.is_(None)
    flagged = session.scalars(select(CallerFlag.caller).where(*standing))
    return frozenset(flagged) | frozenset(limited_callers(session, now, most))


# ---------------------------------------------------------------- the flag


def flag_of(session: Session, caller: str) -> CallerFlag | None:
    """What operators think of this telephone (E.164); None where nobody thinks anything now."""
    flag = session.scalar(select(CallerFlag).where(CallerFlag.caller == caller))
    return None if flag is None or flag.lifted_at else flag


def propose_prank(session: Session, call_id: int, *, actor: str, now: datetime) -> CallerFlag:
    """First half: the telephone of this call plays pranks; a second person has to confirm it."""
    caller = _caller(session, call_id)
    flag = _held(session, caller) or CallerFlag(caller=caller)
    if flag.id is not None and flag.lifted_at is None:
        raise Refused("state", "Nomor ini sudah ditandai.")
    flag.proposed_by, flag.proposed_at = actor, now
    flag.confirmed_by = flag.confirmed_at = flag.lifted_by = flag.lifted_at = None
    session.add(flag)
    session.flush()
    _write_down(session, "prank_proposed", flag, actor, now)
    return flag


def confirm_prank(session: Session, call_id: int, *, actor: str, now: datetime) -> CallerFlag:
    """Second half: somebody other than the proposer agrees."""
    flag = _standing(session, call_id)
    if flag.confirmed_at is not None:
        raise Refused("state", "Tanda ini sudah disetujui.")
    if flag.proposed_by == actor:
        raise Refused("actor", "Orang kedua yang harus menyetujui tanda ini.")
    flag.confirmed_by, flag.confirmed_at = actor, now
    _write_down(session, "prank_confirmed", flag, actor, now)
    return flag


def lift_prank(session: Session, call_id: int, *, actor: str, now: datetime) -> CallerFlag:
    """It was a mistake, or is over; who said what stays in the audit rows."""
    flag = _standing(session, call_id)
    flag.lifted_by, flag.lifted_at = actor, now
    _write_down(session, "prank_lifted", flag, actor, now)
    return flag


def _caller(session: Session, call_id: int) -> str:
    call = session.get(Call, call_id)
    if call is None:
        raise NotFound("Panggilan ini tidak ada.")
    if call.caller is None:
        raise Refused("caller", "Nomor tersembunyi tidak bisa ditandai.")
    return call.caller


def _standing(session: Session, call_id: int) -> CallerFlag:
    flag = _held(session, _caller(session, call_id))
    if flag is None or flag.lifted_at is not None:
        raise Refused("state", "Nomor ini belum ditandai.")
    return flag


def _held(session: Session, caller: str) -> CallerFlag | None:
    return session.scalar(select(CallerFlag).where(CallerFlag.caller == caller).with_for_update())


def _write_down(session: Session, action: str, flag: CallerFlag, actor: str, now: datetime) -> None:
    audit.record(session, actor=actor, action=action, thing=f"caller_flag:{flag.id}", now=now)
