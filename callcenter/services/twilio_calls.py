"""Calls that go on at Twilio: what happened in them, durable before each answer.

A call is its list of events; where it stands follows from them (`ivr.walking`). Twilio may
repeat a request, send two at once, or tell of the end before the last word: each is known by
the number of events that came before it, and the first that is written is the one that counts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callcenter.services import numbers, phones
from callcenter.services.numbers import NumbersExhausted
from callcenter.store.line_models import TwilioCall, TwilioRecording
from callcenter.store.session import Store
from ivr.conduct import Inquiry, nobody_asks
from ivr.flow import Clip, Event, HungUp, Record, Recorded, Started
from ivr.nodes import Menu
from ivr.spool import KINDS
from ivr.twilio import ENDED, Addresses, event_of, twiml
from ivr.walking import Standing, event_from, is_answer, plain, walk

log = logging.getLogger("aduan24.twilio")

LINE = "twilio"
CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
RECORDING_SID = re.compile(r"RE[0-9a-fA-F]{32}")
_IN_ADDRESS = re.compile(r"/Recordings/(RE[0-9a-fA-F]{32})(?:[./?]|$)")
_CLIP = re.compile(rf"({'|'.join(KINDS)})-([1-9][0-9]{{0,2}})", re.ASCII)
#: What Twilio shows for a caller without a number: words, or their letters on a keypad
#: (ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN, BLOCKED).
_HIDDEN = frozenset({"266696687", "7378742833", "86282452253", "8656696", "2562533"})
_OVER = '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup /></Response>'


def _normal(_caller: str) -> str:
    return "normal"


def _no_pin(_number: str) -> str:
    return ""


def _nobody(_caller: str) -> Inquiry:
    return nobody_asks


@dataclass(frozen=True)
class TwilioLine:
    """What a call at Twilio needs besides the database.

    `addresses` are those of one call, by its CallSid. The ports are those of the exchange's line
    (`ivr.asterisk.LineSettings`): by the caller's number (empty: hidden), or the public number.
    """

    menu: Menu
    addresses: Callable[[str], Addresses]
    inquiry: Callable[[str], Inquiry] = _nobody
    pin: Callable[[str], str] = _no_pin
    mode: Callable[[str], str] = _normal


@dataclass(frozen=True, slots=True)
class Request:
    """One request about a call. `form` is what Twilio sent, and hostile but for `call_sid`.

    `step`: how many events came before it (None: the call begins); `again`: how often its
    action was begun before.
    """

    call_sid: str
    step: int | None
    again: int
    form: Mapping[str, str]


# ---------------------------------------------------------------- one request, one answer


def answer(store: Store, asked: Request, line: TwilioLine, *, now: datetime) -> str:
    """The TwiML that goes on with the call; what the request told is durable before."""
    call = _known(store, asked.call_sid) or _begin(store, asked, line, now)
    if not call.begun:  # it is over, and forgotten
        return _OVER
    standing = _told(store, call, asked, line, now)
    return twiml(standing, line.addresses(asked.call_sid), asked.again)


def _told(
    store: Store, call: TwilioCall, asked: Request, line: TwilioLine, now: datetime
) -> Standing:
    """Where the call stands after this request, be it new, repeated, or overtaken."""
    step = asked.step
    if step is None or step > len(call.events):
        return _standing(call, line, None if step else 0)
    if step < len(call.events):
        return _repeated(store, call, asked, line, now)
    before = _standing(call, line, step)
    event = event_of(before.awaited, asked.form) if before.awaited else None
    if event is None:
        return before
    inquiry = line.inquiry(call.caller)
    after = walk(line.menu, _started(call), (*_events(call), event), inquiry)
    if _add(store, asked, (event, *after.learnt), after, now):
        return after
    stored = _known(store, call.call_sid) or call  # somebody else was first
    return _standing(stored, line, _answered_until(stored, step))


def _repeated(
    store: Store, call: TwilioCall, asked: Request, line: TwilioLine, now: datetime
) -> Standing:
    """The answer that this request got before."""
    step = asked.step or 0
    if isinstance(event_from(_event(call.events[step])), HungUp):
        _amend(store, call, asked, line, now)
    return _standing(call, line, _answered_until(call, step))


def _answered_until(call: TwilioCall, step: int) -> int:
    """How many events belong to the answer to request `step`: its own and what inquiries said."""
    events = _events(call)
    end = min(step + 1, len(events))
    while end < len(events) and is_answer(events[end]):
        end += 1
    return end


def _standing(call: TwilioCall, line: TwilioLine, until: int | None) -> Standing:
    return walk(line.menu, _started(call), _events(call)[:until], nobody_asks)


def _started(call: TwilioCall) -> Started:
    return Started(**call.begun)


def _events(call: TwilioCall) -> list[Event]:
    return [event_from(_event(kept)) for kept in call.events]


def _event(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kept.items() if key != "at"}


# ---------------------------------------------------------------- what is written


def _known(store: Store, call_sid: str) -> TwilioCall | None:
    with store.read() as session:
        return session.get(TwilioCall, call_sid)


def _begin(store: Store, asked: Request, line: TwilioLine, now: datetime) -> TwilioCall:
    """The call's row and its public number, in one transaction; of two at once, one wins."""
    caller = caller_of(asked.form.get("From", ""))
    mode = _asked(line.mode, caller) or "normal"
    try:
        with store.write() as session:
            call = new_call(session, asked.call_sid, caller, asked.form.get("To", ""), now)
            number = call.public_number or ""
            pin = _asked(line.pin, number) if number else ""
            known = bool(phones.normalise(caller))
            call.begun = vars(Started(number or None, caller_known=known, pin=pin, mode=mode))
    except IntegrityError:
        found = _known(store, asked.call_sid)
        if found is None:
            raise
        return found
    return call


