"""What is speech and what is not, through the telephone's own codec."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ivr.speaking import Samples, levelled, spoken, write
from ivr.speech import COMPLAINT_S, speech_at_once, speech_in, speech_seconds
from ivr.wav import NotAWave

RATE = 8000
SENTENCE = "Lampu jalan di depan pasar Bangli mati sejak tiga hari yang lalu"
DICE = np.random.default_rng(1)


@cache
def said(text: str, dbfs: float = -20, voice: str = "id") -> Samples:
    return levelled(spoken(text, voice, RATE), RATE, dbfs)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)


def noise(seconds: float, dbfs: float) -> Samples:
    return np.asarray(DICE.normal(0, 10 ** (dbfs / 20), int(seconds * RATE)), np.float32)


def tone(seconds: float, *hertz: float) -> Samples:
    at = np.arange(int(seconds * RATE)) / RATE
    waves = [0.18 / len(hertz) * np.sin(2 * np.pi * h * at) for h in hertz]
    return np.asarray(np.sum(waves, axis=0), np.float32)


def repeated(times: int, *parts: Samples) -> Samples:
    return np.concatenate(parts * times)


def on_the_line(samples: Samples) -> bytes:
    """Through mu-law (ITU-T G.711, the continuous curve) and back, as 16 bit."""
    level = np.log1p(255 * np.clip(np.abs(samples), 0, 1)) / np.log(256)
    coded = np.sign(samples) * np.round(level * 127) / 127
    heard = np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255
    return bytes((heard * 32767).astype("<i2").tobytes())


@pytest.mark.parametrize("voice", ["id", "id+f3", "id+m3"])
@pytest.mark.parametrize(("dbfs", "line_noise"), [(-20, -60), (-20, -40), (-30, -45), (-38, -60)])
def test_a_sentence_is_heard(voice: str, dbfs: float, line_noise: float) -> None:
    sentence = said(SENTENCE, dbfs, voice)
    whole = np.concatenate([silence(2), sentence, silence(4)])
    heard = speech_in(on_the_line(whole + noise(len(whole) / RATE, line_noise)), RATE)
    assert 0.75 * len(sentence) / RATE <= heard <= len(sentence) / RATE + 0.1


@pytest.mark.parametrize("text", ["tolong, kebakaran", "lampu mati", "jalan rusak parah"])
def test_two_words_are_a_complaint(text: str) -> None:
    whole = np.concatenate([silence(1), said(text), silence(4)])
    assert speech_in(on_the_line(whole), RATE) >= COMPLAINT_S


@pytest.mark.parametrize("start", [0.0, 0.7, 1.9, 3.1])
def test_one_second_out_of_a_sentence_is_a_complaint(start: float) -> None:
    part = said(SENTENCE)[int(start * RATE) : int((start + 1) * RATE)]
    assert speech_in(on_the_line(part), RATE) >= COMPLAINT_S


@pytest.mark.parametrize(
    "sound",
    [
        silence(6),
        silence(0.01),
        noise(6, -60),
        noise(6, -45),
        noise(6, -30),
        noise(6, -20),
        tone(6, 425),
        tone(6, 350, 440),
        tone(6, 770, 1336),
        repeated(6, tone(0.5, 425), silence(0.5)),
        repeated(6, tone(0.12, 697, 1209), silence(0.1)),
        tone(6, 50) + noise(6, -50),
        repeated(12, noise(0.01, -10), silence(0.4)),
    ],
    ids=[
        "silence",
        "nothing",
        "faint noise",
        "noise",
        "loud noise",
        "very loud noise",
        "busy tone, held",
        "dial tone",
        "key held",
        "busy tone",
        "keys",
        "hum",
        "clicks",
    ],
)
def test_what_is_no_speech(sound: Samples) -> None:
    assert speech_in(on_the_line(sound), RATE) < COMPLAINT_S / 2


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    write(path, said(SENTENCE), RATE)
    assert speech_seconds(path) == pytest.approx(4.2, abs=0.4)
    path.write_bytes(path.read_bytes()[:40] + bytes(4) + path.read_bytes()[44:])
    assert speech_seconds(path) == pytest.approx(4.2, abs=0.4)


def test_a_long_recording_is_looked_at_until_there_is_plenty(tmp_path: Path) -> None:
    sentence = said(SENTENCE)
    write(tmp_path / "long.wav", np.concatenate([silence(7), *[sentence] * 9]), RATE)
    whole = speech_seconds(tmp_path / "long.wav")
    assert 2 <= speech_at_once(tmp_path / "long.wav", 2.0) < 6 < whole
    assert speech_at_once(tmp_path / "long.wav", 1000.0) == whole


@pytest.mark.parametrize("seconds", [2, 10])
def test_without_plenty_all_of_it_counts(tmp_path: Path, seconds: float) -> None:
    word = np.concatenate([silence(seconds), said("lampu mati"), noise(seconds, -60)])
    write(tmp_path / "word.wav", word, RATE)
    heard = speech_at_once(tmp_path / "word.wav", 2.0)
    assert COMPLAINT_S <= heard == speech_seconds(tmp_path / "word.wav") < 2


def test_a_file_that_somebody_writes_to_is_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    write(path, silence(2), RATE)
    assert speech_seconds(path) == 0
    write(path, said(SENTENCE)[: 3 * RATE], RATE)
    assert speech_seconds(path) > 1


def test_what_is_no_recording_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"x" * 100)
    with pytest.raises(NotAWave):
        speech_seconds(path)
