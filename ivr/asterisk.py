"""FastAGI driver: conducts the flow on real calls. Needs no database.

The dialplan has opened the sidecar, taken a number and answered. Its fallback takes the caller
over whenever ADUAN_DONE is not 1 at the end; `ivr.performing` performs what the flow decides.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ivr.agi import AgiFault, CallerGone, Channel
from ivr.agi_server import AgiServer
from ivr.aside import Aside
from ivr.conduct import CONSENT, Consent, Doing, Inquiry, Log, ask, conducting, nobody_asks
from ivr.flow import (
    Connected,
    Event,
    Failed,
    Finish,
    Found,
    Language,
    Lookup,
    Note,
    NotFound,
    Recorded,
    Started,
)
from ivr.menu import Limits, build_menu
from ivr.nodes import Menu, Outcome, mistakes
from ivr.numbers import is_valid
from ivr.performing import AsteriskLine, Place
from ivr.prompts import DEFAULT_RETENTION_DAYS, PromptBook, Shelf
from ivr.resting import Resting
from ivr.spool import Spool, is_call_id
from ivr.waiting import WaitingRoom

log = logging.getLogger("aduan24.line")

_DONE = (Outcome.FILED, Outcome.SILENT, Outcome.SERVED)
OUT = "out"  # the script's name, where the line has placed the call itself
_CROWDED = 0.75  # of the places: from here on calls are short, so that more callers find one
_ORDINAL_DIGITS = 6  # more can neither be said nor, beyond 4,300, be read
_INQUIRY_S = 5.0  # the caller waits in silence meanwhile
_ASKING = 8  # inquiries at once: a database that hangs holds up these and no recording
_MEASURING = 2
_PLENTY_S = 2.0


#: The prompts of every language, as they are when a call begins.
Books = Callable[[], Mapping[str, PromptBook]]


@dataclass(frozen=True)
class Errand:
    """What a call is about that the line has placed itself.

    `clips`: sounds of other calls that it may play, by their kind.
    """

    menu: Menu
    inquiry: Inquiry = nobody_asks
    clips: Mapping[str, Path] = field(default_factory=dict)


def _no_errand(_call_id: str) -> None:
    return None


def _nobody(_caller: str) -> Inquiry:
    return nobody_asks


def _no_pin(_number: str) -> str:
    return ""


def _normal(_caller: str) -> str:
    return "normal"


@dataclass(frozen=True)
class LineSettings:
    """What the line needs to know. Folders must be absolute and reachable by Asterisk too.

    `max_call_s` ends a call that has gone on for too long at its next step; conversations do not
    count. What the application knows comes through four ports, each of which may raise anything:

    - `inquiry`: the caller's number as the exchange shows it (empty: hidden) -> what looks a
      complaint up for this caller;
    - `pin`: a public number -> its four digits, or none;
    - `mode`: the caller's number -> a key of `ivr.menu.ENTRIES`;
    - `errand`: the id of a call that the line has placed itself -> what it is about.

    `resting` is where the exchange keeps who has called and not spoken.
    """

    spool: Path
    quarantine: Path
    prompts: Path
    host: str = "127.0.0.1"
    port: int = 4573
    language: str = "id"
    retention_days: int = DEFAULT_RETENTION_DAYS
    limits: Limits = field(default_factory=Limits)
    waiting: WaitingRoom = field(default_factory=WaitingRoom)
    max_calls: int = 200
    max_call_s: float = 1800.0
    inquiry: Callable[[str], Inquiry] = _nobody
    pin: Callable[[str], str] = _no_pin
    mode: Callable[[str], str] = _normal
    errand: Callable[[str], Errand | None] = _no_errand
    resting: Resting = field(default_factory=lambda: Resting(None))


class LineServer:
    """The running line; `address` is where it listens (port 0 in the settings: any free one)."""

    def __init__(self, settings: LineSettings, menu: Menu, books: Books, spool: Spool) -> None:
        self._settings, self._menu, self._books, self._spool = settings, menu, books, spool
        self._waiting = settings.waiting
        self._desk, self._files = Aside("desk", _ASKING), Aside("files", _MEASURING)
        self._server = AgiServer(settings.host, settings.port, self._take_call, settings.max_calls)
        self.address = self._server.address

    def start(self) -> None:
        """Answer calls, in a thread of our own; returns at once."""
        self._server.start()

    def stop(self, drain_s: float = 0.0) -> None:
        """Take no more calls, wait up to `drain_s` for those there are, leave the rest to the
        dialplan's fallback. Stopping twice is harmless."""
        self._server.stop(drain_s)
        self._desk.close()
        self._files.close()

    def calls(self) -> int:
        """How many calls are being conducted now."""
        return self._server.calls()

    async def _take_call(self, channel: Channel) -> None:
        call_id = channel.environment.get("agi_uniqueid", "")
        if not is_call_id(call_id):
            log.error("a call whose id is not ours: the fallback takes it")
            return
        out = channel.environment.get("agi_network_script") == OUT
        try:
            await (self._run_errand if out else self._conduct)(channel, call_id)
        except CallerGone:
            log.info("call %s: hung up", call_id)
        except AgiFault as error:
            log.error("call %s: %s: the fallback takes it", call_id, error)

    async def _conduct(self, channel: Channel, call_id: str) -> None:
        opening, sidecar = _Opening(self._settings, channel, call_id), Log(self._spool, call_id)
        reading = self._files.start(self._opened, sidecar, opening)  # while Asterisk answers
        number, ordinal = await opening.number(), await opening.ordinal()
        mode, books = await reading
        started = opening.started(number, ordinal, mode)
        place = Place(
            call_id,
            self._spool,
            books,
            self._settings.language,
            self._waiting,
            self._files,
            plenty_s=max(_PLENTY_S, 2 * self._settings.limits.speech_s),
        )
        line = AsteriskLine(channel, place, time.monotonic() + self._settings.max_call_s)
        call = conducting(sidecar, self._menu, started, self._consent(books))
        heard = _Heard(self._settings.limits.speech_s)
        try:
            finish = await conduct(call, line, self._inquirer(opening), heard.note)
        finally:
            self._waiting.leave(call_id)
            if heard.somebody:
                await self._files.run(self._settings.resting.spoke, opening.caller)
        log.info("call %s: %s, complaint %s", call_id, finish.outcome, finish.complaint)
        if finish.outcome in _DONE:
            await channel.set("ADUAN_DONE", 1)

    async def _run_errand(self, channel: Channel, call_id: str) -> None:
        """A call that the line has placed: the dialplan opened its sidecar, and ends it."""
        await channel.allow(_INQUIRY_S)
        errand = await self._desk.run(self._settings.errand, call_id)
        if errand is None:
            log.error("call %s: placed by nobody that is known", call_id)
            return
        opening, sidecar = _Opening(self._settings, channel, call_id), Log(self._spool, call_id)
        books = await self._files.run(self._books)
        language = self._settings.language
        place = Place(
            *(call_id, self._spool, books, language, self._waiting, self._files), errand.clips
        )
        line = AsteriskLine(channel, place, time.monotonic() + self._settings.max_call_s)
        call = conducting(sidecar, errand.menu, Started(None), self._consent(books))
        finish = await conduct(call, line, self._inquirer(opening, errand.inquiry))
        log.info("call %s: %s", call_id, finish.outcome)

    def _consent(self, books: Mapping[str, PromptBook]) -> Consent:
        """Which consent is heard; a language without a book is spoken as `AsteriskLine` does."""
        main = books[self._settings.language]
        return lambda language: books.get(language, main).version(CONSENT)

    def _opened(self, sidecar: Log, opening: _Opening) -> tuple[str, Mapping[str, PromptBook]]:
        """The beginning of a call: how the line is switched, and what it can say."""
        call_id = sidecar.call_id
        if not self._spool.sidecar_path(call_id).exists():
            self._spool.open_call(call_id, [("started", call_id.rsplit("-", 1)[0])])
        sidecar.write("mode", "app")
        mode = opening.mode()
        return "limited" if mode == "normal" and self._is_crowded() else mode, self._books()

    def _is_crowded(self) -> bool:
        """Whether so many call that everybody is asked to speak at once."""
        return self._server.calls() > _CROWDED * self._settings.max_calls

    def _inquirer(self, opening: _Opening, inquiry: Inquiry | None = None) -> Inquirer:
        """What asks the desk; the caller is not left waiting for a database that hangs."""

        async def inquire(lookup: Lookup) -> Event:
            await opening.channel.allow(_INQUIRY_S)
            try:
                asked = self._desk.run(ask, inquiry or opening.inquiry, lookup)
                return await asyncio.wait_for(asked, _INQUIRY_S)
            except TimeoutError:
                log.error("call %s: an inquiry took too long", opening.call_id)
                return Failed("the inquiry took too long")

        return inquire


