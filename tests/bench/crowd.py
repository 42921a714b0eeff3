"""Many calls at once from Asterisk's side of FastAGI, without an Asterisk: real sockets.

One process, one thread, epoll and no framework, so that it costs little beside what it measures.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass, field

ANSWER = b"200 result=0 endpos=8000\n"
_ENVIRONMENT = "".join(
    f"agi_{key}: {value}\n"
    for key, value in (
        ("network", "yes"),
        ("network_script", "call"),
        ("request", "agi://127.0.0.1:4573/call"),
        ("channel", "PJSIP/line-00000001"),
        ("language", "en"),
        ("type", "PJSIP"),
        ("uniqueid", "pbx1-1764000000.{index}"),
        ("version", "22.1.0"),
        ("callerid", "081234567890"),
        ("calleridname", "unknown"),
        ("callingpres", "0"),
        ("callingani2", "0"),
        ("callington", "0"),
        ("callingtns", "0"),
        ("dnid", "5501000"),
        ("rdnis", "unknown"),
        ("context", "aduan-call"),
        ("extension", "s"),
        ("priority", "13"),
        ("enhanced", "0.0"),
        ("accountcode", ""),
        ("threadid", "139872"),
    )
)


@dataclass
class Crowd:
    """What a run of sessions came to: seconds in all, whole sessions, seconds per turn-around.

    A turn-around is the time from an answer (at first: from the environment) to the next command,
    as Asterisk sees it.
    """

    sessions: int
    seconds: float = 0.0
    whole: int = 0
    turns: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Whole sessions per second."""
        return self.whole / self.seconds


@dataclass
class _Call:
    connection: socket.socket
    asked: int = 0
    answered_at: float = 0.0


def run(address: tuple[str, int], sessions: int, at_once: int, commands: int) -> Crowd:
    """Place `sessions` calls, `at_once` at any time, of `commands` commands each.

    Raises TimeoutError when nothing moves for ten seconds.
    """
    crowd = Crowd(sessions)
    poll, calls, placed = select.epoll(), dict[int, _Call](), 0
    began = time.perf_counter()
    while crowd.whole < sessions:
        while placed < sessions and len(calls) < at_once:
            call = _placed(address, placed)
            placed += 1
            calls[call.connection.fileno()] = call
            poll.register(call.connection.fileno(), select.EPOLLIN)
        ready = poll.poll(10)
        if not ready:
            raise TimeoutError(f"{len(calls)} calls hang after {crowd.whole} sessions")
        for number, _ in ready:
            call = calls[number]
            asked = call.connection.recv(4096)
            if asked:
                _answer(call, asked, crowd)
                continue
            poll.unregister(number)
            call.connection.close()
            del calls[number]
            if call.asked != commands:
                raise RuntimeError(f"a session of {call.asked} commands instead of {commands}")
            crowd.whole += 1
    crowd.seconds = time.perf_counter() - began
    poll.close()
    return crowd


def _placed(address: tuple[str, int], index: int) -> _Call:
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall((_ENVIRONMENT.replace("{index}", str(index)) + "\n").encode())
    return _Call(connection, answered_at=time.perf_counter())


def _answer(call: _Call, asked: bytes, crowd: Crowd) -> None:
    now = time.perf_counter()
    crowd.turns.append(now - call.answered_at)
    call.asked += asked.count(b"\n")
    call.answered_at = now
    call.connection.send(ANSWER)
