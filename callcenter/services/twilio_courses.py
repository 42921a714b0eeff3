"""The course of each call that goes on at Twilio: a file, one line for whatever a request told.

Lines are only added, by whoever has the file to themselves: of two requests at once one waits and
then sees what the other has told. The machine has a line before the request is answered, so the
death of a process takes nothing back; what is marked as lasting, and all before it, is on the disk
by then, whatever happens to the machine. The file ends with its call: `twilio_recordings` puts
the call into the spool and writes its row.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path
from typing import Any

from ivr.walking import Standing

CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
_SUFFIX = ".course"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_BYTES = 4 * 1024 * 1024  # a long call has some kB
_REMEMBERED = 512  # calls; another one is read

#: An event ({"at": epoch seconds, "event": its kind, ...}, `ivr.walking.plain`), one that stands
#: for an earlier one ({"instead": its place, "at": ...}), or {"ended": epoch seconds, "cause": ""}.
Line = dict[str, Any]


@dataclass
class Course:
    """What has happened in one call. `begun` are the values of `ivr.flow.Started`.

    `standing` is where the call stands after all its events, if somebody has looked.
    """

    call_sid: str
    call_uid: str
    caller: str
    called: str
    begun: dict[str, Any]
    public_number: str | None
    started_at: datetime
    mode: str = "app"
    events: list[Line] = field(default_factory=list)
    ended_at: datetime | None = None
    cause: str = ""
    standing: Standing | None = field(default=None, repr=False)
    lasts: bool = field(default=False, repr=False)  # its folder is known to name it


class Turn:
    """The time in which a call's file is ours alone; `course` is None for a call not begun."""

    def __init__(self, file: int, folder: Path) -> None:
        self._file, self._folder = file, folder
        self.size, self.course = 0, None  # type: int, Course | None

    def begin(self, course: Course) -> None:
        """The call's first line. Raises OSError."""
        kept = {name: getattr(course, name) for name in _BEGINNING}
        self._write([{**kept, "started_at": course.started_at.timestamp()}])
        self.course = course

    def add(self, lines: Sequence[Line], *, lasting: bool) -> None:
        """More lines; on the disk when this returns, if they have to last. Raises OSError."""
        course = self.course
        if course is None:
            raise LookupError("a call that has not begun")
        self._write(lines)
        if lasting:
            os.fdatasync(self._file)
            if not course.lasts:
                _sync(self._folder)
            course.lasts = True
        for line in lines:
            _take(course, line)

    def forget(self) -> None:
        """The call is in the spool, and its row is written: its file goes."""
        self.course = None

    def _write(self, lines: Sequence[Line]) -> None:
        data = b"".join(_ENCODE(line).encode() + b"\n" for line in lines)
        if os.write(self._file, data) != len(data):
            os.ftruncate(self._file, self.size)
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self.size += len(data)


_BEGINNING = ("call_sid", "call_uid", "caller", "called", "begun", "public_number", "mode")
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


class Courses:
    """The files of `folder`. What was read or written last is remembered for as long as nobody
    else writes to the file: a call's next request finds it where the last one left it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recent: OrderedDict[str, tuple[int, int, Course]] = OrderedDict()

    @contextmanager
    def turn(self, call_sid: str, *, new: bool = False) -> Iterator[Turn | None]:
        """A call's file, ours alone until the end of the block; None where there is none.

        With `new` it is made; one in which nobody has begun a call goes again. Raises OSError.
        """
        file = self._opened(call_sid, new)
        if file is None:
            yield None
            return
        try:
            turn = Turn(file, self.folder)
            self._recall(call_sid, turn, file)
            yield turn
            if turn.course is None:
                self._path(call_sid).unlink()
            else:
                self._remember(call_sid, turn.size, file, turn.course)
        finally:
            os.close(file)

    def read(self, call_sid: str) -> Course | None:
        """A call's course as it is now."""
        with self.turn(call_sid) as turn:
            return turn.course if turn else None

    def call_sids(self) -> list[str]:
        """The calls that have a file."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.folder))
        except FileNotFoundError:
            return []
        sids = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
        return [sid for sid in sids if CALL_SID.fullmatch(sid)]

    # ------------------------------------------------------------ files

    def _path(self, call_sid: str) -> Path:
        if not CALL_SID.fullmatch(call_sid):
            raise ValueError("no call's id")
        return self.folder / f"{call_sid}{_SUFFIX}"

    def _opened(self, call_sid: str, new: bool) -> int | None:
        """The file, locked; once more if it went while we waited for it."""
        path, flags = self._path(call_sid), _FLAGS | (os.O_CREAT if new else 0)
        while True:
            try:
                file = os.open(path, flags, 0o600)
            except FileNotFoundError:
                if not new:
                    return None
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file).st_nlink:
                    return file
            except OSError:
                os.close(file)
                raise
            os.close(file)

    def _recall(self, call_sid: str, turn: Turn, file: int) -> None:
        """What the file holds; what a death or a full disk left half written is cut off."""
        stat = os.fstat(file)
        inode, size, course = self._recent.pop(call_sid, (0, 0, None))
        if course is not None and (inode, size) == (stat.st_ino, stat.st_size):
            turn.size, turn.course = size, course
            return
        content = os.pread(file, _MOST_BYTES, 0)
        turn.size, turn.course = _read(content)
        if turn.size < stat.st_size:
            os.ftruncate(file, turn.size)

    def _remember(self, call_sid: str, size: int, file: int, course: Course) -> None:
        self._recent[call_sid] = os.fstat(file).st_ino, size, course
        while len(self._recent) > _REMEMBERED:
            try:
                self._recent.popitem(last=False)
            except KeyError:  # another thread was here
                break


def _read(content: bytes) -> tuple[int, Course | None]:
    """The whole lines of a file: how many bytes they are, and what they say."""
    size, course = 0, None
    for line in content.splitlines(keepends=True):
        try:
            said: Line = json.loads(line) if line.endswith(b"\n") else {}
            if course is None:
                course = _begun(said)
            else:
                _take(course, said)
        except (ValueError, KeyError, TypeError, IndexError):
            break
        size += len(line)
    return size, course


def _begun(said: Line) -> Course:
    kept = {name: said[name] for name in _BEGINNING}
    return Course(**kept, started_at=datetime.fromtimestamp(said["started_at"], UTC))


def _take(course: Course, line: Line) -> None:
    """What a line says, said of its call."""
    if "ended" in line:
        course.ended_at, course.cause = datetime.fromtimestamp(line["ended"], UTC), line["cause"]
        return
    if "instead" in line:
        kept = {key: value for key, value in line.items() if key != "instead"}
        course.events[line["instead"]] = kept
    else:
        course.events.append({"event": line["event"], **line})
    course.standing = None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