#: Looks a complaint up, aside from the loop; does not fail.
Inquirer = Callable[[Lookup], Awaitable[Event]]


async def conduct(
    call: Generator[Doing, Event | None, Finish],
    line: AsteriskLine,
    inquire: Inquirer,
    note: Callable[[Doing | Event | None], None] = lambda _: None,
) -> Finish:
    """Walk a call to its end on a line that is awaited; whatever that raises passes through.

    `note` is told what is done, and what came of it.
    """
    event: Event | None = None
    while True:
        try:
            doing = call.send(event)
        except StopIteration as end:
            finish: Finish = end.value
            return finish
        note(doing)
        event = await _done(doing, line, inquire)
        note(event)


async def _done(doing: Doing, line: AsteriskLine, inquire: Inquirer) -> Event | None:
    match doing:
        case Language(code):
            line.speak(code)
        case Note():
            await line.noted(doing)
        case Lookup():
            return await inquire(doing)
        case _:
            return await line.perform(doing)
    return None


@dataclass
class _Heard:
    """Whether somebody is there: has said something, was connected, named their complaint, or
    pressed the emergency key, whatever came of it."""

    speech_s: float
    somebody: bool = False

    def note(self, what: Doing | Event | None) -> None:
        match what:
            case Recorded(speech_seconds=speech):
                self.somebody |= speech >= self.speech_s
            case Connected(talked=True) | Found() | Note(key="urgent"):
                self.somebody = True


