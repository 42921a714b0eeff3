"""The telephone on the other side: an emergency desk or an operator that the line calls.

    with Desk(say=speech(20), talk_s=2.0) as desk:      # answers, speaks, hangs up after 2 s
        desk.uri                                        # sip:desk@127.0.0.1:port
        desk.register(line.sip_port, "op1", "secret")   # as an operator signs in
        desk.talk("0811").answered.wait(5)              # the conversation with this caller
        desk.talk("0811").over.wait(5)
        desk.callers                                    # the numbers that it was shown

    desk.pick_up("0812"); desk.hang_up("0812")          # as a person does, when it is told to
    desk.vanish()                                       # as a telephone that loses its power

`answers` says for which callers it picks up by itself; it rings for ever for the others.
`refuses` is a SIP status that every call gets instead. Any number of calls at once. It shares no
code with the product.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from socket import socket
from typing import Self

import numpy as np
import numpy.typing as npt
import soundfile

from tests.line.asterisk import until
from tests.line.softphone import FRAME, udp_socket


@dataclass
class Talk:
    """One call to the desk."""

    invite: str
    caller: str
    where: tuple[str, int] = ("", 0)
    rtp: socket = field(default_factory=udp_socket)
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    heard: list[bytes] = field(default_factory=list)
    answered: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def samples(self) -> npt.NDArray[np.int16]:
        """What the desk heard: 8 kHz, 16 bit."""
        sound, _ = soundfile.read(
            io.BytesIO(b"".join(self.heard)),
            format="RAW",
            subtype="ALAW",
            samplerate=8000,
            channels=1,
            dtype="int16",
        )
        return np.asarray(sound, dtype=np.int16)


class Desk:
    """One telephone with as many lines as it takes."""

    def __init__(
        self,
        *,
        say: bytes = b"",
        talk_s: float = 1.5,
        answers: Callable[[str], bool] = lambda _: True,
        refuses: str = "",
    ) -> None:
        self._sip = udp_socket()
        self._say, self._talk_s, self._answers = say, talk_s, answers
        self.refuses = refuses
        self._closing = threading.Event()
        self._replies: dict[str, str] = {}
        self._replied = threading.Condition()
        self._talks: dict[str, Talk] = {}
        self._thread = threading.Thread(target=self._signalling, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(5)
        self._sip.close()
        for talk in self._talks.values():
            talk.over.set()
            talk.rtp.close()

    @property
    def port(self) -> int:
        return int(self._sip.getsockname()[1])

    @property
    def uri(self) -> str:
        return f"sip:desk@127.0.0.1:{self.port}"

    @property
    def callers(self) -> list[str]:
        return [talk.caller for talk in list(self._talks.values())]

    def talk(self, caller: str, seconds: float = 10.0) -> Talk:
        """The latest call of this caller, as soon as it rings."""

        def rings() -> list[Talk]:
            return [talk for talk in list(self._talks.values()) if talk.caller == caller]

        return until(rings, seconds)[-1]

    # --- signing in ---------------------------------------------------------------

    def register(self, line: int, user: str, secret: str) -> str:
        """Sign in as an operator; the status of the last answer."""
        call_id = secrets.token_hex(8)
        first = self._ask_registrar(line, user, call_id, 1, "")
        challenge = re.search(r"^WWW-Authenticate: Digest (.*)$", first, re.MULTILINE)
        if not challenge:
            return first.split()[1]
        values = dict(re.findall(r'(\w+)="([^"]*)"', challenge[1]))
        proof = _proof(user, secret, values, f"sip:127.0.0.1:{line}")
        return self._ask_registrar(line, user, call_id, 2, proof).split()[1]

    def _ask_registrar(self, line: int, user: str, call_id: str, number: int, proof: str) -> str:
        lines = [
            f"REGISTER sip:127.0.0.1:{line} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{call_id}{number}",
            f"From: <sip:{user}@127.0.0.1>;tag={call_id}",
            f"To: <sip:{user}@127.0.0.1>",
            f"Call-ID: {call_id}",
            f"CSeq: {number} REGISTER",
            f"Contact: <sip:{user}@127.0.0.1:{self.port}>",
            "Expires: 600",
            "Max-Forwards: 70",
            *([f"Authorization: Digest {proof}"] if proof else []),
            "Content-Length: 0",
        ]
        key = f"{number} REGISTER"
        self._send(lines, ("127.0.0.1", line))
        with self._replied:
            assert self._replied.wait_for(lambda: key in self._replies, 5), "no registrar"
            return self._replies.pop(key)

    # --- being called ---------------------------------------------------------------

    def _send(self, lines: list[str], where: tuple[str, int], body: str = "") -> None:
        self._sip.sendto(("\r\n".join([*lines, "", ""]) + body).encode("latin-1"), where)

    def _signalling(self) -> None:
        while not self._closing.is_set():
            try:
                data, where = self._sip.recvfrom(65536)
            except TimeoutError:
                continue
            text = data.decode("latin-1")
            if text.startswith("SIP/2.0"):
                self._keep(text)
            else:
                self._serve(text, where)

    def _keep(self, text: str) -> None:
        number = re.search(r"^CSeq: (.*)$", text, re.MULTILINE)
        assert number
        with self._replied:
            self._replies[number[1].strip()] = text
            self._replied.notify_all()

    def _serve(self, request: str, where: tuple[str, int]) -> None:
        method, call_id = request.split(maxsplit=1)[0], _field(request, "Call-ID")
        if method == "INVITE":
            self._ring(request, where)
        elif method in {"CANCEL", "BYE"} and call_id in self._talks:
            talk = self._talks[call_id]
            self._reply(request, where, "200 OK", talk.tag)
            if method == "CANCEL":
                self._reply(talk.invite, where, "487 Request Terminated", talk.tag)
            talk.over.set()
        elif method != "ACK":
            self._reply(request, where, "200 OK", "none")

    def _ring(self, request: str, where: tuple[str, int]) -> None:
        if _field(request, "Call-ID") in self._talks:
            return  # sent again
        shown = re.search(r"sip:([^@>]*)@", _field(request, "From"))
        talk = Talk(request, shown[1] if shown else "")
        self._talks[_field(request, "Call-ID")] = talk
        talk.where = where
        if self.refuses:
            self._reply(request, where, self.refuses, talk.tag)
            talk.over.set()
            return
        self._reply(request, where, "180 Ringing", talk.tag)
        if self._answers(talk.caller):
            self._pick_up(talk)

    def pick_up(self, caller: str) -> Talk:
        """Answer the latest call of this caller, as soon as it rings."""
        talk = self.talk(caller)
        self._pick_up(talk)
        return talk

    def hang_up(self, caller: str) -> None:
        """End the conversation with this caller."""
        talk = self.talk(caller)
        self._hang_up(talk, talk.where)

    def vanish(self) -> None:
        """Answer nothing from here on, whatever comes."""
        self._closing.set()
        self._thread.join(5)

    def _pick_up(self, talk: Talk) -> None:
        request, where = talk.invite, talk.where
        self._reply(request, where, "200 OK", talk.tag, _offer(talk))
        talk.answered.set()
        for work in (self._speak, self._listen):
            threading.Thread(target=work, args=(talk, where), daemon=True).start()

    def _reply(
        self, request: str, where: tuple[str, int], status: str, tag: str, body: str = ""
    ) -> None:
        kept = [
            line + (f";tag={tag}" if line.startswith("To:") and ";tag=" not in line else "")
            for line in request.split("\r\n\r\n", maxsplit=1)[0].split("\r\n")
            if line.split(":")[0] in {"Via", "From", "To", "Call-ID", "CSeq"}
        ]
        about = [f"Contact: <{self.uri}>", *(["Content-Type: application/sdp"] if body else [])]
        self._send(
            [f"SIP/2.0 {status}", *kept, *about, f"Content-Length: {len(body)}"], where, body
        )

    # --- talking ---------------------------------------------------------------

    def _speak(self, talk: Talk, where: tuple[str, int]) -> None:
        port = re.search(r"^m=audio (\d+)", talk.invite, re.MULTILINE)
        assert port
        begun, sent = time.monotonic(), 0
        while not talk.over.is_set() and not self._closing.is_set():
            if time.monotonic() - begun > self._talk_s:
                self._hang_up(talk, where)
                return
            frame = self._say[sent * FRAME : (sent + 1) * FRAME].ljust(FRAME, b"\xd5")
            header = struct.pack("!BBHII", 0x80, 8, sent & 0xFFFF, sent * FRAME, 815)
            talk.rtp.sendto(header + frame, ("127.0.0.1", int(port[1])))
            sent += 1
            talk.over.wait(max(0.0, begun + sent * 0.02 - time.monotonic()))

    def _listen(self, talk: Talk, _where: tuple[str, int]) -> None:
        while not talk.over.is_set() and not self._closing.is_set():
            try:
                packet = talk.rtp.recv(2048)
            except TimeoutError:
                continue
            except OSError:
                return
            if packet[1] & 0x7F == 8:
                talk.heard.append(packet[12:])

    def _hang_up(self, talk: Talk, where: tuple[str, int]) -> None:
        contact = re.search(r"<(.*?)>", _field(talk.invite, "Contact"))
        assert contact
        branch = secrets.token_hex(8)
        self._send(
            [
                f"BYE {contact[1]} SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{branch}",
                f"From: {_field(talk.invite, 'To')};tag={talk.tag}",
                f"To: {_field(talk.invite, 'From')}",
                f"Call-ID: {_field(talk.invite, 'Call-ID')}",
                "CSeq: 1 BYE",
                "Max-Forwards: 70",
                "Content-Length: 0",
            ],
            where,
        )
        talk.over.set()


def _field(request: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", request, re.MULTILINE)
    return found[1].strip() if found else ""


def _offer(talk: Talk) -> str:
    port = talk.rtp.getsockname()[1]
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )


def _proof(user: str, secret: str, challenge: dict[str, str], uri: str) -> str:
    """RFC 2617, MD5 with qop=auth, which is what the exchange asks for."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - the protocol's own

    nonce, cnonce = challenge["nonce"], secrets.token_hex(8)
    owner = md5(f"{user}:{challenge['realm']}:{secret}")
    response = md5(f"{owner}:{nonce}:00000001:{cnonce}:auth:{md5(f'REGISTER:{uri}')}")
    fields = {
        "username": user,
        "realm": challenge["realm"],
        "nonce": nonce,
        "uri": uri,
        "response": response,
        "cnonce": cnonce,
    }
    if "opaque" in challenge:
        fields["opaque"] = challenge["opaque"]
    quoted = ", ".join(f'{key}="{value}"' for key, value in fields.items())
    return f"{quoted}, algorithm=MD5, qop=auth, nc=00000001"
