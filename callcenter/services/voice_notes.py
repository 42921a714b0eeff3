"""Voices that come as files: a report that was spoken into a telephone.

The file is kept as it came, whatever wrote it; what cannot be measured here is kept all the same,
because a browser plays it.
"""

from __future__ import annotations

import hashlib
import io
import re

import numpy as np
import soundfile
import soxr

from callcenter.services.attachments import Material
from callcenter.services.errors import Refused
from ivr.speech import COMPLAINT_S, speech_in

MOST_BYTES = 20_000_000
MOST_SECONDS = 600
_RATE = 16_000
_RATES = range(4_000, 96_001)
_BLOCK = 65_536
#: Media type, ending, whether libsndfile reads it, and how its first bytes look. The boxes of
#: MP4 (ISO/IEC 14496-12) carry pictures too: only the brands in which telephones put sound.
_KINDS: tuple[tuple[str, str, bool, re.Pattern[bytes]], ...] = (
    ("audio/wav", "wav", True, re.compile(rb"RIFF....WAVE", re.DOTALL)),
    ("audio/ogg", "ogg", True, re.compile(rb"OggS")),
    ("audio/flac", "flac", True, re.compile(rb"fLaC")),
    ("audio/mpeg", "mp3", True, re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")),
    ("audio/3gpp", "3gp", False, re.compile(rb"....ftyp3g[p2]", re.DOTALL)),
    (
        "audio/mp4",
        "m4a",
        False,
        re.compile(rb"....ftyp(M4A |M4B |mp4[12]|iso[m256]|dash)", re.DOTALL),
    ),
    ("audio/webm", "webm", False, re.compile(rb"\x1aE\xdf\xa3")),
    ("audio/amr", "amr", False, re.compile(rb"#!AMR")),
)


def heard(data: bytes) -> Material:
    """The voice, measured where that can be done. Raises Refused with the remedy."""
    if len(data) > MOST_BYTES:
        raise Refused("voice", "Rekaman terlalu besar; rekam lebih singkat.")
    kind = kind_of(data)
    if kind is None:
        raise Refused("voice", "Berkas suara tidak dikenali; rekam lagi, atau tulis laporannya.")
    media_type, ending, readable = kind
    seconds, speech = measured(data) if readable else (None, None)
    if speech is not None and speech < COMPLAINT_S:
        raise Refused("voice", "Tidak ada suara dalam rekaman; periksa mikrofon, lalu rekam lagi.")
    digest = hashlib.sha256(data).hexdigest()
    return Material(
        data, digest, "voices", ending, media_type, seconds=seconds, speech_seconds=speech
    )


def kind_of(data: bytes) -> tuple[str, str, bool] | None:
    """Media type, ending, and whether libsndfile reads it; by the file's first bytes alone."""
    return next(((media, end, read) for media, end, read, head in _KINDS if head.match(data)), None)


def measured(data: bytes) -> tuple[float, float]:
    """Seconds of sound, and of speech in it; a block at a time, whatever a file unfolds to."""
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.samplerate not in _RATES or file.channels > 2:
                raise ValueError("no telephone records so")
            return _read(file)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError):
        raise Refused(
            "voice", "Berkas suara tidak dapat dibaca; rekam lagi, atau tulis laporannya."
        ) from None


def _read(file: soundfile.SoundFile) -> tuple[float, float]:
    longest, frames = MOST_SECONDS * file.samplerate, 0
    stream = soxr.ResampleStream(file.samplerate, _RATE, 1, dtype="float32")
    parts = []
    while True:
        block = file.read(_BLOCK, dtype="float32", always_2d=True)
        frames += len(block)
        if frames > longest:
            raise Refused("voice", "Rekaman lebih dari sepuluh menit; rekam lebih singkat.")
        mono = np.clip(np.nan_to_num(block).mean(axis=1, dtype=np.float32), -1, 1)
        made = stream.resample_chunk(mono, last=not len(block))
        parts.append((made * 32767).astype("<i2").tobytes())
        if not len(block):
            return round(frames / file.samplerate, 2), speech_in(b"".join(parts), _RATE)
