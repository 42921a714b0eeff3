"""A telephone of a few lines: places a real SIP call over UDP, speaks, listens, hangs up.

It shares no code with the product, so that both cannot be wrong together. It presses keys as
sound alone (`events=False`: and says so); it sends what it is told byte for byte, so that
hostile callers can be played.
"""

from __future__ import annotations

import io
import re
import secrets
import socket
import struct
import threading
import time
from typing import Self

import numpy as np
import numpy.typing as npt
import soundfile

from tests.line.asterisk import TONES

FRAME = 160  # bytes of A-law: 20 ms
SILENCE = b"\xd5" * FRAME
Samples = npt.NDArray[np.float64]


def alaw(samples: Samples) -> bytes:
    """8 kHz samples (-1 to 1) as A-law bytes."""
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="RAW", subtype="ALAW")
    return file.getvalue()


def speech(seconds: float) -> bytes:
    """Something as loud as a voice."""
    rng = np.random.default_rng(1)
    noise = rng.uniform(-0.4, 0.4, int(8000 * seconds))
    return alaw(noise)


def key_tone(key: str, seconds: float = 0.2) -> bytes:
    """A key as sound (ITU-T Q.23), for a telephone that sends no events."""
    place = "123A456B789C*0#D".index(key)
    at = np.arange(int(8000 * seconds)) / 8000
    low, high = (697, 770, 852, 941)[place // 4], (1209, 1336, 1477, 1633)[place % 4]
    return alaw(0.2 * (np.sin(2 * np.pi * low * at) + np.sin(2 * np.pi * high * at)))


class Call:
    """One call. `ringing` to `ended`; `answered` and `ended` are events to wait for."""

    def __init__(
        self,
        port: int,
        *,
        caller: str = "081234567890",
        dialled: str = "5501000",
        say: bytes = b"",
        events: bool = True,
    ) -> None:
        self._line = ("127.0.0.1", port)
        self._sip = udp_socket()
        self._rtp = udp_socket()
        self._uri = f"sip:{dialled}@127.0.0.1:{port}"
        self._id = secrets.token_hex(8)
        self._from = f"<sip:{caller}@127.0.0.1:{self._sip.getsockname()[1]}>;tag={self._id}"
        self._to = f"<{self._uri}>"
        self._media: tuple[str, int] | None = None
        self._heard: list[bytes] = []
        self._say = say
        self._events = events
        self._keys: list[str] = []
        self.status = 0
        self.answered = threading.Event()
        self.ended = threading.Event()
        self._confirmed = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._signalling, self._listening, self._speaking)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended.is_set():
            self.hang_up()
        for thread in self._threads:
            thread.join(5)
        self._sip.close()
        self._rtp.close()

    def hang_up(self) -> None:
        """Say BYE, again until it is confirmed (RFC 3261, 17.1.2); then the call is over here."""
        for _ in range(4):
            self._send("BYE", 2)
            if self._confirmed.wait(0.5):
                break
        self.ended.set()

    def give_up(self) -> None:
        """Hang up before the answer (CANCEL); over when the exchange agrees: see `status`."""
        self._send("CANCEL", 1, branch="INVITE")

    def say(self, sound: bytes) -> None:
        """Speak this from now on (A-law); silence follows."""
        self._say += sound

    def press(self, key: str) -> None:
        """Press a key for 0.1 s, as an event (RFC 4733)."""
        self._keys.append(key)

    def heard(self) -> list[str]:
        """The prompts (tones) that were heard so far, in order."""
        return _names(self.samples())

    def samples(self) -> Samples:
        """What was heard so far: 8 kHz, -1 to 1."""
        sound = b"".join(self._heard)
        samples, _ = soundfile.read(
            io.BytesIO(sound), format="RAW", subtype="ALAW", samplerate=8000, channels=1
        )
        return np.asarray(samples)

    # --- signalling ---------------------------------------------------------------

    def _send(self, method: str, number: int, body: str = "", branch: str = "") -> None:
        port = self._sip.getsockname()[1]
        lines = [
            f"{method} {self._uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{self._id}{branch or method}",
            f"From: {self._from}",
            f"To: {self._to}",
            f"Call-ID: {self._id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:phone@127.0.0.1:{port}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        self._sip.sendto("\r\n".join(lines).encode("latin-1"), self._line)

    def _offer(self) -> str:
        port = self._rtp.getsockname()[1]
        events = "a=rtpmap:101 telephone-event/8000\r\n" if self._events else ""
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 8{' 101' if events else ''}\r\na=rtpmap:8 PCMA/8000\r\n"
            f"{events}"
        )

    def _signalling(self) -> None:
        self._send("INVITE", 1, self._offer())
        while not self.ended.is_set():
            try:
                text = self._sip.recv(65536).decode("latin-1")
            except TimeoutError:
                continue
            if text.startswith("SIP/2.0"):
                self._answer_to_us(text)
            elif text.startswith("BYE"):
                self._agree(text)
                self.ended.set()

    def _answer_to_us(self, text: str) -> None:
        status = int(text.split()[1])
        if status >= 200 and "CSeq: 2 BYE" in text:
            self._confirmed.set()
        if status < 200 or "CSeq: 1 INVITE" not in text:
            return
        self.status = status
        if found := re.search(r"^To: (.*)$", text, re.MULTILINE):
            self._to = found[1].strip()
        self._send("ACK", 1)
        if status != 200:
            self.ended.set()
            return
        port = re.search(r"^m=audio (\d+)", text, re.MULTILINE)
        assert port
        self._media = ("127.0.0.1", int(port[1]))
        self.answered.set()

    def _agree(self, request: str) -> None:
        kept = [
            line
            for line in request.split("\r\n")
            if line.split(":")[0] in {"Via", "From", "To", "Call-ID", "CSeq"}
        ]
        answer = "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])
        self._sip.sendto(answer.encode("latin-1"), self._line)

    # --- audio ---------------------------------------------------------------------

    def _listening(self) -> None:
        while not self.ended.is_set():
            try:
                packet = self._rtp.recv(2048)
            except TimeoutError:
                continue
            if packet[1] & 0x7F == 8:
                self._heard.append(packet[12:])

    def _send_key(self, key: str, sent: int) -> int:
        """Five packets while the key is down, three that say that it is up again; the number of
        the next packet."""
        assert self._media
        began = sent * FRAME
        for count in (1, 2, 3, 4, 5, 5, 5, 5):
            marker = 0x80 if sent * FRAME == began else 0
            header = struct.pack("!BBHII", 0x80, marker | 101, sent & 0xFFFF, began, 4711)
            down = _event(key, count, end=sent * FRAME - began >= 5 * FRAME)
            self._rtp.sendto(header + down, self._media)
            sent += 1
            self.ended.wait(0.02)
        return sent

    def _speaking(self) -> None:
        while not self.answered.wait(0.05):
            if self.ended.is_set():
                return
        assert self._media
        begun, sent = time.monotonic(), 0
        while not self.ended.is_set():
            if self._keys:
                sent = self._send_key(self._keys.pop(0), sent)
            frame, self._say = self._say[:FRAME], self._say[FRAME:]
            header = struct.pack("!BBHII", 0x80, 8, sent & 0xFFFF, sent * FRAME, 4711)
            self._rtp.sendto(header + frame.ljust(FRAME, b"\xd5"), self._media)
            sent += 1
            self.ended.wait(max(0.0, begun + sent * 0.02 - time.monotonic()))


def _event(key: str, frames: int, *, end: bool) -> bytes:
    code = "0123456789*#ABCD".index(key)
    return struct.pack("!BBH", code, 0x80 * end + 10, frames * FRAME)


def udp_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(0.1)
    return made


def _names(samples: Samples) -> list[str]:
    """One name per tone: runs of windows of 40 ms, every 10 ms, in which it is the strongest."""
    names: list[str] = []
    last = ""
    for start in range(0, len(samples) - 320, 80):
        name = _name(samples[start : start + 320])
        if name and name != last:
            names.append(name)
        last = name
    return names


def _name(window: Samples) -> str:
    if np.sqrt(np.mean(window**2)) < 0.1:
        return ""
    spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)), 8000))
    hertz = int(np.argmax(spectrum))
    return next((key for key, tone in TONES.items() if abs(tone - hertz) < 30), "")
