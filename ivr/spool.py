"""Audio on disk first: a call's clips and its sidecar, before anything needs the database.

Everything in this folder is hostile until validated: names are matched, paths resolved and then
verified, symbolic links refused. What a sidecar says: `ivr.sidecar`.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from errno import ELOOP, ENOSPC
from pathlib import Path

from ivr.sidecar import (
    CALL_ID,
    ENDED,
    KEY,
    SpooledCall,
    SpooledClip,
    SpoolEvent,
    assembled,
    content_of,
    is_call_id,
    line,
    parse,
)

__all__ = [
    "KINDS",
    "Look",
    "NotInSpool",
    "Spool",
    "SpoolEvent",
    "SpooledCall",
    "SpooledClip",
    "is_call_id",
    "parse",
]

KINDS = ("complaint", "name", "village", "talk", "report", "reason")
FALLBACK_TAKE = 9
_CALL = re.compile(rf"({CALL_ID})\.call", re.ASCII)
_CLIP = re.compile(rf"({CALL_ID})_({'|'.join(KINDS)})-([1-9][0-9]{{0,2}})\.wav", re.ASCII)
_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW


class NotInSpool(ValueError):
    """A name or path that does not belong in the spool; the message names it."""


@dataclass(frozen=True)
class Look:
    """The names in a spool at one moment; what they say is read when it is asked for.

    `sidecars` are call ids; `others` are names of what is no call's file.
    """

    folder: Path
    sidecars: tuple[str, ...]
    clips: Mapping[str, list[SpooledClip]]
    others: tuple[str, ...]
    unended: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False)

    def has_ended(self, call_id: str) -> bool:
        """Whether the sidecar says so. One that has not grown since it did not is not read again:
        hundreds of calls go on while one ends."""
        sidecar = self._sidecar(call_id)
        try:
            stat = os.lstat(sidecar)
        except OSError:
            return False
        as_it_is = stat.st_ino, stat.st_size
        if self.unended.get(call_id) == as_it_is:
            return False
        if ENDED in (content_of(sidecar) or b""):
            return True
        self.unended[call_id] = as_it_is
        return False

    def read(self, call_id: str) -> SpooledCall:
        """A call, whatever state its sidecar is in."""
        sidecar = self._sidecar(call_id)
        content = content_of(sidecar)
        known = None if content is None else sidecar
        return assembled(call_id, parse(content or b""), self.clips.get(call_id, []), known)

    def _sidecar(self, call_id: str) -> Path:
        return self.folder / f"{call_id}.call"


@dataclass(frozen=True)
class Spool:
    """The spool folder and, beside it, the quarantine."""

    folder: Path
    quarantine_folder: Path
    _unended: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)

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
        folder, name = self.folder.resolve(), path.name
        beside = path.parent in (folder, self.folder) or path.parent.resolve() == folder
        if path.is_symlink() or not beside or name in ("", ".", ".."):
            raise NotInSpool(f"{name!r} is a link or leads out of the spool")
        return folder / name

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
        if not KEY.fullmatch(key):
            raise NotInSpool(f"{key!r} is no key of a sidecar")
        if not is_call_id(call_id):
            raise NotInSpool(f"{call_id!r} is no call id")
        written = line(time.time(), key, value)
        try:
            file = os.open(f"{self.folder}/{call_id}.call", _APPENDING)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno == ELOOP:
                raise NotInSpool(f"{call_id}.call is a link") from None
            raise
        try:
            if os.write(file, written) != len(written):
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
        content = b"".join(line(at, key, value) for at, key, value in lines)
        with draft.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.chmod(0o640)
        draft.replace(self.sidecar_path(call_id))

    # ------------------------------------------------------------ reading

    def look(self, only: Collection[str] | None = None) -> Look:
        """What lies in the spool now, by name alone: cheap, whatever many calls there are.

        `only`: what belongs to these calls, by their ids.
        """
        folder = self.folder.resolve()
        sidecars, others = [], []
        clips: dict[str, list[SpooledClip]] = {}
        with os.scandir(folder) as found:
            for entry in found:
                if only is not None and _call_of(entry.name) not in only:
                    continue
                ours = entry.is_file(follow_symlinks=False)
                if ours and (match := _CALL.fullmatch(entry.name)):
                    sidecars.append(match[1])
                elif ours and (match := _CLIP.fullmatch(entry.name)):
                    clip = SpooledClip(match[2], int(match[3]), folder / entry.name)
                    clips.setdefault(match[1], []).append(clip)
                else:
                    others.append(entry.name)
        if only is None:
            for gone in self._unended.keys() - set(sidecars):
                self._unended.pop(gone, None)
        return Look(folder, tuple(sorted(sidecars)), clips, tuple(sorted(others)), self._unended)

    def call_ids(self) -> list[str]:
        """The calls that have a sidecar, in the order of their names."""
        return list(self.look().sidecars)

    def holds(self, call_id: str) -> bool:
        """Whether anything of this call lies here."""
        return self.sidecar_path(call_id).exists() or call_id in self.look().clips

    def read(self, call_id: str) -> SpooledCall:
        """A call, whatever state its sidecar is in. Raises NotInSpool for a wrong call id."""
        if not is_call_id(call_id):
            raise NotInSpool(f"{call_id!r} is no call id")
        return self.look().read(call_id)

    def ready(self, look: Look | None = None) -> list[SpooledCall]:
        """The calls whose sidecar says that they ended."""
        look = look or self.look()
        ended = (call_id for call_id in look.sidecars if look.has_ended(call_id))
        return [call for call in map(look.read, ended) if call.ended_at]

    def orphans(
        self,
        now: datetime,
        live: Collection[str] | None,
        max_age_s: float,
        node: str = "",
        look: Look | None = None,
    ) -> list[SpooledCall]:
        """The calls that will never say that they ended.

        `live` are the ids of the channels that exist (None: nobody knows, so only age counts);
        a call that started less than 5 s ago may have its channel still to come. With `node`
        they are that node's channels, and other calls (the test phone's) have only their age.
        """
        look = look or self.look()
        young, old = now - timedelta(seconds=5), timedelta(seconds=max_age_s)

        def told_gone(call_id: str) -> bool:
            told = live is not None and (not node or call_id.startswith(f"{node}-"))
            return told and call_id not in (live or ())

        def lost(call: SpooledCall) -> bool:
            if call.ended_at or call.sidecar is None:  # filed since the look
                return False
            gone = told_gone(call.call_id) and call.started_at < young
            return gone or abs(now - call.started_at) > old  # the future: the clock was wrong

        doubtful = (
            call_id
            for call_id in look.sidecars
            if told_gone(call_id) or not _began_within(call_id, now, max_age_s / 2)
        )
        return [call for call in map(look.read, doubtful) if lost(call)]

    def adoptable(
        self, now: datetime, min_age_s: float = 60, look: Look | None = None
    ) -> list[SpooledCall]:
        """Calls that are audio alone: no sidecar, and untouched for `min_age_s` seconds."""
        look = look or self.look()
        known = set(look.sidecars)
        return [
            look.read(call_id)
            for call_id, clips in sorted(look.clips.items())
            if call_id not in known and self._untouched([c.path for c in clips], now, min_age_s)
        ]

    def strays(
        self, now: datetime, min_age_s: float = 60, look: Look | None = None
    ) -> list[tuple[Path, str]]:
        """What lies in the spool and is no call's file, untouched for a while, and why."""
        paths = (self.folder / name for name in (look or self.look()).others)
        return [
            (path, why)
            for path in paths
            if (why := _stray(path)) and self._untouched([path], now, min_age_s)
        ]

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


def _call_of(name: str) -> str:
    """The call that a name would belong to."""
    return name.removesuffix(".call").partition("_")[0]


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


def _began_within(call_id: str, now: datetime, seconds: float) -> bool:
    """Whether the id of a call says that it is young. A clock that was wrong says no."""
    return abs(now.timestamp() - int(call_id.rsplit("-", 1)[1].partition(".")[0])) < seconds
