"""FastAGI driver: performs the flow on a real call. Needs no database.

The dialplan has opened the sidecar, taken a number and answered. Each step renews
``TIMEOUT(absolute)``, so that a hung driver is cut and the dialplan's fallback takes over; so
it does whenever ADUAN_DONE is not 1 at the end. ADUAN_CONSENT and ADUAN_CLIP tell the fallback
what the caller has been through already.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ivr.agi import ALL_KEYS, AgiFault, AgiServer, CallerGone, Channel
from ivr.conduct import Log, Performance, conduct
from ivr.flow import (
    Ask,
    Clip,
    Event,
    Failed,
    HungUp,
    Listen,
    Note,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    Started,
)
from ivr.menu import Limits, Menu, Outcome, build_menu, mistakes
from ivr.numbers import is_valid
from ivr.prompts import DEFAULT_RETENTION_DAYS, PromptBook, open_book
from ivr.speech import speech_seconds
from ivr.spool import Spool, is_call_id
from ivr.wav import NotAWave, duration

log = logging.getLogger("aduan24.line")

_ENDED_BY = {"DTMF": "key", "SILENCE": "silence", "TIMEOUT": "timeout", "HANGUP": "hangup"}


@dataclass(frozen=True)
class LineSettings:
    """What the line needs to know. Folders must be absolute and reachable by Asterisk too.

    `max_call_s` ends a call that has gone on for too long at its next step.
    """

    spool: Path
    quarantine: Path
    prompts: Path
    host: str = "127.0.0.1"
    port: int = 4573
    language: str = "id"
    retention_days: int = DEFAULT_RETENTION_DAYS
    limits: Limits = field(default_factory=Limits)
    max_calls: int = 200
    max_call_s: float = 1800.0


class LineServer:
    """The running line; `address` is where it listens (port 0 in the settings: any free one)."""

    def __init__(self, settings: LineSettings, menu: Menu, book: PromptBook, spool: Spool) -> None:
        self._settings, self._menu, self._book, self._spool = settings, menu, book, spool
        self._server = AgiServer(settings.host, settings.port, self._take_call, settings.max_calls)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="agi", daemon=True
        )
        self.address: tuple[str, int] = self._server.server_address[:2]

    def start(self) -> None:
        """Answer calls, in threads of our own; returns at once."""
        self._thread.start()

    def stop(self, drain_s: float = 0.0) -> None:
        """Take no more calls, wait up to `drain_s` for those there are, leave the rest to the
        dialplan's fallback. Stopping twice is harmless."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        deadline = time.monotonic() + drain_s
        while self._server.calls() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._server.cut()

    def calls(self) -> int:
        """How many calls are being conducted now."""
        return self._server.calls()

    def _take_call(self, channel: Channel) -> None:
        call_id = channel.environment.get("agi_uniqueid", "")
        if not is_call_id(call_id):
            log.error("a call whose id is not ours: the fallback takes it")
            return
        try:
            self._conduct(channel, call_id)
        except CallerGone:
            log.info("call %s: hung up", call_id)
        except AgiFault as error:
            log.error("call %s: %s: the fallback takes it", call_id, error)

    def _conduct(self, channel: Channel, call_id: str) -> None:
        sidecar = Log(self._spool, call_id)
        if not self._spool.sidecar_path(call_id).exists():
            self._spool.open_call(call_id, [("started", call_id.rsplit("-", 1)[0])])
        sidecar.write("mode", "app")
        line = AsteriskLine(
            channel, call_id, self._spool, self._book, time.monotonic() + self._settings.max_call_s
        )
        consent = self._book.version("welcome_consent")
        finish = conduct(line, sidecar, self._menu, line.started(), consent)
        log.info("call %s: %s, complaint %s", call_id, finish.outcome, finish.complaint)
        if finish.outcome in (Outcome.FILED, Outcome.SILENT):
            channel.set("ADUAN_DONE", 1)