@dataclass(frozen=True)
class _Opening:
    """What is known about a call before its first word."""

    settings: LineSettings
    channel: Channel
    call_id: str

    @property
    def caller(self) -> str:
        """The caller's number; empty if it is hidden. Hostile: digits and a plus at most."""
        shown = self.channel.environment.get("agi_callerid", "")
        return shown if shown.removeprefix("+").isdecimal() and shown.isascii() else ""

    async def number(self) -> str:
        """The public number that the dialplan took; empty if there is none."""
        number = await self.channel.get("ADUAN_NUMBER")
        if number and not is_valid(number):
            log.error("call %s: the dialplan's number is not valid", self.call_id)
        return number if is_valid(number) else ""

    async def ordinal(self) -> int | None:
        """Which caller of the day this is, as the exchange counts; None if it does not say."""
        ordinal = await self.channel.get("ADUAN_ORDINAL")
        sound = ordinal.isascii() and ordinal.isdecimal() and len(ordinal) <= _ORDINAL_DIGITS
        return int(ordinal) if sound else None

    def mode(self) -> str:
        """Where the call begins."""
        return self._asked("mode", self.settings.mode, self.caller) or "normal"

    def started(self, number: str, ordinal: int | None, mode: str) -> Started:
        """What the flow begins with."""
        pin = self._asked("pin", self.settings.pin, number) if number else ""
        return Started(
            number or None,
            caller_known=bool(self.caller),
            pin=pin if len(pin) == 4 and pin.isdecimal() and pin.isascii() else "",
            mode=mode,
            ordinal=ordinal if number else None,
        )

    def inquiry(self, lookup: Lookup) -> Found | NotFound:
        """What the desk says; may raise anything."""
        return self.settings.inquiry(self.caller)(lookup)

    def _asked(self, name: str, port: Callable[[str], str], value: str) -> str:
        """A port's answer; whatever is wrong with it, the call goes on without."""
        try:
            return port(value)
        except Exception as error:
            log.error("call %s: no %s: %s", self.call_id, name, type(error).__name__)
            return ""


def serve(
    settings: LineSettings,
    menu: Menu | None = None,
    books: Books | None = None,
) -> LineServer:
    """A line that listens already and answers after `start()`; `books` gives them by language.

    Raises PromptsMissing if a prompt is missing, ValueError for a menu with mistakes, OSError if
    the port is taken.
    """
    menu = menu or build_menu(settings.limits)
    if wrong := mistakes(menu):
        raise ValueError("menu: " + "; ".join(wrong))
    books = books or Shelf(settings.prompts, settings.retention_days).books
    spool = Spool(settings.spool, settings.quarantine)
    spool.prepare()
    return LineServer(settings, menu, books, spool)
