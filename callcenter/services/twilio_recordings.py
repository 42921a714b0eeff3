"""Recordings that Twilio keeps for us: fetched, and their calls put into the spool.

From there a call is filed like any other. A recording is one by its RecordingSid, however often
and by whom it is told of: a callback, the end of a <Record>, or the account's own list, which
is how recordings are found that were made while nobody here answered.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.gateways.account import Account, CallFacts, Kept
from callcenter.gateways.channel import TransportError
from callcenter.services import twilio_calls
from callcenter.services.twilio_calls import CALL_SID, LINE, RECORDING_SID
from callcenter.services.twilio_courses import Course, Courses
from callcenter.store.line_models import TwilioCall, TwilioRecording
from callcenter.store.session import Store
from ivr.conduct import Consent, Log, nobody_asks
from ivr.flow import Bridge, Clip, Event, HungUp, Record, Recorded, Started
from ivr.nodes import Menu
from ivr.spool import FALLBACK_TAKE, Spool
from ivr.twilio import ENDED
from ivr.walking import event_from, plain, retell, walk
from ivr.wav import NotAWave, inspect

log = logging.getLogger("aduan24.twilio")

FALLBACK = "twilio-fallback"
_TRIES = 12
_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=30)
#: Callbacks follow the end of a call within seconds; a recording of its last seconds may be late.
_SETTLED = timedelta(seconds=10)
_LATE = timedelta(minutes=3)
#: A call of which nothing was heard for so long is asked for.
_FORGOTTEN = timedelta(hours=1)
_ROUND = 20
#: A call as its requests told it, or as a row without such.
Told = Course | TwilioCall


@dataclass(frozen=True)
class Import:
    """Where recordings go, and what is needed to tell a call's course.

    `staging` lies on the spool's disk: audio waits there until its call is complete.
    """

    spool: Spool
    staging: Path
    menu: Menu
    consent: Consent
    courses: Courses


def reconcile(
    store: Store, account: Account, since: datetime, into: Import, *, now: datetime
) -> int:
    """File what the account has recorded since then and nobody told us of; how many it was.

    Recordings of a call that still goes on wait for the next time. Raises TransportError when
    the list cannot be had.
    """
    learnt = sum(_learn(store, account, into, kept, now) for kept in account.recordings(since))
    collect(store, account, into, now=now)
    return learnt


def collect(store: Store, account: Account, into: Import, *, now: datetime) -> int:
    """Fetch what is due, and put complete calls into the spool; how much was done.

    Twice at once is harmless: a file is whole or absent, and a call in the spool is one call.
    """
    into.staging.mkdir(mode=0o750, parents=True, exist_ok=True)
    into.spool.prepare()
    fetched = sum(_fetch(store, account, into, sid, now) for sid in _due(store, now))
    spooled = sum(_spool(store, into, sid, now) for sid in _complete(store, into, now))
    ended = [sid for sid in into.courses.call_sids() if _has_ended(store, into, sid, now)]
    spooled += sum(_spool_course(store, into, sid, now) for sid in ended[:_ROUND])
    return fetched + spooled


def end_forgotten(store: Store, courses: Courses, account: Account, *, now: datetime) -> int:
    """Calls whose end nobody told us of, if Twilio says that they are over; how many."""
    over = 0
    for sid in _quiet(store, courses, now - _FORGOTTEN):
        facts = account.call(sid)
        if facts is None or facts.status in ENDED:
            _end(store, courses, sid, facts.status if facts else "failed", now)
            over += 1
    return over


def _quiet(store: Store, courses: Courses, since: datetime) -> list[str]:
    with store.read() as session:
        rows = select(TwilioCall.call_sid).where(
            TwilioCall.ended_at.is_(None), TwilioCall.started_at < since
        )
        quiet = set(session.scalars(rows))  # from when courses were kept in rows
    for sid in courses.call_sids():
        course = courses.read(sid)
        if course and not course.ended_at and course.started_at < since:
            quiet.add(sid)
        elif course:
            quiet.discard(sid)
    return sorted(quiet)[:_ROUND]


def _end(store: Store, courses: Courses, call_sid: str, status: str, now: datetime) -> None:
    if courses.read(call_sid):
        twilio_calls.hung_up(courses, call_sid, status, now=now)
        return
    with store.write() as session:
        row = session.get_one(TwilioCall, call_sid)
        row.events = [*row.events, {"at": now.timestamp(), **plain(HungUp())}]
        row.ended_at, row.cause = now, "16" if status == "completed" else status


# ---------------------------------------------------------------- what the account knows


def _learn(store: Store, account: Account, into: Import, kept: Kept, now: datetime) -> bool:
    if not (RECORDING_SID.fullmatch(kept.sid) and CALL_SID.fullmatch(kept.call_sid)):
        return False
    with store.read() as session:
        if session.get(TwilioRecording, kept.sid):
            return False
        known = session.get(TwilioCall, kept.call_sid) is not None
    course = into.courses.read(kept.call_sid)
    known = known or course is not None
    facts = None if known else account.call(kept.call_sid)
    if not known and (facts is None or facts.status not in ENDED):
        return False
    with store.write() as session:
        call = course or session.get(TwilioCall, kept.call_sid)
        call = call or _adopt(session, kept, facts, now)
        clip = _clip_of(session, call, kept)
        twilio_calls.note_recording(session, kept.call_sid, kept.sid, clip, now)
        return True


def _adopt(session: Session, kept: Kept, facts: CallFacts | None, now: datetime) -> TwilioCall:
    """A call that reached nobody here: it ended in the TwiML that Twilio keeps for that case."""
    caller = twilio_calls.caller_of(facts.caller if facts else "")
    call = twilio_calls.new_call(
        session, kept.call_sid, caller, facts.called if facts else "", kept.at
    )
    call.mode = FALLBACK
    call.ended_at = (facts.ended_at if facts else None) or now
    call.cause = "16"
    return call


def _clip_of(session: Session, call: Told, kept: Kept) -> Clip:
    """What a recording is that no callback has named: the call's first clip without one."""
    if kept.of_talk:
        return Clip("talk", 1)
    rows = select(TwilioRecording).where(TwilioRecording.call_sid == call.call_sid)
    named = {(row.kind, row.take) for row in session.scalars(rows)}
    for event in events_of(call):
        clip = event.clip if isinstance(event, Recorded) else None
        if clip and (clip.kind, clip.take) not in named:
            return clip
    return Clip("complaint", FALLBACK_TAKE)


