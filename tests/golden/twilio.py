"""A script at Twilio: real requests with real signatures to the real console, TwiML read back."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4
from xml.etree.ElementTree import Element

from flask.testing import FlaskClient
from sqlalchemy import delete

from callcenter.services import twilio_recordings
from callcenter.services.number_lease import Lease
from callcenter.services.numbers import APP_NODE
from callcenter.services.twilio_courses import Courses
from callcenter.store.models import Base, NumberBlock
from callcenter.web import create_app
from callcenter.wiring import Wiring
from ivr.conduct import nobody_asks
from ivr.flow import Started
from ivr.numbers import MAX_SERIAL
from ivr.spool import Spool
from ivr.walking import walk
from tests.golden.performers import inquiry_of, note_from, say
from tests.golden.script import GONE, Script, Telling
from tests.web.conftest import ROOT, build
from tests.web.twilio_caller import PEOPLE, TOKEN, Document, TwilioCaller, config_text

_folders: list[TemporaryDirectory[str]] = []
_recordings = count(1)


@cache
def _house() -> tuple[Wiring, FlaskClient]:
    """One console for all scripts of a run; each call has its own CallSid."""
    _folders.append(TemporaryDirectory(prefix="aduan24-golden-"))
    folder = Path(_folders[-1].name)
    (folder / "twilio.secret").write_text(TOKEN)
    wired = build(folder, config_text(ROOT / "config.yaml"))
    Base.metadata.create_all(wired.store.engine)
    return wired, create_app(wired).test_client()


def twilio(script: Script, folder: Path) -> str:
    """The script as a call at Twilio; the facts are those of the sidecar that it leaves."""
    wired, client = _house()
    telling = Telling(script)
    _prepare(wired, script, telling)
    shown = "anonymous" if script.begins.get("caller") == "hidden" else "+6281234567890"
    caller = TwilioCaller(wired, client, "CA" + uuid4().hex, shown)
    _Call(wired, caller, telling).run()
    _note(wired, caller.call_sid, telling, folder)
    return telling.text()


def _prepare(wired: Wiring, script: Script, telling: Telling) -> None:
    """The line as the script wants it; the next number is always the first one."""
    assert wired.twilio_line
    started = script.started
    wired.__dict__["twilio_line"] = replace(
        wired.twilio_line,
        menu=script.menu,
        inquiry=lambda _caller: inquiry_of(telling),
        pin=lambda _number: started.pin,
        mode=lambda _caller: started.mode,
        number=Lease(wired.store).take,
    )
    now = datetime.now(UTC)
    last = MAX_SERIAL if started.number is None else 999
    following = last + 1 if started.number is None else 0
    with wired.store.write() as db:
        db.execute(delete(NumberBlock))
        db.add(NumberBlock(node=APP_NODE, first=0, last=last, next=following, reserved_at=now))


def _note(wired: Wiring, call_sid: str, telling: Telling, folder: Path) -> None:
    """How the call ended, and the facts of its sidecar, put into a spool of its own."""
    spool = Spool(folder / "spool", folder / "quarantine")
    spool.prepare()
    assert wired.twilio_line
    menu = wired.twilio_line.menu
    into = twilio_recordings.Import(
        spool, folder / "twilio", menu, lambda language: f"v1-{language}", wired.twilio_courses
    )
    call = Courses(wired.twilio_courses.folder).read(call_sid)  # as another process reads it
    assert call and call.ended_at
    events = twilio_recordings.events_of(call)
    finish = walk(menu, Started(**call.begun), events, nobody_asks).finish
    assert finish
    telling.did(f"end {finish.outcome} {finish.complaint or '-'}")
    spool.put_call(call.call_uid, list(twilio_recordings.sidecar(call, into)), [])
    note_from(spool, call.call_uid, telling)


class _Call:
    """Reads TwiML as the caller hears it, and does what the script says."""

    def __init__(self, wired: Wiring, caller: TwilioCaller, telling: Telling) -> None:
        self._wired, self._caller, self._telling = wired, caller, telling

    def run(self) -> None:
        document: Document | None = self._caller.rings()
        while document is not None:
            document = self._lived(document)
        self._caller.ends()

    def _lived(self, document: Document) -> Document | None:
        """What one document is for the caller -> the next; None at the end."""
        self._hear(document)
        match document.last:
            case Element(tag="Gather") as gather:
                return self._gather(document, gather)
            case Element(tag="Record") as record:
                return self._record(document, record)
            case Element(tag="Dial") as dial:
                return self._dial(document, dial)
            case Element(tag="Hangup"):
                return None
        return self._text(document)

    def _hear(self, document: Document) -> None:
        paths = [PurePosixPath(urlsplit(url).path) for url in document.played()]
        if paths and paths[0].parts[2] == "clips":
            _, clip = self._wired.twilio_clips.clip(paths[0].stem)
            self._telling.did(f"listen {clip}")
        elif paths:
            self._telling.heard([path.stem for path in paths], paths[0].parts[3])

    def _gather(self, document: Document, gather: Element) -> Document | None:
        if gather.get("numDigits") != "1":
            return self._type(document)
        if gather.get("timeout") == "1":
            return self._text(document)
        word, *rest = self._telling.next("silence", "key")
        return None if word == "hang" else self._follow(document, Digits="".join(rest))

    def _type(self, document: Document) -> Document | None:
        """The key that finishes is not among the digits; another one is."""
        word, *rest = self._telling.next("silence", "type")
        if word == "hang":
            return None
        typed = "".join(rest)
        star = "*" if typed.endswith("*") else ""
        return self._follow(document, Digits=typed.removesuffix("*"), FinishedOnKey=star)

    def _text(self, document: Document) -> Document | None:
        """A text that begins again after a wrong key is heard to its end the next time."""
        word, *rest = self._telling.next("hear", "key")
        if word == "hang":
            return None
        following = self._follow(document, Digits="".join(rest))
        while _step(following) == _step(document):
            document, following = following, self._follow(following, Digits="")
        return following

    def _record(self, document: Document, record: Element) -> Document | None:
        asked = parse_qs(urlsplit(record.get("recordingStatusCallback", "")).query)
        self._telling.did(f"record {asked['clip'][0]}")
        said, end = say(self._telling)
        if not said and end != GONE and next(_recordings) % 2:
            return self._follow(document)  # an empty recording has no action
        trailing = 0 if end else int(record.get("timeout", ""))
        facts = {"RecordingDuration": str(math.ceil(said) + trailing), "RecordingSid": _sid()}
        if end != GONE:
            return self._follow(document, Digits=end, **facts)
        if said:
            self._follow(document, Digits="hangup", CallStatus="completed", **facts)
        return None

    def _dial(self, document: Document, dial: Element) -> Document | None:
        assert dial.get("record") == "record-from-answer"
        names = {number: name for name, number in PEOPLE.items()}
        called = f"connect {names[dial[0].text or '']}"
        earlier = sum(line.startswith(called) for line in self._telling.written)
        self._telling.did(f"{called} {earlier + 1}")
        word, *_ = self._telling.next("nobody", "talk")
        if word == "hang":
            self._follow(document, DialCallStatus="completed", CallStatus="completed")
            return None
        how = "completed" if word == "talk" else "no-answer"
        return self._follow(document, DialCallStatus=how)

    def _follow(self, document: Document, **more: str) -> Document:
        """The next document, asked for twice: the answer is the same."""
        first = self._caller.follow(document.action, **more)
        assert self._caller.follow(document.action, **more).text == first.text
        return first


def _step(document: Document) -> list[str]:
    """Which request the document waits for; an ended call waits for none."""
    return parse_qs(urlsplit(document.action).query).get("step", [document.text])


def _sid() -> str:
    return "RE" + uuid4().hex
