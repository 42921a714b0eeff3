"""Somebody who wants the line to be busy: many telephones that call, say nothing, and call again.

    with Flood(port, [Attacker("127.0.0.1", "0811"), ...]) as flood:
        ...
    flood.answered, flood.refused       # how often

One thread for all of them; each has a socket of its own, holds a call until the line ends it,
and begins the next one a moment after it was refused. At the end nobody is left in a call.
"""

from __future__ import annotations

import re
import secrets
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Self

_AGAIN_S = 0.5  # after a refusal
_RESEND_S = 1.0


@dataclass
class Attacker:
    """One telephone; `caller` may be hidden ("anonymous") or "*": another number each time."""

    source: str
    caller: str
    sip: socket.socket = field(init=False)
    call: str = ""
    shown: str = ""
    to: str = ""
    calls_at: float = 0.0
    answered: bool = False
    waits: bool = False  # for what the line says

    def __post_init__(self) -> None:
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind((self.source, 0))
        self.sip.setblocking(False)


class Flood:
    """See the module's docstring."""

    def __init__(self, port: int, attackers: list[Attacker]) -> None:
        self._line = ("127.0.0.1", port)
        self._attackers = attackers
        self._selector = selectors.DefaultSelector()
        for attacker in attackers:
            self._selector.register(attacker.sip, selectors.EVENT_READ, attacker)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answered = self.refused = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)
        for attacker in self._attackers:
            attacker.waits = False  # whatever the line has left unsaid
        self._thread.join(1)
        for attacker in self._attackers:
            if attacker.answered:
                self._send(attacker, "BYE", 2)
            attacker.sip.close()

    def _run(self) -> None:
        while not self._over.is_set() or any(one.waits for one in self._attackers):
            now = time.monotonic()
            for attacker in self._attackers if not self._over.is_set() else ():
                if not attacker.answered and now >= attacker.calls_at:
                    self._call(attacker, now)
            for key, _ in self._selector.select(0.05):
                try:
                    self._hear(key.data, key.data.sip.recv(65536).decode("latin-1"))
                except OSError:
                    continue

    def _call(self, attacker: Attacker, now: float) -> None:
        attacker.call, attacker.calls_at = secrets.token_hex(8), now + _RESEND_S * 4
        number = f"08{secrets.randbelow(10**10):010d}"
        attacker.shown = number if attacker.caller == "*" else attacker.caller
        attacker.waits = True
        self._send(attacker, "INVITE", 1)

    def _hear(self, attacker: Attacker, text: str) -> None:
        if text.startswith("BYE"):
            attacker.answered, attacker.calls_at = False, time.monotonic() + _AGAIN_S
            kept = [row for row in text.split("\r\n") if row.split(":")[0] in _ECHOED]
            answer = ["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]
            attacker.sip.sendto("\r\n".join(answer).encode("latin-1"), self._line)
            return
        status = int(text.split()[1]) if text.startswith("SIP/2.0") else 0
        if status < 200 or attacker.call not in text or "INVITE" not in text:
            return
        attacker.waits = False
        to = re.search(r"^To: (.*)$", text, re.MULTILINE)
        self._send(attacker, "ACK", 1, to[1].strip() if to else "")
        if status == 200:
            self.answered += not attacker.answered
            attacker.answered = True
        elif not attacker.answered:
            self.refused += 1
            attacker.calls_at = time.monotonic() + _AGAIN_S

    def _send(self, attacker: Attacker, method: str, number: int, to: str = "") -> None:
        host, port = attacker.sip.getsockname()
        where = f"sip:5501000@{self._line[0]}:{self._line[1]}"
        body = ""
        if method == "INVITE":
            rows = [f"c=IN IP4 {host}", "t=0 0", "m=audio 9 RTP/AVP 8", "a=rtpmap:8 PCMA/8000", ""]
            body = "\r\n".join(["v=0", f"o=- 1 1 IN IP4 {host}", "s=-", *rows])
        attacker.to = to or (f"<{where}>" if method == "INVITE" else attacker.to)
        branch = attacker.call if method == "INVITE" else f"{attacker.call}{method}"
        rows = [
            f"{method} {where} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{branch}",
            f"From: <sip:{attacker.shown}@{host}>;tag={attacker.call}",
            f"To: {attacker.to}",
            f"Call-ID: {attacker.call}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:x@{host}:{port}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        attacker.sip.sendto("\r\n".join(rows).encode(), self._line)


_ECHOED = {"Via", "From", "To", "Call-ID", "CSeq"}