def _asked(port: Callable[[str], str], value: str) -> str:
    """A port's answer; whatever is wrong with it, the call goes on without."""
    try:
        return port(value)
    except Exception as error:
        log.error("a call at Twilio begins without: %s", type(error).__name__)
        return ""


def new_call(
    session: Session, call_sid: str, caller: str, called: str, now: datetime
) -> TwilioCall:
    """A row for a call that nobody knows yet, with a public number while there are any."""
    try:
        number = numbers.take(session, now)
    except NumbersExhausted:
        log.error("no public number is left for calls at Twilio")
        number = None
    call = TwilioCall(
        call_sid=call_sid,
        call_uid=f"{call_sid[2:]}-{int(now.timestamp())}.1",  # what the spool takes as a name
        caller=caller,
        called=_printable(called),
        mode="app",
        begun={},
        events=[],
        public_number=number,
        started_at=now,
    )
    session.add(call)
    session.flush()
    return call


def _add(
    store: Store, asked: Request, events: Sequence[Event], after: Standing, now: datetime
) -> bool:
    """Write the events unless others were written meanwhile; False then."""
    with store.write() as session:
        call = _locked(session, asked.call_sid)
        if call is None or len(call.events) != asked.step:
            return False
        call.events = [*call.events, *({"at": now.timestamp(), **plain(e)} for e in events)]
        if after.finish and call.ended_at is None:
            call.ended_at, call.cause = now, "16"
        _note_recorded(session, asked, events[0], now)
        return True


def _locked(session: Session, call_sid: str) -> TwilioCall | None:
    return session.scalar(
        select(TwilioCall).where(TwilioCall.call_sid == call_sid).with_for_update()
    )


def _amend(store: Store, call: TwilioCall, asked: Request, line: TwilioLine, now: datetime) -> None:
    """The end was told before the last recording: that is what the caller's hang-up was."""
    step = asked.step or 0
    awaited = _standing(call, line, step).awaited
    event = event_of(awaited, asked.form) if isinstance(awaited, Record) else None
    if not isinstance(event, Recorded):
        return
    with store.write() as session:
        stored = _locked(session, call.call_sid)
        if stored is None or stored.spooled_at is not None:
            return
        at = stored.events[step]["at"]
        told = {"at": at, **plain(_cut_off(event))}
        stored.events = [*stored.events[:step], told, *stored.events[step + 1 :]]
        _note_recorded(session, asked, event, now)


def _cut_off(event: Recorded) -> Recorded:
    return Recorded(event.clip, event.seconds, event.speech_seconds, "hangup")


def _note_recorded(session: Session, asked: Request, event: Event, now: datetime) -> None:
    if isinstance(event, Recorded) and (sid := recording_sid(asked.form)):
        note_recording(session, asked.call_sid, sid, event.clip, now)


# ---------------------------------------------------------------- the end, and recordings


def hung_up(store: Store, call_sid: str, status: str, *, now: datetime) -> None:
    """Twilio's word that a call is over; a second one, or one about a stranger, changes nothing."""
    if status not in ENDED:
        return
    with store.write() as session:
        call = _locked(session, call_sid)
        if call is not None and call.ended_at is None:
            end(call, "16" if status == "completed" else status, now)


def end(call: TwilioCall, cause: str, now: datetime) -> None:
    """The call is over, with a hang-up as its last event."""
    call.events = [*call.events, {"at": now.timestamp(), **plain(HungUp())}]
    call.ended_at, call.cause = now, cause


def recorded(store: Store, call_sid: str, sid: str, clip_name: str, *, now: datetime) -> None:
    """A recording is ready to be fetched; told twice, it is the same one."""
    clip = clip_from(clip_name)
    if clip is None:
        return
    with store.write() as session:
        note_recording(session, call_sid, sid, clip, now)


def note_recording(
    session: Session, call_sid: str, sid: str, clip: Clip, now: datetime
) -> TwilioRecording:
    """Remember a recording once; another recording of the same clip becomes the next take."""
    while (row := session.get(TwilioRecording, sid)) is None:
        row = TwilioRecording(
            recording_sid=sid,
            call_sid=call_sid,
            kind=clip.kind,
            take=_free_take(session, call_sid, clip),
            noted_at=now,
            fetch_at=now,
        )
        call = session.get(TwilioCall, call_sid)
        if call is not None:
            call.spooled_at = None  # a late one is filed with its call once more
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError:  # two requests tell of it at once
            continue
    return row


def _free_take(session: Session, call_sid: str, clip: Clip) -> int:
    of_kind = select(TwilioRecording.take).where(
        TwilioRecording.call_sid == call_sid, TwilioRecording.kind == clip.kind
    )
    taken, take = set(session.scalars(of_kind)), clip.take
    while take in taken:
        take += 1
    return take


def clip_from(name: str) -> Clip | None:
    """`complaint-1` as a clip; None for anything else."""
    found = _CLIP.fullmatch(name)
    return Clip(found[1], int(found[2])) if found else None


def recording_sid(form: Mapping[str, str]) -> str:
    """The id of the recording that a form tells of; empty without."""
    sid = form.get("RecordingSid", "")
    if RECORDING_SID.fullmatch(sid):
        return sid
    found = _IN_ADDRESS.search(form.get("RecordingUrl", "")[:500])
    return found[1] if found else ""


def caller_of(shown: str) -> str:
    """The caller's number as Twilio shows it; empty if it is hidden."""
    text = _printable(shown)
    digits = text.removeprefix("+")
    return "" if not digits.isdecimal() or digits in _HIDDEN else text


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:80]
