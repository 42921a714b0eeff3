"""The exchange's own record of calls on disk (CEL), read line by line and never trusted.

Asterisk appends one line for each event of a channel (dialplans/cel_custom.conf.j2) and opens the
file anew for each, so that it can be renamed at any moment. A file is known by its first line,
whatever it is called: a position in it stays right when it is put aside. Nothing here remembers
anything, and nothing but `put_aside` and `forget` changes anything.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

NAME = "calls.csv"
_ASIDE = re.compile(r"calls-[0-9]{8}T[0-9]{6}(\.[0-9]{1,3})?\.csv", re.ASCII)
_EVENTS = ("CHAN_START", "ANSWER", "HANGUP", "CHAN_END")
_ID = rb"[A-Za-z0-9._-]{1,80}"
_LINE = re.compile(
    rb'"(%b)","([0-9]{1,10})\.([0-9]{6})","(%b)","(%b)","([A-Za-z0-9_-]{0,80})",'
    rb'"((?:[^"\r\n\0]|""){0,1000})"' % ("|".join(_EVENTS).encode(), _ID, _ID)
)
_CAUSE = re.compile(rb'""hangupcause"":([0-9]{1,3})[,}]')
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
_MOST_LINE = 4096  # a line is some 150 bytes long
_MOST_CHUNK = 512 * 1024


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """One line. `kind` is one of CHAN_START, ANSWER, HANGUP, CHAN_END; `at` is aware UTC.

    `channel_id` is the channel's own id and `linked_id` that of the channel it belongs to: they
    are equal for whoever called. `cause` (Q.850) is there in HANGUP alone, empty elsewhere.
    """

    kind: str
    at: datetime
    channel_id: str
    linked_id: str
    context: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of one file, from byte `start` to byte `end`; `file` names it for good.

    `unreadable` counts what is no line of ours: bytes that a crash or a power failure left.
    """

    file: str
    start: int
    end: int
    events: tuple[ChannelEvent, ...]
    unreadable: int = 0


@dataclass(frozen=True)
class Record:
    """The folder that Asterisk writes into."""

    folder: Path

    def chunks(self, position: Callable[[str], int]) -> Iterator[Chunk]:
        """What lies behind `position(file)`, the oldest file first. Raises OSError.

        A last line without its end is one that is still being written.
        """
        for path in self._files():
            with _opened(path) as file:
                yield from _chunks(file, position)

    def put_aside(self, now: datetime, larger_than: int) -> Path | None:
        """Rename the present file if it has more bytes; Asterisk begins another. The new path."""
        present = self.folder / NAME
        if present.is_symlink() or not present.is_file() or present.stat().st_size <= larger_than:
            return None
        stem, count = f"calls-{now:%Y%m%dT%H%M%S}", 0
        while (target := self.folder / f"{stem}{f'.{count}' if count else ''}.csv").exists():
            count += 1
        return present.rename(target)

    def forget(self, before: datetime) -> int:
        """Delete what was put aside and not written to since `before`; how many files."""
        old = [
            path
            for path in self._files()
            if path.name != NAME and path.stat().st_mtime < before.timestamp()
        ]
        for path in old:
            path.unlink()
        return len(old)

    def _files(self) -> list[Path]:
        """The files in the order in which they were begun; the present one comes last."""
        try:
            paths = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return []
        ours = [path for path in paths if _ASIDE.fullmatch(path.name) or path.name == NAME]
        ordinary = [path for path in ours if path.is_file() and not path.is_symlink()]
        return sorted(ordinary, key=lambda path: path.name == NAME)


class _File:
    """An open file of the record."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)

    def at(self, position: int, most: int) -> bytes:
        return os.pread(self.handle, most, position)

    @property
    def name(self) -> str:
        """What the file is known by, however it is called; empty until its first line is whole."""
        head = self.at(0, _MOST_LINE)
        end = head.find(b"\n") + 1 or (len(head) if len(head) == _MOST_LINE else 0)
        return hashlib.sha256(head[:end]).hexdigest()[:32] if end else ""

    @property
    def size(self) -> int:
        return os.fstat(self.handle).st_size


def _opened(path: Path) -> _File:
    return _File(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK))


def _chunks(file: _File, position: Callable[[str], int]) -> Iterator[Chunk]:
    if not (name := file.name):
        return
    start = position(name)
    if start > file.size:  # another file of the same beginning, or a shorter copy: once more
        start = 0
    while True:
        data = file.at(start, _MOST_CHUNK)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(data) == _MOST_CHUNK:  # no line is so long
            whole = data
        if not whole:
            return
        found = [_event(line) for line in whole.split(b"\n") if line]
        events = tuple(event for event, _ in found if event)
        damaged = sum(damaged for _, damaged in found)
        yield Chunk(name, start, start + len(whole), events, damaged)
        start += len(whole)


def _event(line: bytes) -> tuple[ChannelEvent | None, bool]:
    """The event in a line, and whether there is something else in it.

    Half a line without its end is followed by the next one: that one is whole.
    """
    tail = line[-_MOST_LINE:]
    match = _LINE.fullmatch(tail) or next(
        (found for at in _begins(tail) if (found := _LINE.fullmatch(tail, at))), None
    )
    if match is None or int(match[2]) > _LATEST:
        return None, True
    kind, seconds, micros, channel, linked, context, extra = match.groups()
    cause = _CAUSE.search(extra) if kind == b"HANGUP" else None
    event = ChannelEvent(
        kind=kind.decode(),
        at=datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(micros)),
        channel_id=channel.decode(),
        linked_id=linked.decode(),
        context=context.decode(),
        cause=cause[1].decode() if cause else "",
    )
    return event, len(match[0]) < len(line)


def _begins(line: bytes) -> Iterator[int]:
    """Where an event may begin in a damaged line."""
    return (found.start() for found in re.finditer(rb'"(?:%b)"' % "|".join(_EVENTS).encode(), line))
