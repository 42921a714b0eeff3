"""Voices that come as files: kept as they came, measured where that can be done."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import soundfile

from callcenter.services import voice_notes
from callcenter.services.errors import Refused
from ivr.speech import COMPLAINT_S

RATE = 16_000


def speechlike(seconds: float, rate: int = RATE) -> np.ndarray:
    """Voiced bursts at the pace of syllables over a quiet room, as a telephone hears them."""
    t = np.arange(int(seconds * rate)) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * t)
    buzz = sum(np.sin(2 * np.pi * n * np.cumsum(pitch) / rate) / n for n in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 2 * t), 0, None) ** 0.5
    room = np.random.default_rng(1).normal(0, 0.0005, len(t))
    return (0.25 * buzz * syllables + room).astype(np.float32)


def spoken(seconds: float, kind: str = "WAV", rate: int = RATE) -> bytes:
    """A sound file in which somebody speaks."""
    out = io.BytesIO()
    soundfile.write(out, speechlike(seconds, rate), rate, format=kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "media_type", "ending"),
    [
        ("WAV", "audio/wav", "wav"),
        ("OGG", "audio/ogg", "ogg"),
        ("FLAC", "audio/flac", "flac"),
        ("MP3", "audio/mpeg", "mp3"),
    ],
)
@pytest.mark.parametrize("rate", [8000, 44_100])
def test_a_voice_is_measured_and_stays_what_it_was(
    kind: str, media_type: str, ending: str, rate: int
) -> None:
    data = spoken(3, kind, rate)
    heard = voice_notes.heard(data)
    assert (heard.media_type, heard.ending, heard.shelf) == (media_type, ending, "voices")
    assert heard.data == data
    assert heard.sha256 == hashlib.sha256(data).hexdigest()
    assert heard.seconds == pytest.approx(3, abs=0.15)
    assert heard.speech_seconds is not None
    assert heard.speech_seconds > COMPLAINT_S


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x00\x00\x00\x1cftypM4A \x00\x00", "audio/mp4"),
        (b"\x00\x00\x00\x18ftypmp42", "audio/mp4"),
        (b"\x00\x00\x00\x18ftyp3gp4", "audio/3gpp"),
        (b"\x1aE\xdf\xa3\x01\x00", "audio/webm"),
        (b"#!AMR\n", "audio/amr"),
    ],
)
def test_what_only_a_browser_plays_is_kept_unmeasured(head: bytes, media_type: str) -> None:
    heard = voice_notes.heard(head + bytes(5000))
    assert (heard.media_type, heard.seconds, heard.speech_seconds) == (media_type, None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Jalan sudah ditambal.",
        b"<!doctype html><script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\x00\x00\x00\x18ftypheic" + bytes(100),
        b"%PDF-1.7" + bytes(100),
        b"RIFF\x00\x00\x00\x00WAVEfmt nonsense",
        b"OggS" + bytes(400),
        b"fLaC" + bytes(400),
        spoken(1)[:30],
        b"\x1aE\xdf\xa3" + bytes(voice_notes.MOST_BYTES),
    ],
)
def test_what_is_no_voice_is_refused_with_the_field_named(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        voice_notes.heard(data)
    assert refused.value.field == "voice"


def test_silence_is_refused_so_that_nobody_files_an_empty_report() -> None:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(5 * RATE, dtype=np.float32), RATE, format="WAV")
    with pytest.raises(Refused, match="Tidak ada suara"):
        voice_notes.heard(out.getvalue())


@pytest.mark.parametrize(("seconds", "fine"), [(600, True), (600.1, False)])
def test_a_voice_has_an_end(seconds: float, fine: bool) -> None:
    """Also one that is small as a file and unfolds to hours."""
    out, rate = io.BytesIO(), 8000
    sound = np.zeros(int(seconds * rate), dtype=np.float32)
    sound[: 3 * rate] = speechlike(3, rate)
    soundfile.write(out, sound, rate, format="FLAC")
    if fine:
        assert voice_notes.heard(out.getvalue()).seconds == seconds
    else:
        with pytest.raises(Refused, match="sepuluh menit"):
            voice_notes.heard(out.getvalue())
