"""The telephone on the other side: an emergency desk or an operator that the line calls.

    with Desk(say=speech(20), talk_s=2.0) as desk:      # answers, speaks, hangs up after 2 s
        desk.uri                                        # sip:desk@127.0.0.1:port
        desk.register(line.sip_port, "op1", "secret")   # as an operator signs in
        desk.asked.wait(5); desk.answered.wait(5); desk.over.wait(5)
        desk.callers                                    # the numbers that it was shown
        desk.heard_seconds(0.05)                        # how long it heard anything that loud

`answers=False` rings for ever. It shares no code with the product.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import socket
import struct
import threading
import time
from typing import Self

import numpy as np
import soundfile

from tests.line.softphone import FRAME, udp_socket


class Desk:
    """One telephone; one call at a time, a new one after the other."""

    def __init__(self, *, say: bytes = b"", talk_s: float = 1.5, answers: bool = True) -> None:
        self._sip, self._rtp = udp_socket(), udp_socket()
        self._say, self._talk_s, self._answers = say, talk_s, answers
        self._closing = threading.Event()
        self._replies: dict[str, str] = {}
        self._replied = threading.Condition()
        self._heard: list[bytes] = []
        self._to = "desk"
        self.callers: list[str] = []
        self.asked, self.answered, self.over = (threading.Event() for _ in range(3))
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._signalling, self._listening)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(5)
        self._sip.close()
        self._rtp.close()

    @property
    def port(self) -> int:
        return int(self._sip.getsockname()[1])

    @property
    def uri(self) -> str:
        return f"sip:desk@127.0.0.1:{self.port}"

    def heard_seconds(self, loudness: float) -> float:
        """How long it heard anything at least as loud (root mean square of 20 ms)."""
        frames = [_samples(frame) for frame in self._heard]
        return 0.02 * sum(float(np.sqrt(np.mean(frame**2))) >= loudness for frame in frames)

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
        method = request.split()[0]
        if method == "INVITE":
            self._ring(request, where)
        elif method == "CANCEL":
            self._reply(request, where, "200 OK")
            self._reply(self._invite, where, "487 Request Terminated")
            self.over.set()
        elif method == "BYE":
            self._reply(request, where, "200 OK")
            self.over.set()
        elif method != "ACK":
            self._reply(request, where, "200 OK")

    def _ring(self, request: str, where: tuple[str, int]) -> None:
        self._invite, self._tag = request, secrets.token_hex(4)
        shown = re.search(r"^From:.*?sip:([^@>]*)@", request, re.MULTILINE)
        self.callers.append(shown[1] if shown else "")
        self.over.clear()
        self._reply(request, where, "180 Ringing")
        self.asked.set()
        if not self._answers:
            return
        port = re.search(r"^m=audio (\d+)", request, re.MULTILINE)
        assert port
        self._reply(request, where, "200 OK", self._offer())
        self.answered.set()
        media = ("127.0.0.1", int(port[1]))
        threading.Thread(target=self._talk, args=(media, where), daemon=True).start()

    def _offer(self) -> str:
        port = self._rtp.getsockname()[1]
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )

    def _reply(self, request: str, where: tuple[str, int], status: str, body: str = "") -> None:
        kept = [
            line + (f";tag={self._tag}" if line.startswith("To:") and ";tag=" not in line else "")
            for line in request.split("\r\n\r\n")[0].split("\r\n")
            if line.split(":")[0] in {"Via", "From", "To", "Call-ID", "CSeq"}
        ]
        about = [f"Contact: <{self.uri}>", *(["Content-Type: application/sdp"] if body else [])]
        self._send([f"SIP/2.0 {status}", *kept, *about, f"Content-Length: {len(body)}"], where, body)

    _tag = "0"
    _invite = ""

    # --- talking ---------------------------------------------------------------

    def _talk(self, media: tuple[str, int], where: tuple[str, int]) -> None:
        begun, sent, say = time.monotonic(), 0, self._say
        while not self.over.is_set() and not self._closing.is_set():
            if time.monotonic() - begun > self._talk_s:
                self._hang_up(where)
                return
            frame = say[sent * FRAME : (sent + 1) * FRAME].ljust(FRAME, b"\xd5")
            header = struct.pack("!BBHII", 0x80, 8, sent & 0xFFFF, sent * FRAME, 815)
            self._rtp.sendto(header + frame, media)
            sent += 1
            self.over.wait(max(0.0, begun + sent * 0.02 - time.monotonic()))

    def _hang_up(self, where: tuple[str, int]) -> None:
        fields = dict(
            line.split(": ", 1) for line in self._invite.split("\r\n\r\n")[0].split("\r\n")[1:]
        )
        contact = re.search(r"<(.*?)>", fields["Contact"])
        assert contact
        self._send(
            [
                f"BYE {contact[1]} SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{secrets.token_hex(8)}",
                f"From: {fields['To']};tag={self._tag}",
                f"To: {fields['From']}",
                f"Call-ID: {fields['Call-ID']}",
                "CSeq: 1 BYE",
                "Max-Forwards: 70",
                "Content-Length: 0",
            ],
            where,
        )
        self.over.set()

    def _listening(self) -> None:
        while not self._closing.is_set():
            try:
                packet = self._rtp.recv(2048)
            except TimeoutError:
                continue
            if packet[1] & 0x7F == 8:
                self._heard.append(packet[12:])


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


def _samples(frame: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    samples, _ = soundfile.read(
        io.BytesIO(frame), format="RAW", subtype="ALAW", samplerate=8000, channels=1
    )
    return np.asarray(samples, dtype=np.float64)


def free_uri() -> str:
    """Where nobody answers: the port is closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"sip:desk@127.0.0.1:{probe.getsockname()[1]}"
