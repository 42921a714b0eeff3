"""Performs the flow's actions on one channel of Asterisk.

Every step renews ``TIMEOUT(absolute)`` for as long as it may take, so that a hung driver is cut
and the dialplan's fallback takes over. ADUAN_CONSENT and ADUAN_CLIP tell the fallback what the
caller has been through already.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ivr.agi import AgiFault, CallerGone, Channel, Recording
from ivr.aside import Aside
from ivr.conduct import Performance
from ivr.flow import (
    Ask,
    Bridge,
    Clip,
    Connected,
    Event,
    Failed,
    Gather,
    HungUp,
    Join,
    Listen,
    NoRoom,
    Note,
    Placed,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    Spelled,
)
from ivr.nodes import ANY_KEY
from ivr.prompts import PromptBook
from ivr.speech import speech_at_once
from ivr.spool import NotInSpool, Spool
from ivr.waiting import NobodyThere, WaitingRoom
from ivr.wav import NotAWave, duration

log = logging.getLogger("aduan24.line")

CONTEXTS = {"emergency": "aduan-emergency", "operators": "aduan-operators"}
_SHORT_BY_S = 0.1  # a file shorter than Asterisk says was cut by a full disk
_PAUSE_S = 1.0
_FULL_BYTES = 1_000_000
_BUFFER_BYTES = 65_536  # Asterisk writes 32 KiB at a time; what did not fit is lost without a word
_LOOKING_S = 5.0  # at a recording; a disk may be slow
_LONGEST_TALK_S = 4 * 3600.0  # the dialplan's own limit of a conversation is shorter


@dataclass(frozen=True)
class Place:
    """Where a call is performed: its id, its files, what the line can say and to whom.

    `files` reads and measures what was recorded, aside from the loop. `clips`: sounds of other
    calls that may be played, by kind. `plenty_s` of speech are more than anything depends on.
    """

    call_id: str
    spool: Spool
    books: Mapping[str, PromptBook]
    language: str
    waiting: WaitingRoom
    files: Aside
    clips: Mapping[str, Path] = field(default_factory=dict)
    plenty_s: float = 2.0


class AsteriskLine:
    """Performs actions on one channel. `ends` is a time of the monotonic clock."""

    def __init__(self, channel: Channel, place: Place, ends: float) -> None:
        self._channel, self._place, self._ends = channel, place, ends
        self._book = place.books[place.language]
        self._talks = 0
        self._to_wait = False  # has a place, and is not yet in the queue

    def speak(self, language: str) -> None:
        """From here on in this language, if there is a book of it."""
        self._book = self._place.books.get(language, self._book)

    async def noted(self, note: Note) -> None:
        """Tell the dialplan's fallback what the caller has been through."""
        try:
            if note.key == "consent":
                await self._channel.set("ADUAN_CONSENT", 1)
            elif note.key == "kept":
                await self._channel.set("ADUAN_CLIP", str(self._clip_path(_clip(note.value))))
        except CallerGone:
            log.debug("call %s: hung up before %s was told", self._place.call_id, note.key)

    async def perform(self, action: Performance) -> Event:
        """One action on the channel; a hang-up and a refusal are events."""
        if time.monotonic() > self._ends:
            return Failed("the call is too long")
        if isinstance(action, Record) or not (self._to_wait or isinstance(action, Ask | Bridge)):
            self._place.waiting.leave(self._place.call_id)
        try:
            return await self._perform(action)
        except CallerGone:
            return HungUp()
        except (AgiFault, NotInSpool) as error:
            log.error("call %s: %s", self._place.call_id, error)
            return Failed(str(error))

    async def _perform(self, action: Performance) -> Event:
        match action:
            case Play(prompts, keys) | ReadNumber(_, prompts, keys):
                return await self._play(prompts, keys)
            case Ask(prompts, _, timeout_s):
                return await self._ask(prompts, timeout_s)
            case Gather():
                return await self._gather(action)
            case Record():
                return await self._record(action)
            case Listen(clip):
                return await self._listen(clip)
            case Join() | Bridge():
                return await self._with_others(action)

    # ------------------------------------------------------------ speaking

    async def _play(self, prompts: tuple[str, ...], keys: str) -> Event:
        """A text that few keys may cut must be heard whole: else the caller was not told."""
        seconds = self._book.seconds(prompts)
        await self._channel.allow(seconds)
        played = await self._stream(self._stems(prompts), keys, seconds, whole=keys != ANY_KEY)
        if isinstance(played, Failed):
            return Failed(f"{'+'.join(prompts)} could not be played")
        return played

    def _stems(self, prompts: tuple[str, ...]) -> list[str]:
        """Where the prompts are; empty for one that is not: asking Asterisk for it ends the call's
        conversation with us."""
        return [self._book.playable(key) for key in prompts]

    async def _stream(
        self, stems: Iterable[str], keys: str, seconds: float, *, whole: bool
    ) -> Event:
        heard = []
        for stem in stems:
            key, sound = await self._channel.stream(stem, keys, seconds) if stem else (None, False)
            heard.append(sound)
            if key:
                return Played(key)
        return Played() if (all(heard) if whole else any(heard)) else Failed("nothing was heard")

    async def _listen(self, clip: Clip) -> Event:
        path = self._place.clips.get(clip.kind) or self._clip_path(clip)
        try:
            seconds = duration(path)
        except (NotAWave, OSError) as error:
            return Failed(str(error))
        await self._channel.allow(seconds)
        return await self._stream([str(path.with_suffix(""))], ANY_KEY, seconds, whole=True)

    # ------------------------------------------------------------ keys

    async def _ask(self, prompts: tuple[str, ...], timeout_s: float) -> Event:
        key = await self._said_until_key(prompts, timeout_s)
        key = key or await self._channel.wait_for_key(timeout_s)
        return Pressed(key) if key else Silence()

    async def _gather(self, action: Gather) -> Event:
        digits, key = "", await self._said_until_key(action.prompts, action.timeout_s)
        while len(digits) < action.most:
            key = key or await self._next_key(action.timeout_s)
            if not key or not key.isdecimal():
                return Spelled(digits, key)
            digits, key = digits + key, None
        return Spelled(digits)

    async def _next_key(self, timeout_s: float) -> str | None:
        await self._channel.allow(timeout_s)
        return await self._channel.wait_for_key(timeout_s)

    async def _said_until_key(self, prompts: tuple[str, ...], then_s: float) -> str | None:
        """Say the prompts, those that can be said; the key that cut them short."""
        seconds = self._book.seconds(prompts) + then_s
        await self._channel.allow(seconds)
        played = await self._stream(self._stems(prompts), ANY_KEY, seconds, whole=False)
        return played.key if isinstance(played, Played) else None

    # ------------------------------------------------------------ recording

    async def _record(self, action: Record) -> Event:
        path = self._clip_path(action.clip)
        await self._channel.allow(action.max_s)
        stem = str(path.with_suffix(""))
        began = time.monotonic()
        recording = await self._channel.record(stem, ANY_KEY, action.max_s, action.silence_s)
        return await self._recorded(action, path, recording, time.monotonic() - began)

    async def _recorded(
        self, action: Record, path: Path, recording: Recording, took_s: float
    ) -> Event:
        gone = recording.ended_by == "hangup"
        try:
            seconds, speech = await self._looked_at(path, gone=gone)
        except (NotAWave, OSError) as error:
            log.error("call %s: clip %s: %s", self._place.call_id, action.clip, error)
            return HungUp() if gone else _not_whole(path, "no recording")
        missing_s = took_s - action.silence_s - seconds
        if not gone and (seconds < recording.seconds - _SHORT_BY_S or _lost(path, missing_s)):
            log.error("call %s: clip %s: not whole on disk", self._place.call_id, action.clip)
            return _not_whole(path, "the recording is not whole on the disk")
        ended_by = recording.ended_by
        if ended_by == "time":
            ended_by = "timeout" if seconds > action.max_s - 1 else "silence"
        return Recorded(action.clip, seconds, speech, ended_by, recording.key)

    async def _looked_at(self, path: Path, *, gone: bool) -> tuple[float, float]:
        """Seconds, and seconds of speech. Asterisk renews its switch while we look."""
        looking = self._place.files.start(_measured, path, self._place.plenty_s)
        try:
            if not gone:
                await self._channel.allow(_LOOKING_S)
        except CallerGone:
            log.debug("call %s: hung up after a recording", self._place.call_id)
        except AgiFault:
            looking.cancel()  # nobody waits for it any more
            raise
        return await looking

    # ------------------------------------------------------------ other people

    async def _with_others(self, action: Join | Bridge) -> Event:
        return self._join(action) if isinstance(action, Join) else await self._bridge(action)

    def _join(self, action: Join) -> Event:
        call_id, waiting = self._place.call_id, self._place.waiting
        try:
            waiting.enter(call_id)
        except NobodyThere:
            return Failed(f"{action.to}: nobody can answer")
        self._to_wait = True
        return Placed(waiting.said(call_id, action.language))

    async def _bridge(self, action: Bridge) -> Event:
        """The dialplan dials, plays music and records; it says how it went in two variables."""
        began = time.monotonic()
        call_id, waiting = self._place.call_id, self._place.waiting
        queued = action.to == "operators"
        waited = waiting.join(call_id) if queued else 0.0
        self._to_wait = False
        self._talks += 1
        await self._channel.gosub(
            CONTEXTS[action.to],
            self._talks,
            int(action.wait_s),
            int(waited),
            seconds=action.wait_s + _LONGEST_TALK_S,
        )
        self._ends += time.monotonic() - began
        how, key = await self._channel.get("ADUAN_BRIDGE"), await self._channel.get("ADUAN_KEY")
        if how != "nobody" or not queued:
            waiting.leave(call_id)
        if how == "talked":
            return Connected(talked=True, recorded=await self._talk_is_on_disk())
        self._forget_empty_talk()
        if how != "nobody":
            return Failed(f"{action.to}: nobody can answer")
        said = waiting.said(call_id, action.language) if queued else ()
        return Connected(talked=False, key=key if key in tuple(ANY_KEY) else None, said=said)

    async def _talk_is_on_disk(self) -> bool:
        """The dialplan has looked for sound in the file; the disk may have cut it short."""
        path = self._clip_path(Clip("talk", self._talks))
        return await self._channel.get("ADUAN_CLIP") == str(path) and not _full(path)

    def _forget_empty_talk(self) -> None:
        """Where nobody answered, a file without a sound in it is left behind.

        Only to be asked when the dialplan has said so: before, the sound may not be written yet.
        """
        path = self._clip_path(Clip("talk", self._talks))
        try:
            if not duration(path):
                path.unlink()
        except (NotAWave, OSError):
            log.debug("call %s: no conversation to look at", self._place.call_id)

    def _clip_path(self, clip: Clip) -> Path:
        return self._place.spool.clip_path(self._place.call_id, clip.kind, clip.take)


def _measured(path: Path, plenty_s: float) -> tuple[float, float]:
    """Seconds of a recording, and of speech in it, or at least `plenty_s` of that.

    Raises NotAWave or OSError.
    """
    return duration(path), speech_at_once(path, plenty_s)


def _lost(path: Path, missing_s: float) -> bool:
    """Whether a full disk cut a recording, which Asterisk does not notice.

    A telephone that sends nothing in pauses makes a short file, too: both signs must be there,
    unless the disk would not have taken the last buffer.
    """
    return _full(path, _BUFFER_BYTES) or (missing_s > _PAUSE_S and _full(path))


def _not_whole(path: Path, reason: str) -> Failed:
    """Where there is room again, the fallback can record the caller once more."""
    return NoRoom(reason) if _full(path) else Failed(reason)


def _full(path: Path, least: int = _FULL_BYTES) -> bool:
    return shutil.disk_usage(path.parent).free < least


def _clip(text: str) -> Clip:
    kind, _, take = text.rpartition("-")
    return Clip(kind, int(take))
