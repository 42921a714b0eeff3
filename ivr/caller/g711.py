"""G.711 A-law and mu-law by table look-up (ITU-T G.711, segments as in the Sun reference code).

`encode` takes 16-bit linear samples at 8 kHz and gives one byte per sample; `decode` undoes it,
with the loss that the telephone network has.
"""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Law = Literal["PCMA", "PCMU"]

RATE: Final = 8000
PAYLOAD_TYPES: Final[dict[int, Law]] = {8: "PCMA", 0: "PCMU"}  # RFC 3551, section 6
_INT = npt.NDArray[np.int64]


def _every_sample() -> _INT:
    """All 65,536 samples in the order of their unsigned bit patterns."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _alaw_encoder() -> npt.NDArray[np.uint8]:
    linear = _every_sample() >> 3
    mask = np.where(linear >= 0, 0xD5, 0x55)
    size = np.where(linear >= 0, linear, -linear - 1)
    ends = np.array([0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF])
    segment = np.searchsorted(ends, size)
    step = (size >> np.maximum(segment, 1)) & 0xF
    return np.asarray(((segment << 4) | step) ^ mask, dtype=np.uint8)


def _alaw_decoder() -> Samples:
    code = np.arange(256) ^ 0x55
    segment = (code & 0x70) >> 4
    base = ((code & 0xF) << 4) + np.where(segment == 0, 8, 0x108)
    size = base << np.maximum(segment - 1, 0)
    return np.asarray(np.where(code & 0x80, size, -size), dtype=np.int16)


def _ulaw_encoder() -> npt.NDArray[np.uint8]:
    linear = _every_sample() >> 2
    mask = np.where(linear < 0, 0x7F, 0xFF)
    size = np.minimum(np.abs(linear), 8158) + 33  # 8159 and above is the same last step
    ends = np.array([0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF, 0x1FFF])
    segment = np.searchsorted(ends, size)
    step = (size >> (segment + 1)) & 0xF
    return np.asarray(((segment << 4) | step) ^ mask, dtype=np.uint8)


def _ulaw_decoder() -> Samples:
    code = ~np.arange(256) & 0xFF
    size = (((code & 0xF) << 3) + 0x84) << ((code & 0x70) >> 4)
    return np.asarray(np.where(code & 0x80, 0x84 - size, size - 0x84), dtype=np.int16)


_ENCODERS: Final[dict[Law, npt.NDArray[np.uint8]]] = {
    "PCMA": _alaw_encoder(),
    "PCMU": _ulaw_encoder(),
}
_DECODERS: Final[dict[Law, Samples]] = {"PCMA": _alaw_decoder(), "PCMU": _ulaw_decoder()}
SILENCE: Final[dict[Law, int]] = {"PCMA": 0xD5, "PCMU": 0xFF}


def encode(samples: Samples, law: Law) -> bytes:
    """One byte per sample."""
    unsigned = np.ascontiguousarray(samples, dtype=np.int16).view(np.uint16)
    return bytes(_ENCODERS[law][unsigned].tobytes())


def decode(payload: bytes, law: Law) -> Samples:
    """One 16-bit sample per byte."""
    return _DECODERS[law][np.frombuffer(payload, dtype=np.uint8)]


def round_trip(samples: Samples, law: Law = "PCMA") -> Samples:
    """What is left of `samples` after one trip over the telephone."""
    return decode(encode(samples, law), law)
