"""Runs everything under one parent, in the foreground: starts, restarts and stops the parts.

One thread, one selector. A part that ends is started again after a pause that doubles from
a second to ten; SIGINT, SIGTERM and SIGHUP stop the parts wave by wave. If this process
itself is killed, the sentinel (and on Linux the children's parent-death signal) ends them.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import cast

from callcenter import sentinel
from callcenter.processes import Lines, LogFile, Sentinel, start

FIRST_PAUSE = 1.0  # a call id is a second and a count: two exchanges must not share a second
LONGEST_PAUSE = 10.0
STEADY_AFTER = 30.0  # a part that ran this long begins with the first pause again
STOP_WITHIN = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _always() -> bool:
    return True


def _nothing(_line: str) -> str | None:
    return None


@dataclass(frozen=True)
class Part:
    """One process to keep running. Times in seconds.

    `ready` is asked until it says yes; it must answer within a fraction of a second. `after`
    names parts that must be ready first. Parts of a lower `wave` are stopped first; `farewell`
    is a command that asks the part to end (else SIGTERM does), `patience` how long it may take.
    `shows` picks, and may reword, the lines of its output that belong on the terminal.
    A part that runs `once` is not started again, and nobody waits for it.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool] = _always
    after: tuple[str, ...] = ()
    wave: int = 0
    farewell: tuple[str, ...] = ()
    patience: float = 3.0
    ready_within: float = 20.0
    once: bool = False
    shows: Callable[[str], str | None] = _nothing
    variables: Mapping[str, str] = field(default_factory=dict)


class _Child:
    """A part and its present process, if it has one."""

    def __init__(self, part: Part, log: LogFile) -> None:
        self.part, self.log = part, log
        self.process: subprocess.Popen[bytes] | None = None
        self.lines: Lines | None = None
        self.ready = False
        self.late_told = False
        self.started_at = 0.0
        self.start_at: float | None = 0.0
        self.failures = 0
        self.last_line = ""

    @property
    def session(self) -> int | None:
        return self.process.pid if self.process else None

    def pause(self, now: float) -> float:
        """How long to wait before the next start; counts the failure."""
        if now - self.started_at >= STEADY_AFTER:
            self.failures = 0
        self.failures += 1
        return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.failures - 1)))


