"""Ends what a killed supervisor left behind. Standard library only; runs as its own process.

The supervisor starts it with a pipe on standard input and tells it `+<session>` and
`-<session>` for every child it starts and buries. When the pipe closes without `bye`, the
supervisor is gone (kill -9, out of memory): every process of those sessions is asked to end,
and made to end a few seconds later. A session id is the process id of its first process, so
grandchildren are found too (a forked job, a web worker), whatever process group they chose.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

PATIENCE = 4.0


def members(sessions: Iterable[int]) -> list[int]:
    """Process ids of all living processes in these sessions (Linux; elsewhere the first ones)."""
    wanted = set(sessions)
    proc = Path("/proc")
    if not (proc / "self/stat").exists():
        return [pid for pid in wanted if _alive(pid)]
    return [
        int(entry.name)
        for entry in proc.iterdir()
        if entry.name.isdigit() and _session(entry) in wanted
    ]


def _session(entry: Path) -> int | None:
    """The session of a process; None when it ended meanwhile or only waits to be buried."""
    try:
        fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[3])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def send(sessions: Iterable[int], number: signal.Signals) -> int:
    """Send a signal to every process of these sessions; how many there were."""
    found = members(sessions)
    for pid in found:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    return len(found)


def end(sessions: Iterable[int], patience: float = PATIENCE) -> None:
    """Ask, wait, insist. Returns when nobody of these sessions is left."""
    wanted = set(sessions)
    send(wanted, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while members(wanted):
        if time.monotonic() > deadline:
            send(wanted, signal.SIGKILL)
        time.sleep(0.05)


def watch(lines: Iterable[str]) -> set[int]:
    """The sessions that are still open when the supervisor's words end; none after `bye`."""
    sessions: set[int] = set()
    for line in lines:
        word = line.strip()
        if word == "bye":
            return set()
        if word.startswith("+"):
            sessions.add(int(word[1:]))
        elif word.startswith("-"):
            sessions.discard(int(word[1:]))
    return sessions


def main() -> None:
    """Wait for the end of standard input, then clean up if need be."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = watch(sys.stdin)
    if left:
        end(left)


if __name__ == "__main__":
    main()
