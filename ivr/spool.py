"""Audio on disk first: a call's clips and its sidecar, before anything needs the database.

The sidecar ``<call id>.call`` is append-only, one ``<epoch seconds> <key>=<percent-encoded>``
per line, written by the dialplan and by the driver. Everything in this folder is hostile until
validated: names are matched, paths resolved and then verified, symbolic links refused. What is
unreadable is skipped, never an error: a call with a damaged sidecar still has its audio.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from errno import ENOSPC
from pathlib import Path
from urllib.parse import quote, unquote

from ivr.numbers import is_valid

KINDS = ("complaint", "name", "village", "talk", "report", "reason")
FALLBACK_TAKE = 9
_CALL_ID = r"[A-Za-z0-9]{1,32}-[0-9]{1,12}\.[0-9]{1,12}"
_CALL = re.compile(rf"({_CALL_ID})\.call", re.ASCII)
_CLIP = re.compile(rf"({_CALL_ID})_({'|'.join(KINDS)})-([1-9][0-9]{{0,2}})\.wav", re.ASCII)
_KEY = re.compile(r"[a-z][a-z_]{0,39}", re.ASCII)
_AFTER_A_CUT = re.compile(r"[0-9]{10}\.[0-9]{3} [a-z][a-z_]{0,39}=[^ ]*$", re.ASCII)
_MOST_BYTES = 256 * 1024  # a sidecar is a few kB; a larger one is an attack or a loop
_MOST_VALUE = 1000
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


class NotInSpool(ValueError):
    """A name or path that does not belong in the spool; the message names it."""


@dataclass(frozen=True)
class SpoolEvent:
    """One line of a sidecar: when (aware, UTC), key, decoded value."""

    at: datetime
    key: str
    value: str


@dataclass(frozen=True)
class SpooledClip:
    """One sound file of a call. `kind`: one of KINDS; `take` from 1, 9 = fallback."""

    kind: str
    take: int
    path: Path


@dataclass(frozen=True)
class SpooledCall:
    """One call as the spool holds it. Times are aware UTC; empty text means not known.

    `number` is a valid public number or None. `ended_at` is None for an orphan. `sidecar` is
    None for audio that was adopted. `kept` is the file name part (`complaint-2`) of the take the
    driver heard speech in, if any. `clips` are sorted by kind and take, as found on disk.
    """

    call_id: str
    node: str
    started_at: datetime
    ended_at: datetime | None = None
    hangup_cause: str = ""
    caller_raw: str = ""
    called: str = ""
    number: str | None = None
    consent_at: datetime | None = None
    consent_version: str = ""
    clips: tuple[SpooledClip, ...] = ()
    kept: str = ""
    mode: str = ""
    review: str = ""
    number_heard_at: datetime | None = None
    events: tuple[SpoolEvent, ...] = ()
    sidecar: Path | None = None

    def clips_of(self, kind: str) -> tuple[SpooledClip, ...]:
        """The takes of one kind, earliest first."""
        return tuple(clip for clip in self.clips if clip.kind == kind)


def is_call_id(text: str) -> bool:
    """Whether `text` is a call id as a PBX node or the test phone makes them."""
    return re.fullmatch(_CALL_ID, text, re.ASCII) is not None


@dataclass(frozen=True)
class Spool:
    """The spool folder and, beside it, the quarantine."""

    folder: Path
    quarantine_folder: Path

    def prepare(self) -> None:
        """Make the folders; nobody but us and the PBX's user may look into them."""
        for folder in (self.folder, self.quarantine_folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    # ------------------------------------------------------------ names

    def path(self, name: str) -> Path:
        """The path of a file name in the spool. Raises NotInSpool unless it is ours."""
        if not (_CALL.fullmatch(name) or _CLIP.fullmatch(name)):
            raise NotInSpool(f"{name!r} is no name of a call's file")
        return self.verify(self.folder / name)

    def verify(self, path: Path) -> Path:
        """The same path, resolved. Raises NotInSpool if it is a link or leaves the spool."""
        resolved = path.resolve()
        if path.is_symlink() or resolved.parent != self.folder.resolve():
            raise NotInSpool(f"{path.name!r} is a link or leads out of the spool")
        return resolved

    def clip_path(self, call_id: str, kind: str, take: int) -> Path:
        """Where a clip is recorded. Raises NotInSpool for a call id or kind that is not ours."""
        return self.path(f"{call_id}_{kind}-{take}.wav")

    def sidecar_path(self, call_id: str) -> Path:
        """The sidecar of a call. Raises NotInSpool for a call id that is not ours."""
        return self.path(f"{call_id}.call")

    # ------------------------------------------------------------ writing

    def open_call(self, call_id: str, events: Iterable[tuple[str, str]]) -> None:
        """Create the sidecar with these (key, value) lines, where no dialplan did it."""
        self.sidecar_path(call_id).touch(mode=0o640)
        for key, value in events:
            self.append_event(call_id, key, value)

    def append_event(self, call_id: str, key: str, value: str = "") -> bool:
        """Append one line to a call's sidecar, in one write. False if the call is filed already.

        Raises OSError; a full disk may leave the beginning of the line, which `parse` passes over.
        The file is never created here: a late line must not bring a filed call back.
        """
        if not _KEY.fullmatch(key):
            raise NotInSpool(f"{key!r} is no key of a sidecar")
        line = _line(time.time(), key, value)
        try:
            file = os.open(self.sidecar_path(call_id), os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            if os.write(file, line) != len(line):
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        finally:
            os.close(file)
        return True

    def put_call(
        self,
        call_id: str,
        lines: Iterable[tuple[float, str, str]],
        clips: Iterable[tuple[str, int, Path]],
    ) -> None:
        """Take in a call that happened elsewhere: (epoch, key, value) and (kind, take, file).

        The files are moved, from the same disk; the sidecar comes last and whole. A file that is
        gone was moved before. Doing it twice changes nothing.
        """
        for kind, take, file in clips:
            if file.exists():
                file.replace(self.clip_path(call_id, kind, take))
        draft = self.folder.parent / f"{call_id}.call.new"
        content = b"".join(_line(at, key, value) for at, key, value in lines)
        with draft.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.chmod(0o640)
        draft.replace(self.sidecar_path(call_id))

    # ------------------------------------------------------------ reading

    def call_ids(self) -> list[str]:
        """The calls that have a sidecar, in the order of their names."""
        return sorted(match[1] for name in self._names() if (match := _CALL.fullmatch(name)))

    def read(self, call_id: str) -> SpooledCall:
        """A call, whatever state its sidecar is in. Raises NotInSpool for a wrong call id."""
        return self._read(call_id, self._clips().get(call_id, []))

    def ready(self) -> list[SpooledCall]:
        """The calls whose sidecar says that they ended."""
        return [call for call in self._calls() if call.ended_at]

    def orphans(
        self, now: datetime, live: Collection[str] | None, max_age_s: float, node: str = ""
    ) -> list[SpooledCall]:
        """The calls that will never say that they ended.

        `live` are the ids of the channels that exist (None: nobody knows, so only age counts);
        a call that started less than 5 s ago may have its channel still to come. With `node`
        they are that node's channels, and other calls (the test phone's) have only their age.
        """
        young, old = now - timedelta(seconds=5), timedelta(seconds=max_age_s)

        def gone(call: SpooledCall) -> bool:
            told = live is not None and (not node or call.call_id.startswith(f"{node}-"))
            return told and call.call_id not in (live or ()) and call.started_at < young

        return [
            call
            for call in self._calls()
            if not call.ended_at
            and (gone(call) or abs(now - call.started_at) > old)  # the future: the clock was wrong
        ]

    def adoptable(self, now: datetime, min_age_s: float = 60) -> list[SpooledCall]:
        """Calls that are audio alone: no sidecar, and untouched for `min_age_s` seconds."""
        known = set(self.call_ids())
        return [
            self._read(call_id, clips)
            for call_id, clips in sorted(self._clips().items())
            if call_id not in known and self._untouched([c.path for c in clips], now, min_age_s)
        ]

    def strays(self, now: datetime, min_age_s: float = 60) -> list[tuple[Path, str]]:
        """What lies in the spool and is no call's file, untouched for a while, and why."""
        return [
            (path, why)
            for path in sorted(self.folder.iterdir())
            if (why := _stray(path)) and self._untouched([path], now, min_age_s)
        ]

    def _calls(self) -> Iterator[SpooledCall]:
        clips = self._clips()
        for call_id in self.call_ids():
            yield self._read(call_id, clips.get(call_id, []))

    def _names(self) -> list[str]:
        with os.scandir(self.folder) as found:
            return [entry.name for entry in found if entry.is_file(follow_symlinks=False)]

    def _clips(self) -> dict[str, list[SpooledClip]]:
        clips: dict[str, list[SpooledClip]] = {}
        for name in self._names():
            if match := _CLIP.fullmatch(name):
                clip = SpooledClip(match[2], int(match[3]), self.folder.resolve() / name)
                clips.setdefault(match[1], []).append(clip)
        return clips

    def _read(self, call_id: str, clips: list[SpooledClip]) -> SpooledCall:
        if not is_call_id(call_id):
            raise NotInSpool(f"{call_id!r} is no call id")
        sidecar = self.folder.resolve() / f"{call_id}.call"
        usable = sidecar.is_file() and not sidecar.is_symlink()
        events = parse(_content(sidecar)) if usable else ()
        return _assembled(call_id, events, clips, sidecar if usable else None)

    def _untouched(self, paths: Iterable[Path], now: datetime, min_age_s: float) -> bool:
        latest = now.timestamp() - min_age_s
        try:
            return all(path.lstat().st_mtime <= latest for path in paths)
        except FileNotFoundError:  # filed or finished between the listing and this look
            return False

    # ------------------------------------------------------------ clearing

    def remove(self, call: SpooledCall) -> None:
        """Take a filed call out of the spool: clips first, the sidecar last.

        A crash in between leaves a sidecar, which is filed again: harmless, because filing is
        idempotent by the call's id. Files that are gone already are no error.
        """
        for clip in call.clips:
            self.verify(clip.path).unlink(missing_ok=True)
        self.sidecar_path(call.call_id).unlink(missing_ok=True)

    def quarantine(self, path: Path, reason: str) -> Path:
        """Move a bad file aside, with ``<name>.reason`` beside it; returns its new place.

        Nothing in quarantine is ever overwritten, and nothing is deleted. A link is moved as a
        link, never followed. On a full disk the file is moved without its reason.
        """
        target = _free(self.quarantine_folder / path.name)
        with suppress(OSError):
            target.with_name(target.name + ".reason").write_text(reason + "\n", encoding="utf-8")
        shutil.move(path, target)
        return target


def _line(at: float, key: str, value: str) -> bytes:
    return f"{at:.3f} {key}={quote(value[:_MOST_VALUE], safe='')}\n".encode()


def _stray(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return "a link" if path.is_symlink() else "no ordinary file"
    named = _CALL.fullmatch(path.name) or _CLIP.fullmatch(path.name)
    return "" if named else "no name of a call's file"


def _free(path: Path) -> Path:
    candidate, count = path, 1
    while os.path.lexists(candidate):
        candidate, count = path.with_name(f"{path.name}.{count}"), count + 1
    return candidate


def _content(sidecar: Path) -> bytes:
    try:
        file = os.open(sidecar, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(file, "rb") as stream:
        return stream.read(_MOST_BYTES)


def parse(content: bytes) -> tuple[SpoolEvent, ...]:
    """The readable lines of a sidecar. A line without its end is one still being written.

    Where a full disk has cut a line short, the next one that could be written follows it at once.
    """
    complete = content[: content.rfind(b"\n") + 1]
    return tuple(event for line in complete.split(b"\n") if (event := _event(line)))


def _event(line: bytes) -> SpoolEvent | None:
    text = line.decode("utf-8", errors="replace")
    if whole := _AFTER_A_CUT.search(text):
        text = whole[0]
    stamp, _, rest = text.partition(" ")
    key, equals, value = rest.partition("=")
    if not (equals and _KEY.fullmatch(key) and re.fullmatch(r"[0-9]{1,11}(\.[0-9]{1,9})?", stamp)):
        return None
    if float(stamp) > _LATEST:
        return None
    decoded = unquote(value[: 3 * _MOST_VALUE], errors="replace")[:_MOST_VALUE]
    return SpoolEvent(datetime.fromtimestamp(float(stamp), UTC), key, decoded.strip())


def _assembled(
    call_id: str,
    events: tuple[SpoolEvent, ...],
    clips: list[SpooledClip],
    sidecar: Path | None,
) -> SpooledCall:
    first: dict[str, SpoolEvent] = {}
    last: dict[str, SpoolEvent] = {}
    for event in events:
        first.setdefault(event.key, event)
        last[event.key] = event
    node, epoch = call_id.rsplit("-", 1)
    started = first.get("started") or (events[0] if events else None)

    def value(key: str) -> str:
        return last[key].value if key in last else ""

    def at(key: str) -> datetime | None:
        return first[key].at if key in first else None

    return SpooledCall(
        call_id=call_id,
        node=value("started") or node,
        started_at=started.at if started else _epoch(epoch, clips),
        ended_at=at("ended"),
        hangup_cause=value("ended"),
        caller_raw=value("caller"),
        called=value("called"),
        number=value("number") if is_valid(value("number")) else None,
        consent_at=at("consent"),
        consent_version=first["consent"].value if "consent" in first else "",
        clips=tuple(sorted(clips, key=lambda clip: (clip.kind, clip.take))),
        kept=value("kept"),
        mode=value("mode"),
        review=value("review"),
        number_heard_at=at("number_heard"),
        events=events,
        sidecar=sidecar,
    )


def _epoch(text: str, clips: list[SpooledClip]) -> datetime:
    """When a call without a readable sidecar began: its id says so, else its oldest clip."""
    seconds = float(text.partition(".")[0])
    if not 0 < seconds < _LATEST:
        seconds = min((_changed_at(clip.path) for clip in clips), default=0.0)
    return datetime.fromtimestamp(seconds, UTC)


def _changed_at(path: Path) -> float:
    """When a file was last written, epoch seconds; 0 for nonsense, or if it is gone by now."""
    try:
        seconds = path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0
    return seconds if 0 < seconds < _LATEST else 0.0
