"""Whose turn it is to write into SQLite's file: threads and processes in the order they came.

SQLite lets one write and has the others look again after ever longer pauses, so that whoever has
waited longest is the least likely to be next. Here threads of a process hand the turn on, and of
each process one at most stands at the file. Who is at the door holds it: whoever has just written
cannot slip in again. All of it is courtesy: where it fails or takes too long, the transaction goes
to SQLite itself, which lets only one write anyway.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

LONGEST_S = 30.0  # as SQLite's busy_timeout
_LOOKS_EVERY_S = 0.002
_AT_THE_DOOR_S = 0.0003


class Turns:
    """Turns at one database; `file` is where it lies, None for one in memory."""

    def __init__(self, file: Path | None) -> None:
        self._line = Line()
        self._door = file and file.with_name(f"{file.name}.next")
        self._room = file and file.with_name(f"{file.name}.turn")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, at most LONGEST_S, and have it until the end of the block."""
        deadline = time.monotonic() + LONGEST_S
        with ExitStack() as until_the_end:
            if self._line.enter(LONGEST_S):
                until_the_end.callback(self._line.leave)
                self._pass(deadline, until_the_end)
            yield

    def _pass(self, deadline: float, until_the_end: ExitStack) -> None:
        if self._door is None or self._room is None:
            return
        door = _held(self._door, deadline, _LOOKS_EVERY_S)
        if door is None:
            return
        try:
            room = _held(self._room, deadline, _AT_THE_DOOR_S)
        finally:
            os.close(door)
        if room is not None:
            until_the_end.callback(os.close, room)


def _held(path: Path, deadline: float, every_s: float) -> int | None:
    """A descriptor that holds this file alone, until it is closed; None when it cannot be had."""
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:  # a full disk
        return None
    try:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    break
                time.sleep(every_s)
            else:
                taken, held = held, -1
                return taken
    except OSError:  # a file system without locks
        return None
    finally:
        if held >= 0:
            os.close(held)
    return None


class Line:
    """Threads in the order in which they came."""

    def __init__(self) -> None:
        self._own = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    def enter(self, longest_s: float) -> bool:
        """Wait until it is this thread's turn; False when that took too long."""
        with self._own:
            if not self._taken:
                self._taken = True
                return True
            called = threading.Event()
            self._waiting.append(called)
        if called.wait(longest_s):
            return True
        with self._own:
            if called.is_set():  # just now
                return True
            self._waiting.remove(called)
        return False

    def leave(self) -> None:
        """Hand the turn on to whoever has waited longest."""
        with self._own:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