class Supervisor:
    """Keeps `parts` running until it is told to stop. Use it in the main thread.

    `tell(name, text)` shows a line; `on_ready(self)` is called once, when every part is ready.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        folder: Path,
        logs: Path,
        tell: Callable[[str, str], None],
        on_ready: Callable[[Supervisor], None] = lambda _: None,
        locked: int | None = None,
    ) -> None:
        self._folder, self._logs, self._tell, self._on_ready = folder, logs, tell, on_ready
        self._selector = selectors.DefaultSelector()
        self._sentinel = Sentinel(locked)
        self._stopping = False
        self._hurried = False
        self._announced = False
        self._children: dict[str, _Child] = {}
        for part in parts:
            self.add(part)

    def add(self, part: Part) -> None:
        """Another part; it is started at the next turn."""
        self._children[part.name] = _Child(part, LogFile(self._logs / f"{part.name}.log"))

    def run(self) -> None:
        """Until a signal says stop; then stops all parts, and returns when none is left."""
        with self._signals():
            try:
                while not self._stopping:
                    self._turn()
            finally:
                self._stop()

    # ------------------------------------------------------------ signals

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals wake the selector; the handlers only set a flag."""
        ours, pythons = socket.socketpair()
        ours.setblocking(False)
        pythons.setblocking(False)
        self._selector.register(ours, selectors.EVENT_READ, None)
        earlier = {n: signal.signal(n, self._asked_to_stop) for n in _SIGNALS}
        earlier[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        descriptor = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in earlier.items():
                signal.signal(number, handler)
            self._selector.close()
            ours.close()
            pythons.close()

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._hurried = self._stopping
        self._stopping = True

    # ------------------------------------------------------------ running

    def _turn(self) -> None:
        now = time.monotonic()
        for child in list(self._children.values()):
            self._look_after(child, now)
        if not self._announced and self._all_ready():
            self._announced = True
            self._on_ready(self)
        self._listen(0.05 if self._busy() else 0.5)

    def _look_after(self, child: _Child, now: float) -> None:
        if child.process is None:
            if child.start_at is not None and now >= child.start_at and self._may_start(child):
                self._start(child, now)
        elif child.process.poll() is not None:
            self._ended(child, now)
        elif not child.ready:
            self._look_if_ready(child, now)

    def _may_start(self, child: _Child) -> bool:
        return all(self._children[name].ready for name in child.part.after)

    def _start(self, child: _Child, now: float) -> None:
        part = child.part
        child.started_at, child.late_told, child.last_line = now, False, ""
        try:
            process = start(part.command, folder=self._folder, variables=part.variables)
        except OSError as error:
            child.start_at = now + child.pause(now)
            self._tell(part.name, f"cannot be started: {error.strerror}: {part.command[0]}")
            return
        child.process, child.start_at = process, None
        self._sentinel.born(process.pid)
        if process.stdout is not None:
            child.lines = Lines(process.stdout)  # type: ignore[arg-type]
            self._selector.register(process.stdout, selectors.EVENT_READ, child)

    def _look_if_ready(self, child: _Child, now: float) -> None:
        if child.part.ready():
            child.ready = True
            if child.failures:
                self._tell(child.part.name, "runs again")
        elif not child.late_told and now - child.started_at > child.part.ready_within:
            child.late_told = True
            where = self._logs / f"{child.part.name}.log"
            self._tell(child.part.name, f"does not answer yet; look into {where}")

    def _ended(self, child: _Child, now: float) -> None:
        code = self._bury(child)
        if child.part.once:
            child.ready = True
            return
        pause = child.pause(now)
        child.start_at = now + pause
        reason = f": {child.last_line}" if child.last_line else ""
        self._tell(child.part.name, f"ended ({_how(code)}); again in {pause:g} s{reason}")

    def _bury(self, child: _Child) -> int:
        """The rest of its output, and nobody of its session left; the exit code."""
        process = cast("subprocess.Popen[bytes]", child.process)
        sentinel.send([process.pid], signal.SIGKILL)
        code = process.wait()
        self._read(child)
        if process.stdout is not None:
            self._forget_pipe(child)
            process.stdout.close()
        self._sentinel.buried(process.pid)
        child.process, child.lines, child.ready = None, None, False
        return code

    def _all_ready(self) -> bool:
        return all(c.ready or c.part.once for c in self._children.values())

    def _busy(self) -> bool:
        """Whether somebody is expected to be ready, or to be started, soon."""
        return not all(c.ready or c.part.once for c in self._children.values())

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    cast(socket.socket, key.fileobj).recv(4096)
            else:
                self._read(key.data)

    def _read(self, child: _Child) -> None:
        for line in child.lines.read() if child.lines else ():
            child.log.write(line)
            child.last_line = line.strip() or child.last_line
            if shown := child.part.shows(line):
                self._tell(child.part.name, shown)
        if child.lines and child.lines.ended:
            self._forget_pipe(child)

    def _forget_pipe(self, child: _Child) -> None:
        """A closed pipe is always readable: listening on would never rest."""
        pipe = child.process.stdout if child.process else None
        if pipe is not None and pipe in self._selector.get_map():
            self._selector.unregister(pipe)
        child.lines = None

    # ------------------------------------------------------------ stopping

    def _stop(self) -> None:
        """Wave by wave; who is not gone in time is killed."""
        self._stopping = True
        deadline = time.monotonic() + STOP_WITHIN
        for wave in sorted({c.part.wave for c in self._children.values()}):
            children = [c for c in self._children.values() if c.part.wave == wave and c.process]
            self._stop_wave(children, deadline)
        for child in self._children.values():
            child.log.close()
        self._sentinel.close()

    def _stop_wave(self, children: list[_Child], deadline: float) -> None:
        patience = max((c.part.patience for c in children), default=0.0)
        until = min(deadline, time.monotonic() + patience)
        for child in children:
            self._ask_to_end(child)
        while any(c.process for c in children):
            for child in children:
                if child.process and child.process.poll() is not None:
                    self._bury(child)
            if self._hurried or time.monotonic() > until:
                sentinel.send([c.session for c in children if c.session], signal.SIGKILL)
            self._listen(0.02)

    def _ask_to_end(self, child: _Child) -> None:
        if child.part.farewell:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                done = subprocess.run(
                    child.part.farewell,
                    check=False,
                    cwd=self._folder,
                    capture_output=True,
                    timeout=2,
                )
                if done.returncode == 0:
                    return
        if child.process:
            child.process.terminate()


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


__all__ = ["Part", "Supervisor"]
