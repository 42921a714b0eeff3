"""Audio and keys on the wire: packets read and written, one 20 ms frame per tick (RFC 3550).

`Mouth` turns what the caller says and presses into packets; silence in between, because the far
side takes a stream that stops for a line that died.
"""

import secrets
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from ivr.caller.g711 import RATE, SILENCE, Law, Samples, encode
from ivr.caller.sdp import Media

FRAME: Final = 160  # samples in 20 ms
FRAME_S: Final = FRAME / RATE
KEYS: Final = "0123456789*#ABCD"  # in the order of their event codes (RFC 4733, section 3.2)
KEY_FRAMES: Final = 6  # 120 ms
KEY_PAUSE_FRAMES: Final = 6
_VOLUME: Final = 10  # dBm0 below full scale
_HEADER: Final = struct.Struct("!BBHII")
_EVENT: Final = struct.Struct("!BBH")
_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)  # ITU-T Q.23
_PAD: Final = "123A456B789C*0#D"


@dataclass(frozen=True)
class Packet:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def read_packet(data: bytes) -> Packet | None:
    """One RTP packet, None for anything else (RTCP, STUN, garbage, a cut header)."""
    if len(data) < _HEADER.size or data[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    start = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:  # an extension: 16 bit profile, 16 bit length in words
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data) - (data[-1] if first & 0x20 else 0)
    if start > end:
        return None
    return Packet(second & 0x7F, sequence, timestamp, ssrc, data[start:end])


def key_tone(key: str) -> Samples:
    """The key as a sound, for a line without telephone-events."""
    row, column = divmod(_PAD.index(key), 4)
    t = np.arange(KEY_FRAMES * FRAME) / RATE
    wave = np.sin(2 * np.pi * _ROWS[row] * t) + np.sin(2 * np.pi * _COLUMNS[column] * t)
    return np.asarray(wave * 6000, dtype=np.int16)


_Frame = tuple[bytes, bool]  # payload, whether it is speech


class Mouth:
    """What leaves the caller: `say` and `press` queue up, `tick` gives each 20 ms its packets."""

    def __init__(self, law: Law, payload_type: int, dtmf: int | None) -> None:
        self._law, self._type, self._dtmf = law, payload_type, dtmf
        self._silence = bytes([SILENCE[law]]) * FRAME
        self._queue: deque[Callable[[], list[bytes]]] = deque()
        self._sequence = secrets.randbelow(1 << 16)
        self._timestamp = secrets.randbelow(1 << 32)
        self._ssrc = secrets.randbelow(1 << 32)
        self._marker = True
        self.spoken_samples = 0

    @classmethod
    def towards(cls, media: Media) -> "Mouth":
        return cls(media.law, media.payload_type, media.dtmf)

    @property
    def busy(self) -> bool:
        """Whether something is still to be said or pressed."""
        return bool(self._queue)

    def say(self, audio: Samples) -> None:
        """Queue speech; the last frame is filled up with silence."""
        self._marker = True
        coded = encode(audio, self._law)
        for start in range(0, len(coded), FRAME):
            self._queue.append(self._speech_frame(coded[start : start + FRAME]))

    def press(self, key: str) -> None:
        """Queue one key of `KEYS`, with a pause after it."""
        if self._dtmf is None:
            tone = encode(key_tone(key), self._law)
            frames = [tone[start : start + FRAME] for start in range(0, len(tone), FRAME)]
            self._queue.extend(self._plain_frame(frame) for frame in frames)
        else:
            self._queue.extend(self._key_frame(key, i) for i in range(1, KEY_FRAMES + 1))
        self._queue.extend(self._plain_frame(self._silence) for _ in range(KEY_PAUSE_FRAMES))

    def tick(self) -> list[bytes]:
        """The packets of the next 20 ms."""
        packets = self._queue.popleft()() if self._queue else [self._audio(self._silence)]
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        return packets

    def _speech_frame(self, payload: bytes) -> Callable[[], list[bytes]]:
        def send() -> list[bytes]:
            self.spoken_samples += len(payload)
            return [self._audio(payload + self._silence[len(payload) :])]

        return send

    def _plain_frame(self, payload: bytes) -> Callable[[], list[bytes]]:
        return lambda: [self._audio(payload)]

    def _key_frame(self, key: str, number: int) -> Callable[[], list[bytes]]:
        """One step of a key: the timestamp stays that of its beginning, the duration grows.

        The end is said three times, because one may be lost (RFC 4733, section 2.5.1.4).
        """

        def send() -> list[bytes]:
            start = (self._timestamp - (number - 1) * FRAME) & 0xFFFFFFFF
            last = number == KEY_FRAMES
            flags = _VOLUME | (0x80 if last else 0)
            payload = _EVENT.pack(KEYS.index(key), flags, number * FRAME)
            self._marker = number == 1
            copies = 3 if last else 1
            return [self._packet(self._dtmf or 0, start, payload) for _ in range(copies)]

        return send

    def _audio(self, payload: bytes) -> bytes:
        return self._packet(self._type, self._timestamp, payload)

    def _packet(self, payload_type: int, timestamp: int, payload: bytes) -> bytes:
        second = payload_type | (0x80 if self._marker else 0)
        self._marker = False
        header = _HEADER.pack(0x80, second, self._sequence, timestamp, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        return header + payload
