"""Calls that go on at Twilio: what happened in them, kept before each answer.

A call is its list of events (`twilio_courses`); where it stands follows from them
(`ivr.walking`). Twilio may repeat a request, send two at once, or tell of the end before the last
word: each is known by the number of events that came before it, and the first that is written is
the one that counts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from callcenter.services import numbers, phones
from callcenter.services.numbers import NumbersExhausted
from callcenter.services.twilio_courses import CALL_SID, Course, Courses, Turn
from callcenter.store.line_models import TwilioCall, TwilioRecording
from callcenter.store.session import Store
from ivr.conduct import Inquiry, nobody_asks
from ivr.flow import Clip, Connected, Event, HungUp, Record, Recorded, Started
from ivr.nodes import Menu
from ivr.spool import KINDS
from ivr.twilio import ENDED, Addresses, event_of, twiml
from ivr.walking import Standing, event_from, is_answer, onward, plain, walk

__all__ = ["CALL_SID", "Request", "TwilioLine", "answer", "hung_up", "recorded"]

log = logging.getLogger("aduan24.twilio")

LINE = "twilio"
RECORDING_SID = re.compile(r"RE[0-9a-fA-F]{32}")
_IN_ADDRESS = re.compile(r"/Recordings/(RE[0-9a-fA-F]{32})(?:[./?]|$)")
_CLIP = re.compile(rf"({'|'.join(KINDS)})-([1-9][0-9]{{0,2}})", re.ASCII)
#: What Twilio shows for a caller without a number: words, or their letters on a keypad
#: (ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN, BLOCKED).
_HIDDEN = frozenset({"266696687", "7378742833", "86282452253", "8656696", "2562533"})
_NO_NUMBER = "no public number is left for calls at Twilio"
_KNOWN = select(TwilioCall.call_sid).where(TwilioCall.call_sid == bindparam("call_sid"))
#: Events that are facts by themselves; of others, those that the flow makes a note of.
_FACTS = (Recorded, Connected, HungUp)
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

    `addresses` are those of one call, by its CallSid; `number` gives a public number, or raises
    NumbersExhausted. The ports are those of the exchange's line (`ivr.asterisk.LineSettings`): by
    the caller's number (empty: hidden), or the public number.
    """

    menu: Menu
    courses: Courses
    number: Callable[[datetime], str]
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
    """The TwiML that goes on with the call; what the request told is in the course before.

    What is a fact (consent heard, an emergency, a recording, a number given, the end) is on the
    disk as well; a mere step through the menu is not waited for.
    """
    with line.courses.turn(asked.call_sid, new=True) as turn:
        course = turn.course or _begin(store, turn, asked, line, now) if turn else None
        if turn is None or course is None:
            return _OVER
        standing = _Told(store, turn, course, asked, line, now).standing()
    return twiml(standing, line.addresses(asked.call_sid), asked.again)


@dataclass(frozen=True)
class _Told:
    """A request about a call that has begun, in its turn."""

    store: Store
    turn: Turn
    course: Course
    asked: Request
    line: TwilioLine
    now: datetime

    def standing(self) -> Standing:
        """Where the call stands after this request, be it new, repeated, or overtaken."""
        step, known = self.asked.step, len(self.course.events)
        if step is None or step > known:
            return _standing(self.course, self.line, None if step else 0)
        return self._new() if step == known else self._repeated(step)

    def _new(self) -> Standing:
        before = _standing(self.course, self.line, None)
        event = event_of(before.awaited, self.asked.form) if before.awaited else None
        if event is None:
            return before
        after = onward(before, event, self.line.inquiry(self.course.caller))
        self._note_recorded(event)
        at = self.now.timestamp()
        lines = [{"at": at, **plain(each)} for each in (event, *after.learnt)]
        if after.finish and self.course.ended_at is None:
            lines.append({"ended": at, "cause": "16"})
        lasting = after.noted or bool(after.finish) or isinstance(event, _FACTS)
        self.turn.add(lines, lasting=lasting)
        self.course.standing = after
        return after

    def _repeated(self, step: int) -> Standing:
        """The answer that this request got before."""
        if isinstance(event_from(_event(self.course.events[step])), HungUp):
            self._amend(step)
        return _standing(self.course, self.line, _answered_until(self.course, step))

    def _amend(self, step: int) -> None:
        """The end was told before the last recording: that is what the caller's hang-up was."""
        awaited = _standing(self.course, self.line, step).awaited
        event = event_of(awaited, self.asked.form) if isinstance(awaited, Record) else None
        if isinstance(event, Recorded):
            self._note_recorded(event)
            at = self.course.events[step]["at"]
            self.turn.add([{"instead": step, "at": at, **plain(_cut_off(event))}], lasting=True)

    def _note_recorded(self, event: Event) -> None:
        """Before the course says so: a request that is repeated after a crash tells it again."""
        if isinstance(event, Recorded) and (sid := recording_sid(self.asked.form)):
            with self.store.write() as session:
                note_recording(session, self.asked.call_sid, sid, event.clip, self.now)