# ---------------------------------------------------------------- audio


def _due(store: Store, now: datetime) -> list[str]:
    with store.read() as session:
        due = select(TwilioRecording.recording_sid).where(TwilioRecording.fetch_at <= now)
        return list(session.scalars(due.order_by(TwilioRecording.fetch_at).limit(_ROUND)))


def _fetch(store: Store, account: Account, into: Import, sid: str, now: datetime) -> bool:
    """One try; it waits longer each time."""
    error = _fetched(account, into.staging / f"{sid}.wav", sid)
    with store.write() as session:
        row = session.get_one(TwilioRecording, sid)
        row.tries += 1
        row.error = error[:300]
        given_up = bool(error) and row.tries >= _TRIES
        pause = min(_FIRST_PAUSE * 2 ** (row.tries - 1), _LONGEST_PAUSE)
        row.fetch_at = now + pause if error and not given_up else None
        row.fetched_at = None if error else now
    if given_up:
        log.error("recording %s was not fetched in %d tries: %s", sid, _TRIES, error)
    return not error


def _fetched(account: Account, file: Path, sid: str) -> str:
    """Have the audio in its file; what went wrong, or nothing."""
    try:
        if not file.exists():
            account.fetch(sid, file)
        inspect(file)
    except (TransportError, OSError) as error:
        return str(error)
    except NotAWave as error:
        file.unlink(missing_ok=True)
        return f"not a recording: {error}"
    return ""


def staged(
    store: Store, account: Account, into: Import, call_sid: str, clip: Clip, *, now: datetime
) -> Path | None:
    """The audio of a clip of a call that goes on, fetched if need be; None without."""
    with store.read() as session:
        row = session.scalar(
            select(TwilioRecording).where(
                TwilioRecording.call_sid == call_sid,
                TwilioRecording.kind == clip.kind,
                TwilioRecording.take == clip.take,
            )
        )
    if row is None:
        return None
    into.staging.mkdir(mode=0o750, parents=True, exist_ok=True)
    file = into.staging / f"{row.recording_sid}.wav"
    if row.fetched_at is None and not _fetch(store, account, into, row.recording_sid, now):
        return None
    return file if file.exists() else None


# ---------------------------------------------------------------- whole calls


def events_of(call: Told) -> list[Event]:
    """What has happened in a call."""
    return [event for _, event in _happened(call)]


def _happened(call: Told) -> list[tuple[float, Event]]:
    return [
        (kept["at"], event_from({key: value for key, value in kept.items() if key != "at"}))
        for kept in call.events
    ]