class AsteriskLine:
    """Performs actions on one channel. `ends` is a time of the monotonic clock."""

    def __init__(
        self, channel: Channel, call_id: str, spool: Spool, book: PromptBook, ends: float
    ) -> None:
        self._channel, self._call_id, self._spool = channel, call_id, spool
        self._book, self._ends = book, ends

    def started(self) -> Started:
        """What the dialplan knows about the call."""
        number = self._channel.get("ADUAN_NUMBER")
        if number and not is_valid(number):
            log.error("call %s: the dialplan's number is not valid", self._call_id)
        caller = self._channel.environment.get("agi_callerid", "")
        known = caller.lstrip("+").isdecimal()
        return Started(number if is_valid(number) else None, caller_known=known)

    def noted(self, note: Note) -> None:
        """Tell the dialplan's fallback what the caller has been through."""
        try:
            if note.key == "consent":
                self._channel.set("ADUAN_CONSENT", 1)
            elif note.key == "kept":
                self._channel.set("ADUAN_CLIP", str(self._clip_path(_clip(note.value))))
        except CallerGone:
            log.debug("call %s: hung up before %s was told", self._call_id, note.key)

    def perform(self, action: Performance) -> Event:
        """One action on the channel; a hang-up and a refusal are events."""
        if time.monotonic() > self._ends:
            return Failed("the call is too long")
        try:
            return self._perform(action)
        except CallerGone:
            return HungUp()
        except AgiFault as error:
            log.error("call %s: %s", self._call_id, error)
            return Failed(str(error))

    def _perform(self, action: Performance) -> Event:
        match action:
            case Play(prompts, interruptible) | ReadNumber(_, prompts, interruptible):
                return self._play(prompts, interruptible)
            case Ask(prompts, _, timeout_s):
                return self._ask(prompts, timeout_s)
            case Record():
                return self._record(action)
            case Listen(clip):
                return self._listen(clip)

    def _play(self, prompts: tuple[str, ...], interruptible: bool) -> Event:
        seconds = self._book.seconds(prompts)
        self._channel.allow(seconds)
        stems = [self._book.stem(key) for key in prompts]
        if interruptible:
            return self._stream(stems, seconds)
        self._channel.execute("Playback", "&".join(stems), seconds=seconds)
        if self._channel.get("PLAYBACKSTATUS") != "SUCCESS":
            return Failed(f"{'+'.join(prompts)} could not be played")
        return Played()

    def _stream(self, stems: Iterable[str], seconds: float) -> Event:
        heard = False
        for stem in stems:
            key, sound = self._channel.stream(stem, ALL_KEYS, seconds)
            heard = heard or sound
            if key:
                return Played(key)
        return Played() if heard else Failed("nothing could be played")

    def _ask(self, prompts: tuple[str, ...], timeout_s: float) -> Event:
        seconds = self._book.seconds(prompts) + timeout_s
        self._channel.allow(seconds)
        played = self._stream([self._book.stem(key) for key in prompts], seconds)
        key = played.key if isinstance(played, Played) else None
        key = key or self._channel.wait_for_key(timeout_s)
        return Pressed(key) if key else Silence()

    def _record(self, action: Record) -> Event:
        path = self._clip_path(action.clip)
        self._channel.allow(action.max_s)
        try:
            self._channel.execute(
                "Record", str(path), action.silence_s, action.max_s, "kqy", seconds=action.max_s
            )
            status = self._channel.get("RECORD_STATUS")
        except CallerGone:
            status = "HANGUP"
        return self._recorded(action.clip, path, status)

    def _recorded(self, clip: Clip, path: Path, status: str) -> Event:
        ended_by = _ENDED_BY.get(status, "")
        try:
            seconds, speech = duration(path), speech_seconds(path)
        except (NotAWave, OSError) as error:
            log.error("call %s: clip %s: %s", self._call_id, clip, error)
            return HungUp() if ended_by == "hangup" else Failed("no recording")
        if not ended_by and not speech:
            return Failed("the recording failed")
        return Recorded(clip, seconds, speech, ended_by or "error")

    def _listen(self, clip: Clip) -> Event:
        path = self._clip_path(clip)
        try:
            seconds = duration(path)
        except (NotAWave, OSError) as error:
            return Failed(str(error))
        self._channel.allow(seconds)
        return self._stream([str(path.with_suffix(""))], seconds)

    def _clip_path(self, clip: Clip) -> Path:
        return self._spool.clip_path(self._call_id, clip.kind, clip.take)


def _clip(text: str) -> Clip:
    kind, _, take = text.rpartition("-")
    return Clip(kind, int(take))


def serve(settings: LineSettings, menu: Menu | None = None) -> LineServer:
    """A line that listens already and answers after `start()`.

    Raises PromptsMissing if a prompt is missing, ValueError for a menu with mistakes, OSError if
    the port is taken.
    """
    menu = menu or build_menu(settings.limits)
    if wrong := mistakes(menu):
        raise ValueError("menu: " + "; ".join(wrong))
    book = open_book(settings.prompts, settings.language, settings.retention_days)
    spool = Spool(settings.spool, settings.quarantine)
    spool.prepare()
    return LineServer(settings, menu, book, spool)