def _cut_off(event: Recorded) -> Recorded:
    return Recorded(event.clip, event.seconds, event.speech_seconds, "hangup")


def _answered_until(course: Course, step: int) -> int:
    """How many events belong to the answer to request `step`: its own and what inquiries said."""
    events = _events(course)
    end = min(step + 1, len(events))
    while end < len(events) and is_answer(events[end]):
        end += 1
    return end


def _standing(course: Course, line: TwilioLine, until: int | None) -> Standing:
    """Where the call stood after so many events; None: where it stands."""
    if until is not None and until < len(course.events):
        return walk(line.menu, Started(**course.begun), _events(course)[:until], nobody_asks)
    if course.standing is None:
        started = Started(**course.begun)
        course.standing = walk(line.menu, started, _events(course), nobody_asks)
    return course.standing


def _events(course: Course) -> list[Event]:
    return [event_from(_event(kept)) for kept in course.events]


def _event(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kept.items() if key != "at"}


# ---------------------------------------------------------------- the beginning


def _begin(
    store: Store, turn: Turn, asked: Request, line: TwilioLine, now: datetime
) -> Course | None:
    """The call's course and its public number; None for a call that is over, and forgotten."""
    with store.look() as connection:
        row = connection.scalar(_KNOWN, {"call_sid": asked.call_sid})
    if row:
        with store.read() as session:
            return _as_it_was(turn, session.get_one(TwilioCall, asked.call_sid))
    caller = caller_of(asked.form.get("From", ""))
    number = _number(line, now)
    pin = _asked(line.pin, number) if number else ""
    mode = _asked(line.mode, caller) or "normal"
    known = bool(phones.normalise(caller))
    course = Course(
        asked.call_sid,
        call_uid(asked.call_sid, now),
        caller,
        _printable(asked.form.get("To", "")),
        vars(Started(number or None, caller_known=known, pin=pin, mode=mode)),
        number or None,
        now,
    )
    turn.begin(course)
    return course


def _as_it_was(turn: Turn, row: TwilioCall) -> Course | None:
    """A call that began when courses were kept in rows goes on; None for one that is over."""
    if row.ended_at or not row.begun:
        return None
    course = Course(
        row.call_sid,
        row.call_uid,
        row.caller,
        row.called,
        row.begun,
        row.public_number,
        row.started_at,
        row.mode,
    )
    turn.begin(course)
    turn.add(row.events, lasting=True)
    return course


def _number(line: TwilioLine, now: datetime) -> str:
    try:
        return line.number(now)
    except NumbersExhausted:
        log.error(_NO_NUMBER)
        return ""


def _asked(port: Callable[[str], str], value: str) -> str:
    """A port's answer; whatever is wrong with it, the call goes on without."""
    try:
        return port(value)
    except Exception as error:
        log.error("a call at Twilio begins without: %s", type(error).__name__)
        return ""


def call_uid(call_sid: str, began: datetime) -> str:
    """The id of a call at Twilio, as the spool takes it for a name."""
    return f"{call_sid[2:]}-{int(began.timestamp())}.1"


def new_call(
    session: Session, call_sid: str, caller: str, called: str, now: datetime
) -> TwilioCall:
    """A row for a call that nobody knows yet, with a public number while there are any."""
    try:
        number = numbers.take(session, now)
    except NumbersExhausted:
        log.error(_NO_NUMBER)
        number = None
    call = TwilioCall(
        call_sid=call_sid,
        call_uid=call_uid(call_sid, now),
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


# ---------------------------------------------------------------- the end, and recordings


def hung_up(courses: Courses, call_sid: str, status: str, *, now: datetime) -> None:
    """Twilio's word that a call is over; a second one, or one about a stranger, changes nothing."""
    if status not in ENDED:
        return
    with courses.turn(call_sid) as turn:
        if turn and turn.course and turn.course.ended_at is None:
            at, cause = now.timestamp(), "16" if status == "completed" else status
            end = [{"at": at, **plain(HungUp())}, {"ended": at, "cause": cause}]
            turn.add(end, lasting=True)


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