def _complete(store: Store, into: Import, now: datetime) -> list[str]:
    """Calls that have ended and whose recordings are all here, or will not come."""
    with store.read() as session:
        ended = select(TwilioCall).where(
            TwilioCall.spooled_at.is_(None), TwilioCall.ended_at <= now - _SETTLED
        )
        calls = session.scalars(ended.order_by(TwilioCall.ended_at).limit(_ROUND)).all()
        return [call.call_sid for call in calls if _is_complete(session, call, into.menu, now)]


def _is_complete(session: Session, call: Told, menu: Menu, now: datetime) -> bool:
    rows = _recordings(session, call.call_sid)
    if any(row.fetch_at is not None for row in rows):
        return False
    here = {(row.kind, row.take) for row in rows}
    waited = now - (call.ended_at or now)
    return waited > _LATE or all((c.kind, c.take) in here for c in _expected(call, menu))


def _expected(call: Told, menu: Menu) -> Iterable[Clip]:
    """Clips that were recorded, as the events tell; the last one may have been cut off."""
    events = events_of(call)
    yield from (event.clip for event in events if isinstance(event, Recorded) and event.seconds)
    if events and isinstance(events[-1], HungUp):
        standing = walk(menu, Started(**call.begun), events[:-1], nobody_asks)
        if isinstance(standing.awaited, Record):
            yield standing.awaited.clip
        elif isinstance(standing.awaited, Bridge):
            yield Clip("talk", standing.talks + 1)


def _recordings(session: Session, call_sid: str) -> list[TwilioRecording]:
    rows = select(TwilioRecording).where(TwilioRecording.call_sid == call_sid)
    return list(session.scalars(rows.order_by(TwilioRecording.noted_at)))


def _has_ended(store: Store, into: Import, call_sid: str, now: datetime) -> bool:
    """As `_complete`, of a call that has its course still."""
    course = into.courses.read(call_sid)
    if course is None or course.ended_at is None or course.ended_at > now - _SETTLED:
        return False
    with store.read() as session:
        return _is_complete(session, course, into.menu, now)


def _spool(store: Store, into: Import, call_sid: str, now: datetime) -> bool:
    """Into the spool first, then the row says so: a crash between repeats it."""
    with store.read() as session:
        call, rows = session.get_one(TwilioCall, call_sid), _recordings(session, call_sid)
    _put(into, call, rows)
    with store.write() as session:
        stored = session.get_one(TwilioCall, call_sid)
        if len(_recordings(session, call_sid)) > len(rows):
            return False  # another one was told of meanwhile
        stored.spooled_at = now
        stored.events, stored.begun, stored.caller, stored.called = [], {}, "", ""
    return True


def _spool_course(store: Store, into: Import, call_sid: str, now: datetime) -> bool:
    """Into the spool first, then the row, then what was said and typed is forgotten: a crash
    between repeats it. Requests about the call wait meanwhile, and then find it over."""
    with into.courses.turn(call_sid) as turn:
        course = turn.course if turn else None
        if turn is None or course is None or course.ended_at is None:
            return False
        with store.read() as session:
            rows = _recordings(session, call_sid)
        _put(into, course, rows)
        with store.write() as session:
            if len(_recordings(session, call_sid)) > len(rows):
                return False  # another one was told of meanwhile
            session.merge(_row_of(course, now))
        turn.forget()
    return True


def _row_of(course: Course, now: datetime) -> TwilioCall:
    """Without who called and what happened: the spool has that; a row that had it loses it."""
    return TwilioCall(
        call_sid=course.call_sid,
        call_uid=course.call_uid,
        mode=course.mode,
        public_number=course.public_number,
        started_at=course.started_at,
        ended_at=course.ended_at,
        cause=course.cause[:40],
        spooled_at=now,
        caller="",
        called="",
        begun={},
        events=[],
    )


def _put(into: Import, call: Told, rows: list[TwilioRecording]) -> None:
    clips = [
        (row.kind, row.take, into.staging / f"{row.recording_sid}.wav")
        for row in rows
        if row.fetched_at
    ]
    into.spool.put_call(call.call_uid, list(sidecar(call, into)), clips)


def sidecar(call: Told, into: Import) -> Iterable[tuple[float, str, str]]:
    """The lines of a call's sidecar: (epoch, key, value)."""
    began = call.started_at.timestamp()
    ended = (call.ended_at or datetime.now(UTC)).timestamp()
    yield began, "started", LINE
    yield began, "caller", call.caller
    yield began, "called", call.called
    if call.public_number:
        yield began, "number", call.public_number
    yield began, "mode", call.mode
    if call.begun:
        sidecar_of = Log(into.spool, call.call_uid)
        begun = (began, Started(**call.begun))
        lines, _ = retell(sidecar_of, into.menu, begun, _happened(call), into.consent)
        yield from lines
    yield ended, "ended", call.cause
