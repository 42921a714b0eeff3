"""How long an application takes from a reply to its next command, seen from its own sockets.

The clock starts when the reply arrives in the kernel (SO_TIMESTAMPNS), not when somebody reads
it: an event loop that is busy elsewhere, or a thread that is not let run, counts. Works for
whatever accepts connections with Python's `socket`, so that every subject is watched alike.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from array import array
from collections.abc import Callable
from typing import Any

_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
_ROOM = socket.CMSG_SPACE(_TIMESPEC.size)


class Watch:
    """What was seen on the connections to one port since the last `report`."""

    def __init__(self, port: int) -> None:
        self.turns = array("q")
        self.commands = 0
        self._cpu = time.process_time()
        _accept_watched(port, self)

    def report(self) -> dict[str, float]:
        """CPU seconds, commands, and the turn-around's p50 and p99 in ms; begins anew."""
        turns, cpu = sorted(self.turns), time.process_time()
        told = {
            "cpu_s": cpu - self._cpu,
            "commands": float(self.commands),
            "p50_ms": turns[len(turns) // 2] / 1e6 if turns else 0.0,
            "p99_ms": turns[int(len(turns) * 0.99)] / 1e6 if turns else 0.0,
            "max_ms": turns[-1] / 1e6 if turns else 0.0,
        }
        self.turns, self.commands, self._cpu = array("q"), 0, time.process_time()
        return told


def report_when_asked(told: Callable[[], str]) -> None:
    """Print `told()` for each line on standard input; ends the process with it."""

    def serve() -> None:
        for _ in sys.stdin:
            print(told(), flush=True)

    threading.Thread(target=serve, daemon=True).start()


def _accept_watched(port: int, watch: Watch) -> None:
    class Watched(socket.socket):
        __slots__ = ("_arrived",)

        def recv(self, size: int, flags: int = 0) -> bytes:
            data, notes, _, _ = self.recvmsg(size, _ROOM, flags)
            self._note(notes)
            return data

        def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
            count, notes, _, _ = self.recvmsg_into([buffer], _ROOM, flags)
            self._note(notes)
            return count

        def send(self, data: Any, flags: int = 0) -> int:
            self._sends()
            return super().send(data, flags)

        def sendall(self, data: Any, flags: int = 0) -> None:
            self._sends()
            super().sendall(data, flags)

        def _note(self, notes: list[tuple[int, int, bytes]]) -> None:
            if notes:
                seconds, nanoseconds = _TIMESPEC.unpack(notes[0][2][: _TIMESPEC.size])
                self._arrived = seconds * 1_000_000_000 + nanoseconds

        def _sends(self) -> None:
            watch.commands += 1
            arrived = getattr(self, "_arrived", 0)
            if arrived:
                watch.turns.append(time.time_ns() - arrived)
                self._arrived = 0

    accept = socket.socket.accept

    def accepting(self: socket.socket) -> tuple[socket.socket, Any]:
        connection, address = accept(self)
        if self.getsockname()[1] != port:
            return connection, address
        timeout = connection.gettimeout()
        watched = Watched(fileno=connection.detach())
        watched.settimeout(timeout)
        watched.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        return watched, address

    socket.socket.accept = accepting  # type: ignore[method-assign]
