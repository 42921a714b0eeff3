"""What the caller hears: every frame on one time line, and what can be told from it at once.

Time zero is the answer (200 OK). A frame lies where its RTP timestamp says, counted from the
arrival of the first frame of its stream; a gap is silence. A stream that starts anew (another
SSRC, or a time stamp that has nothing to do with the clock) is laid down where it arrives.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from ivr.caller.g711 import PAYLOAD_TYPES, RATE, Samples, decode
from ivr.caller.rtp import Packet

BEEP_HZ: Final = 1000
BEEP_SECONDS: Final = 0.16  # of the 0.25 s that it lasts: lost frames must not hide it
BEEP_PURITY: Final = 0.9
GAP_SECONDS: Final = 0.06  # without a frame: the line has stopped sending
LATE_SECONDS: Final = 0.4  # a beep goes on after a stutter of the line, or of ours
AUDIBLE: Final = 150.0  # root mean square, 16 bit: about -47 dB
_DRIFT: Final = int(0.4 * RATE)
_MAX_SAMPLES: Final = 3600 * RATE


@dataclass
class _Stream:
    ssrc: int
    timestamp: int
    position: int


class Ear:
    """Remembers what was heard; `beep_ended_at`, `sound_at` and `sounding` are kept up to date."""

    def __init__(self, answered_at: float) -> None:
        self._zero = answered_at
        self._frames: list[tuple[int, Samples]] = []
        self._stream: _Stream | None = None
        self._end = 0
        self._pure = 0.0
        self._frame_at = answered_at
        self.beep_ended_at: float | None = None
        self.beeps = 0
        self.sound_at: float | None = None
        self.sounding = 0.0  # seconds of audible line since `forget`

    def take(self, packet: Packet, now: float) -> None:
        """One frame that arrived at `now`; what is not G.711 audio is passed over."""
        law = PAYLOAD_TYPES.get(packet.payload_type)
        if law is None:
            return
        samples = decode(packet.payload, law)
        position = self._position(packet, len(samples), now)
        if not len(samples) or not 0 <= position < _MAX_SAMPLES:
            return
        self._frames.append((position, samples))
        self._end = max(self._end, position + len(samples))
        self._frame_at = now
        self._listen(samples, now)

    def pass_time(self, now: float) -> None:
        """A line that stops sending ends its beep too; one that has hardly begun may go on."""
        gap = now - self._frame_at
        whole = self._pure >= BEEP_SECONDS - 1e-9
        if self._pure and gap > (GAP_SECONDS if whole else LATE_SECONDS):
            self._end_of_tone(now)

    def forget(self) -> None:
        """Start counting audible seconds anew."""
        self.sounding = 0.0

    def heard(self) -> Samples:
        """Everything since the answer, 16 bit, 8 kHz."""
        timeline = np.zeros(self._end, dtype=np.int16)
        for position, samples in self._frames:
            timeline[position : position + len(samples)] = samples
        return timeline

    def recent(self, seconds: float) -> Samples:
        """The last seconds heard; shorter if less was heard."""
        start = max(0, self._end - int(seconds * RATE))
        timeline = np.zeros(self._end - start, dtype=np.int16)
        for position, samples in reversed(self._frames):
            if position < start:
                break
            timeline[position - start : position - start + len(samples)] = samples
        return timeline

    def _position(self, packet: Packet, length: int, now: float) -> int:
        arrival = max(0, int((now - self._zero) * RATE) - length)
        stream = self._stream
        if stream and stream.ssrc == packet.ssrc:
            ahead = (packet.timestamp - stream.timestamp + 0x80000000) % 0x100000000 - 0x80000000
            position = stream.position + ahead
            if abs(position - arrival) <= _DRIFT:
                return position
        position = max(arrival, self._end)
        self._stream = _Stream(packet.ssrc, packet.timestamp, position)
        return position

    def _listen(self, samples: Samples, now: float) -> None:
        wave = samples.astype(np.float64)
        power = float(wave @ wave)
        loud = power > AUDIBLE**2 * len(wave)
        if loud:
            self.sound_at = now
            self.sounding += len(wave) / RATE
        if loud and _purity(wave, power) > BEEP_PURITY:
            self._pure += len(wave) / RATE
        elif self._pure:
            self._end_of_tone(now)

    def _end_of_tone(self, now: float) -> None:
        if self._pure >= BEEP_SECONDS - 1e-9:
            self.beep_ended_at = now
            self.beeps += 1
        self._pure = 0.0


@lru_cache(maxsize=32)
def _probe(length: int) -> npt.NDArray[np.float64]:
    """Cosine and sine of the beep, one row each."""
    angle = 2 * np.pi * BEEP_HZ / RATE * np.arange(length)
    return np.stack([np.cos(angle), np.sin(angle)])


def _purity(wave: npt.NDArray[np.float64], power: float) -> float:
    """Share of the power that lies at the beep's frequency (Goertzel's sum), 0 to 1."""
    found = _probe(len(wave)) @ wave
    return float(2 * (found @ found) / (len(wave) * power))
