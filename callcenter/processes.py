"""Child processes of the supervisor: started in sessions of their own, logged, ended whole."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from callcenter import sentinel

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_LONGEST_LINE = 4000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def start(
    command: Sequence[str], *, folder: Path, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own; output and errors come through one pipe.

    Call it from the thread that lives as long as the program: on Linux the child is told to
    end when that thread does. Raises OSError when the program cannot be started.
    """
    child = subprocess.Popen(
        list(command),
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_follow_parent(os.getpid()),  # noqa: PLW1509 (there is one thread)
    )
    if child.stdout is not None:
        os.set_blocking(child.stdout.fileno(), False)
    return child


def _follow_parent(parent: int) -> Callable[[], None]:
    def ask() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    return ask


class Sentinel:
    """The process that cleans up if this one is killed; holds `locked` until it has."""

    def __init__(self, locked: int | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", sentinel.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if locked is None else (locked,),
        )

    def born(self, session: int) -> None:
        """A child with this session was started."""
        self._say(f"+{session}")

    def buried(self, session: int) -> None:
        """Nobody of this session is left."""
        self._say(f"-{session}")

    def close(self) -> None:
        """All is in order; the sentinel may go."""
        self._say("bye")
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=5)

    def _say(self, word: str) -> None:
        try:
            if self._process.stdin:
                self._process.stdin.write(word.encode() + b"\n")
                self._process.stdin.flush()
        except BrokenPipeError:
            return  # somebody ended it; children still follow their parent by themselves


class Lines:
    """Whole lines out of a pipe that gives bytes as they come."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._rest = b""
        self.ended = False

    def read(self) -> Iterator[str]:
        """The lines that are complete now; at the end of the pipe also the last, unfinished one.

        Control characters are made visible: what is shown may come from a caller.
        """
        while (chunk := self._chunk()) is not None:
            self._rest += chunk
            if not chunk or len(self._rest) > _LONGEST_LINE:
                self._rest += b"\n" if self._rest else b""
            *whole, self._rest = self._rest.split(b"\n")
            yield from (_printable(line) for line in whole)
            if not chunk:
                self.ended = True
                return

    def _chunk(self) -> bytes | None:
        try:
            return os.read(self._pipe.fileno(), 65536)
        except BlockingIOError:
            return None


def _printable(line: bytes) -> str:
    text = _COLOUR.sub("", line.rstrip(b"\r").decode(errors="replace")).replace("\t", "    ")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class LogFile:
    """A log that keeps itself small: when it is full it becomes `.1`, that becomes `.2`, ..."""

    def __init__(self, path: Path, *, most_bytes: int = 5_000_000, kept: int = 3) -> None:
        self._path, self._most, self._kept = path, most_bytes, kept
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._opened()

    def write(self, line: str) -> None:
        """Append one line."""
        if self._file.tell() > self._most:
            self._rotate()
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """No more lines."""
        self._file.close()

    def _opened(self) -> BinaryIO:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "ab")

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept - 1, -1, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._file = self._opened()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
