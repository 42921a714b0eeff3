"""What the caller can tell from what it heard, with the line's own prompts."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.caller.g711 import RATE, Samples, round_trip
from ivr.caller.hearing import contains, heard_numbers, heard_prompts, spoken_within
from ivr.caller.script import read_audio
from ivr.prompts import SAMPLE

FOLDER = Path(__file__).parents[2] / "recordings" / "prompts" / "id"
PROMPTS = {path.stem: path for path in sorted(FOLDER.glob("*.wav"))}
DIGITS = {f"digit_{digit}": FOLDER / f"digit_{digit}.wav" for digit in range(10)}
CLIPS = {key: read_audio(path) for key, path in PROMPTS.items()}


def quiet(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), dtype=np.int16)


def line(*keys: str | float) -> Samples:
    """What the line plays: prompt keys, and seconds of silence in between."""
    parts = [CLIPS[each] if isinstance(each, str) else quiet(each) for each in keys]
    return round_trip(np.concatenate(parts)) if parts else quiet(0)


def number(digits: str) -> list[str]:
    """Keys as the line reads a number: in pairs, a pause between the pairs."""
    keys: list[str] = []
    for i, digit in enumerate(digits):
        keys += ["pause"] * (i > 0 and i % 2 == 0) + [f"digit_{digit}"]
    return keys


def noisy(samples: Samples, decibels: float, seed: int = 1) -> Samples:
    """With white noise so many dB below the sound."""
    wave = samples.astype(np.float64)
    loudness = np.sqrt(np.mean(wave[np.abs(wave) > 50] ** 2))
    noise = np.random.default_rng(seed).normal(0, loudness * 10 ** (-decibels / 20), len(wave))
    return np.clip(wave + noise, -32768, 32767).astype(np.int16)


def test_the_prompts_are_there() -> None:
    assert set(DIGITS) | {"beep", "number_intro", "number_again"} <= set(PROMPTS)


@pytest.mark.parametrize("digit", "0123456789")
def test_each_digit_is_itself_and_no_other(digit: str) -> None:
    assert heard_numbers(line(0.3, f"digit_{digit}", 0.3), DIGITS) == [digit]


@pytest.mark.parametrize("keys", [["0123456789"], ["00112233"], ["98765432", "98765432"]])
def test_numbers_read_in_pairs(keys: list[str]) -> None:
    played: list[str | float] = []
    for digits in keys:
        played += ["number_intro", *number(digits), 0.5]
    assert heard_numbers(line(*played), PROMPTS) == keys


def test_random_numbers_over_a_bad_line() -> None:
    chance = random.Random(24)
    for seed in range(20):
        digits = "".join(chance.choice("0123456789") for _ in range(8))
        heard = noisy(line(chance.random(), *number(digits)), 6, seed)
        assert heard_numbers(heard, DIGITS) == [digits]


def test_digits_without_any_pause_between() -> None:
    assert heard_numbers(line(*(f"digit_{d}" for d in "9081726354")), DIGITS) == ["9081726354"]


def test_the_other_law_of_the_telephone() -> None:
    heard = round_trip(np.concatenate([CLIPS[key] for key in number("24035510")]), "PCMU")
    assert heard_numbers(heard, DIGITS, law="PCMU") == ["24035510"]
    assert heard_numbers(heard, DIGITS) == ["24035510"]


@pytest.mark.parametrize("gain", [0.25, 0.5])
def test_a_quiet_line(gain: float) -> None:
    heard = (line(*number("13579864")) * gain).astype(np.int16)
    assert heard_numbers(round_trip(heard), DIGITS) == ["13579864"]


def test_lost_frames_cost_no_digit() -> None:
    heard = line(*number("13579864"))
    for start in range(1600, len(heard), 4000):  # 20 ms in every half second
        heard[start : start + 160] = 0
    assert heard_numbers(heard, DIGITS) == ["13579864"]


def test_a_pause_or_a_prompt_ends_a_number() -> None:
    heard = line(*number("12"), 2.5, *number("34"), "number_again", *number("56"))
    assert heard_numbers(heard, PROMPTS) == ["12", "34", "56"]


def test_nothing_is_heard_in_noise_silence_or_nothing() -> None:
    for heard in (quiet(0), quiet(0.01), quiet(5), noisy(line("pause", "thanks"), -30)):
        assert heard_prompts(heard, DIGITS) == []


def test_no_digit_is_heard_in_other_prompts() -> None:
    words = sorted(PROMPTS.keys() - DIGITS.keys())
    assert heard_numbers(line(*words), DIGITS) == []


def test_every_prompt_is_found_where_it_was_played() -> None:
    keys = [key for key in sorted(PROMPTS) if key != "pause"]
    heard = line(*(each for key in keys for each in (key, 0.2)))
    found = heard_prompts(heard, PROMPTS)
    assert [key for _, key in found] == keys
    at = 0.0
    for start, key in found:
        assert start == pytest.approx(at, abs=0.005 if key != "beep" else 0.02)
        at += len(CLIPS[key]) / RATE + 0.2


def test_an_interrupted_prompt_was_not_heard() -> None:
    heard = line("review")[: RATE * 2]
    assert heard_prompts(heard, PROMPTS) == []


def test_a_prompt_of_another_rate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.ones(100, dtype=np.int16), 16000)
    with pytest.raises(ValueError, match=r"x\.wav: must be 8 kHz"):
        heard_prompts(quiet(1), {"x": path})


def test_contains() -> None:
    assert contains(line(0.4, "thanks", 0.2), CLIPS["thanks"][-RATE:])
    assert not contains(line("thanks"), CLIPS["review"][-RATE:])
    assert not contains(quiet(0), CLIPS["thanks"])
    assert not contains(quiet(9), quiet(1))


SPOKEN = read_audio(SAMPLE)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.53, 7.01, 12.0])
def test_as_much_as_was_recorded(seconds: float) -> None:
    recording = round_trip(SPOKEN)[: int(seconds * RATE)]
    offset, matched = spoken_within(recording, SPOKEN)
    assert offset == 0.0
    assert matched == pytest.approx(seconds, abs=0.11)


@pytest.mark.parametrize("before", [0.0, 0.3, 4.0])
def test_where_the_speech_begins(before: float) -> None:
    recording = noisy(round_trip(np.concatenate([quiet(before), SPOKEN, quiet(2)])), 25)
    offset, matched = spoken_within(recording, SPOKEN)
    assert offset == pytest.approx(before, abs=0.001)
    assert matched == pytest.approx(len(SPOKEN) / RATE, abs=0.31)


def test_a_recording_that_began_late() -> None:
    offset, matched = spoken_within(round_trip(SPOKEN)[RATE:], SPOKEN)
    assert offset == pytest.approx(-1.0)
    assert matched == pytest.approx(len(SPOKEN) / RATE - 1, abs=0.11)


def test_a_lost_and_a_doubled_frame_cost_a_piece_each() -> None:
    whole = round_trip(SPOKEN)
    recording = np.concatenate([whole[:16000], whole[16160:40000], whole[39840:]])
    _, matched = spoken_within(recording, SPOKEN)
    assert matched == pytest.approx(len(SPOKEN) / RATE, abs=0.31)


def test_a_hole_in_the_recording_is_missed() -> None:
    recording = round_trip(SPOKEN)
    recording[3 * RATE : 6 * RATE] = 0
    _, matched = spoken_within(recording, SPOKEN)
    assert matched < len(SPOKEN) / RATE - 2


@pytest.mark.parametrize("recording", [quiet(0), quiet(3), CLIPS["review"]])
def test_other_recordings_hold_nothing_of_it(recording: Samples) -> None:
    _, matched = spoken_within(recording, SPOKEN)
    assert matched < 1.5
