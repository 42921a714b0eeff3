"""One `up` per state folder, and ports that are free before anything is started."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CLEANED_WITHIN = 8.0  # the sentinel of a killed run is done by then


class AlreadyRunning(RuntimeError):
    """Another `up` owns this state folder; the message says which process."""


class InstanceLock:
    """Held from start to stop. The kernel gives it back however the holder ends.

    The sentinel inherits the descriptor: after a kill -9 the lock stays taken until the last
    process of the killed run is gone, and the next start waits for that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.descriptor = -1

    def take(self) -> None:
        """Raises AlreadyRunning when a living process has it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _CLEANED_WITHIN
        while not self._try():
            holder = self._holder()
            if _alive(holder) or time.monotonic() > deadline:
                self._close()
                raise AlreadyRunning(
                    f"{self._path.parent}: `aduan24 up` is running here already"
                    f"{f' (process {holder})' if holder else ''}; stop it, or set another "
                    "storage.state"
                )
            time.sleep(0.05)
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int:
        text = os.pread(self.descriptor, 20, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0

    def _close(self) -> None:
        os.close(self.descriptor)
        self.descriptor = -1


def _alive(pid: int) -> bool:
    if not pid:
        return True  # it has the lock and is about to write its number
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    """A killed process whose own parent has not looked yet is not running any more."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]


@dataclass(frozen=True)
class Port:
    """A port that something is about to listen on, with the key that names it."""

    key: str
    address: str
    number: int
    kind: Literal["tcp", "udp"] = "tcp"


def taken_ports(ports: Iterable[Port]) -> list[str]:
    """One line per port that cannot be listened on, each with its key and the remedy."""
    return [mistake for port in ports if (mistake := _mistake(port))]


def _mistake(port: Port) -> str | None:
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    kind = socket.SOCK_STREAM if port.kind == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        if port.kind == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.number))
        except OSError as error:
            return (
                f"{port.key}: {port.kind} port {port.number} on {port.address} cannot be used "
                f"({error.strerror}); stop the program that has it, or set another {port.key}"
            )
    return None
