"""Filing: from what the spool holds to a call, its recordings and a complaint, once.

The audio already lies at its final place when this is called; filing is idempotent by the
call's id, so that a crash between the commit and the emptying of the spool is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.out_call import MODE, is_ours
from callcenter.services import callbacks, history, numbers, phones, silence, speech_drafts
from callcenter.store.models import Call, Complaint, Recording
from ivr.numbers import is_valid

RECORD = "record"
"""The mode of a call of which nothing is left but the exchange's own record."""

_MOST_STEPS = 500  # of one call; a whole one has some forty


@dataclass(frozen=True, slots=True)
class Clip:
    """One audio file at its final place, measured; seconds, bytes, path relative."""

    kind: str
    take: int
    path: str
    sha256: str
    bytes: int
    seconds: float
    speech_seconds: float
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class HeardCall:
    """One finished call as the line left it on disk."""

    call_uid: str
    line: str
    caller_raw: str
    called: str
    started_at: datetime
    ended_at: datetime | None
    cause: str
    mode: str
    consent_at: datetime | None
    number: str | None
    number_heard: bool
    path: tuple[tuple[float, str, str], ...]
    clips: tuple[Clip, ...]


def file_call(
    session: Session,
    heard: HeardCall,
    *,
    now: datetime,
    silent_below: float,
    drafts: bool = False,
) -> Call:
    """File the call; a complaint too when at least `silent_below` seconds of speech were heard.

    A second filing of the same call adds only what was missing then: clips (a file that was
    repaired or found later), how it ended, later steps; and, if the clips bring the first speech,
    the complaint. `drafts`: what is new is to be turned into words (`speech_drafts`).
    """
    call = session.scalar(select(Call).where(Call.call_uid == heard.call_uid))
    if call is None:
        call = _new_call(heard, now)
    else:
        _complete(call, heard)
    known = {(r.kind, r.take) for r in call.recordings}
    new = [_recording(clip) for clip in heard.clips if (clip.kind, clip.take) not in known]
    call.recordings.extend(new)
    call.speech_seconds = sum(r.speech_seconds for r in call.recordings)
    spoke = call.speech_seconds >= silent_below
    ours = is_ours(heard.mode)
    call.silent = not (spoke or ours or silence.engaged(call.path))
    asked = spoke and call.complaint is None and heard.mode != MODE
    number = _number_for(session, call, now) if asked else ""
    if drafts:
        speech_drafts.want(session, new, now=now)
    session.add(call)  # what belongs to a call is written at once, when all of it is known
    if number:
        _file_complaint(session, call, number, now)
    session.flush()
    callbacks.call_ended(session, call, now=now)
    return call


def open_call(session: Session, heard: HeardCall, *, now: datetime) -> Call:
    """A call that still goes on, as far as it is known; `file_call` completes it at its end.

    Harmless to repeat, and after the call was filed.
    """
    call = session.scalar(select(Call).where(Call.call_uid == heard.call_uid))
    if call is None:
        call = _new_call(heard, now)
        session.add(call)
        session.flush()
    return call


def draft(session: Session, call: Call, *, now: datetime) -> Complaint:
    """The complaint of a conversation, to be written down while it goes on; the one there is."""
    if call.complaint is not None:
        return call.complaint
    return _file_complaint(session, call, _number_for(session, call, now), now)


def _new_call(heard: HeardCall, now: datetime) -> Call:
    return Call(
        call_uid=heard.call_uid,
        line=_printable(heard.line)[:16],
        caller=phones.normalise(heard.caller_raw),
        caller_raw=_printable(heard.caller_raw),
        called=_printable(heard.called),
        started_at=heard.started_at,
        ended_at=heard.ended_at,
        cause=_printable(heard.cause)[:40],
        mode=_printable(heard.mode)[:30],
        consent_at=heard.consent_at,
        public_number=heard.number if heard.number and is_valid(heard.number) else None,
        number_heard=heard.number_heard,
        path=_plain(heard.path)[:_MOST_STEPS],
        filed_at=now,
        recordings=[],
        complaint=None,
    )


def _complete(call: Call, heard: HeardCall) -> None:
    """A call that was opened, or filed as lost, may have ended since; one that was known from the
    exchange's record alone may have left more."""
    if call.mode == RECORD and heard.mode != RECORD:
        _fill(call, heard)
    elif call.ended_at is None:
        call.mode = _printable(heard.mode)[:30]
    call.ended_at = call.ended_at or heard.ended_at
    call.cause = call.cause or _printable(heard.cause)[:40]
    call.number_heard = call.number_heard or heard.number_heard
    later = [row for row in _plain(heard.path) if row not in call.path]
    call.path = [*call.path, *later][:_MOST_STEPS]


def _fill(call: Call, heard: HeardCall) -> None:
    whole = _new_call(heard, call.filed_at)
    for name in ("caller", "caller_raw", "called", "consent_at", "public_number", "mode", "path"):
        setattr(call, name, getattr(whole, name))


def _recording(clip: Clip) -> Recording:
    return Recording(
        kind=clip.kind,
        take=clip.take,
        path=clip.path,
        sha256=clip.sha256,
        bytes=clip.bytes,
        seconds=clip.seconds,
        speech_seconds=clip.speech_seconds,
        repaired=clip.repaired,
    )


def _file_complaint(session: Session, call: Call, number: str, now: datetime) -> Complaint:
    complaint = Complaint(
        public_number=number,
        state=ComplaintState.RECEIVED,
        channel="phone",
        call=call,
        received_at=call.started_at,
        reporter_phone=call.caller,
    )
    session.add(complaint)
    session.flush()
    history.note(
        session,
        complaint.id,
        "receive",
        actor=f"line:{call.line}",
        now=now,
        change=("", ComplaintState.RECEIVED.value),
        why="" if number == call.public_number else "number given by the application",
    )
    return complaint


def _number_for(session: Session, call: Call, now: datetime) -> str:
    """The number the caller heard, unless it is missing or (never seen) already used.

    One that is used may come of a restored database, too: then the next one is taken.
    """
    number = call.public_number
    if number and not session.scalar(select(Complaint.id).where(Complaint.public_number == number)):
        return number
    return numbers.free(session, now)


def _printable(text: str) -> str:
    if text.isprintable():
        return text[:80]
    return "".join(c for c in text if c.isprintable())[:80]


def _plain(path: tuple[tuple[float, str, str], ...]) -> list[Any]:
    return [[at, _printable(key), _printable(value)] for at, key, value in path]
