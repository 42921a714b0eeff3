"""The caller's mouth, ear and script: packets, the time line, and what happens after what."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from ivr.caller.ear import Ear
from ivr.caller.g711 import RATE, SILENCE, Law, Samples, decode, encode
from ivr.caller.rtp import FRAME, FRAME_S, Mouth, Packet, key_tone, read_packet
from ivr.caller.script import (
    After,
    Beep,
    CallPlan,
    HangUp,
    Heard,
    Player,
    Press,
    Quiet,
    Say,
    Step,
    Trigger,
    Wait,
    read_audio,
    speaking,
)


def tone(hertz: float, seconds: float, amplitude: float = 8000) -> Samples:
    t = np.arange(int(seconds * RATE)) / RATE
    return np.asarray(amplitude * np.sin(2 * np.pi * hertz * t), dtype=np.int16)


def quiet(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), dtype=np.int16)


def voice(seconds: float, seed: int = 1) -> Samples:
    """Something loud that is no beep."""
    noise = np.random.default_rng(seed).normal(0, 3000, int(seconds * RATE))
    return np.asarray(np.clip(noise, -32768, 32767), dtype=np.int16)


BEEP = tone(1000, 0.25)


# -- G.711 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("law", "subtype"), [("PCMA", "ALAW"), ("PCMU", "ULAW")])
def test_g711_agrees_with_libsndfile(law: Law, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "codes.raw"
    path.write_bytes(bytes(range(256)))
    theirs, _ = soundfile.read(
        path, dtype="int16", samplerate=RATE, channels=1, subtype=subtype, format="RAW"
    )
    assert np.array_equal(decode(bytes(range(256)), law), theirs)


@pytest.mark.parametrize("law", ["PCMA", "PCMU"])
def test_g711_takes_the_nearest_step(law: Law) -> None:
    every = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
    error = np.abs(decode(encode(every, law), law).astype(int) - every)
    assert np.all(error <= np.maximum(16, np.abs(every.astype(int)) // 24 + 16))
    codes = bytes(range(256))
    assert decode(encode(decode(codes, law), law), law).tolist() == decode(codes, law).tolist()
    assert encode(quiet(0.001), law) == bytes([SILENCE[law]]) * 8


# -- packets ----------------------------------------------------------------------------------


def packets(mouth: Mouth, ticks: int) -> list[Packet]:
    found = [read_packet(data) for _ in range(ticks) for data in mouth.tick()]
    assert None not in found
    return [packet for packet in found if packet]


def test_silence_flows_when_nothing_is_said() -> None:
    sent = packets(Mouth("PCMA", 8, 101), 3)
    assert [packet.payload for packet in sent] == [b"\xd5" * FRAME] * 3
    assert {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(sent)} == {FRAME}
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(sent)} == {1}


def test_speech_is_counted_to_the_sample() -> None:
    mouth = Mouth("PCMU", 0, None)
    audio = voice(0.05)
    mouth.say(audio)
    sent = packets(mouth, 4)
    assert b"".join(packet.payload for packet in sent)[:400] == encode(audio, "PCMU")
    assert mouth.spoken_samples == 400 and not mouth.busy


def test_a_key_is_one_event_that_grows_and_ends_three_times() -> None:
    mouth = Mouth("PCMA", 8, 96)
    mouth.press("#")
    first = mouth.tick()[0]
    assert first[1] == 96 | 0x80  # the marker bit
    sent = [packet for packet in packets(mouth, 8) if packet.payload_type == 96]
    start = read_packet(first)
    assert start is not None
    assert {packet.timestamp for packet in sent} == {start.timestamp}
    durations = [int.from_bytes(packet.payload[2:], "big") for packet in sent]
    assert durations == [320, 480, 640, 800, 960, 960, 960]
    assert [packet.payload[1] >> 7 for packet in sent] == [0, 0, 0, 0, 1, 1, 1]
    assert {packet.payload[0] for packet in sent} == {11}
    after = packets(mouth, 1)[0]
    assert (after.timestamp - start.timestamp) & 0xFFFFFFFF == 9 * FRAME


def test_without_telephone_events_a_key_is_a_tone() -> None:
    mouth = Mouth("PCMA", 8, None)
    mouth.press("5")
    heard = decode(b"".join(packet.payload for packet in packets(mouth, 6)), "PCMA")
    spectrum = np.abs(np.fft.rfft(heard))
    peaks = sorted(np.argsort(spectrum)[-2:] * RATE / len(heard))
    assert peaks == pytest.approx([770, 1336], abs=9)
    assert not np.array_equal(key_tone("5"), key_tone("6"))


@given(st.binary(max_size=80))
def test_any_datagram_is_a_packet_or_nothing(data: bytes) -> None:
    for each in (data, b"\x80" + data, b"\xbf" + data):
        packet = read_packet(each)
        if packet:
            Ear(0.0).take(packet, 0.1)


def test_extensions_sources_and_padding_are_passed_over() -> None:
    head = bytes([0xB1, 8]) + bytes(10)
    data = head + b"CSRC" + b"\0\0\0\1" + b"ext!" + b"abc" + b"\0\0\3"
    packet = read_packet(data)
    assert packet is not None and packet.payload == b"abc"
    assert read_packet(data[:14]) is None
    assert read_packet(data[:-1] + b"\xff") is None


# -- the ear ----------------------------------------------------------------------------------


class Line:
    """Sends audio to an ear in frames of 20 ms, as the far side does."""

    def __init__(self, ear: Ear, now: float = 0.0) -> None:
        self.ear, self.now, self.timestamp, self.ssrc = ear, now, 4294967000, 1

    def play(self, audio: Samples) -> None:
        for start in range(0, len(audio), FRAME):
            self.now += FRAME_S
            payload = encode(audio[start : start + FRAME], "PCMA")
            self.ear.take(Packet(8, 0, self.timestamp, self.ssrc, payload), self.now)
            self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.timestamp = (self.timestamp + int(seconds * RATE)) & 0xFFFFFFFF
        self.ear.pass_time(self.now)


def test_gaps_are_silence_of_their_length() -> None:
    line = Line(Ear(0.0))
    line.play(voice(0.1))
    line.pause(0.5)
    line.play(voice(0.1))
    heard = line.ear.heard()
    assert len(heard) == int(0.7 * RATE)
    assert not heard[800:4800].any() and heard[4800:].any()


def test_jitter_moves_nothing_and_a_new_stream_begins_where_it_arrives() -> None:
    line = Line(Ear(0.0))
    line.play(voice(0.1))
    line.now += 0.1  # late, but the time stamp says otherwise
    line.play(voice(0.1))
    assert len(line.ear.heard()) == int(0.2 * RATE)
    line.ssrc, line.timestamp, line.now = 2, 5, 1.0
    line.play(voice(0.1))
    assert len(line.ear.heard()) == int(1.1 * RATE)


def test_a_clock_that_jumps_is_not_believed() -> None:
    line = Line(Ear(0.0))
    line.play(voice(0.1))
    line.timestamp = (line.timestamp + 2**31) & 0xFFFFFFFF
    line.play(voice(0.1))
    assert len(line.ear.heard()) == int(0.2 * RATE)


def test_frames_out_of_order_find_their_place() -> None:
    ear = Ear(0.0)
    for i, now in ((0, 0.02), (2, 0.06), (1, 0.061)):
        ear.take(Packet(8, i, i * FRAME, 1, encode(voice(0.02, i), "PCMA")), now)
    expected = np.concatenate([voice(0.02, i) for i in range(3)])
    assert np.corrcoef(ear.heard(), expected)[0, 1] > 0.99


@pytest.mark.parametrize("amplitude", [500, 8000, 32000])
def test_a_beep_is_heard_when_it_ends(amplitude: float) -> None:
    line = Line(Ear(0.0))
    line.play(voice(0.31))
    line.play(tone(1000, 0.25, amplitude))
    assert line.ear.beeps == 0
    line.play(quiet(0.02))
    assert line.ear.beeps == 1 and line.ear.beep_ended_at == line.now


def test_a_beep_ends_too_where_the_line_stops_sending() -> None:
    line = Line(Ear(0.0))
    line.play(BEEP)
    line.ear.pass_time(line.now + 0.04)
    assert line.ear.beeps == 0
    line.ear.pass_time(line.now + 0.07)
    assert line.ear.beeps == 1


@pytest.mark.parametrize(("stutter", "beeps"), [(0.39, 1), (0.41, 0)])
def test_a_stutter_in_the_middle_hides_no_beep(stutter: float, beeps: int) -> None:
    line = Line(Ear(0.0))
    line.play(BEEP[: len(BEEP) // 2])
    line.now += stutter
    line.ear.pass_time(line.now)
    line.play(BEEP[len(BEEP) // 2 :])
    line.play(quiet(0.02))
    assert line.ear.beeps == beeps


@pytest.mark.parametrize(
    "audio", [voice(1), tone(950, 0.5), tone(1100, 0.5), tone(1000, 0.1), tone(1000, 0.5, 50)]
)
def test_other_sounds_are_no_beep(audio: Samples) -> None:
    line = Line(Ear(0.0))
    line.play(audio)
    line.play(quiet(0.1))
    assert line.ear.beeps == 0


# -- the script -------------------------------------------------------------------------------


class Stage:
    """A player, its mouth and a line that plays to it, all on one clock."""

    def __init__(self, *steps: Step, hangup_after: float | None = None) -> None:
        self.mouth, self.line = Mouth("PCMA", 8, 101), Line(Ear(0.0))
        self.said: list[tuple[float, str]] = []
        plan = CallPlan(steps=steps, hangup_after=hangup_after)
        self.player = Player(plan, self.mouth, self.line.ear, 0.0, self._tell)
        self.hung_up_at: float | None = None

    def _tell(self, what: str) -> None:
        self.said.append((round(self.line.now, 2), what))

    def play(self, audio: Samples) -> None:
        for start in range(0, len(audio), FRAME):
            self.line.play(audio[start : start + FRAME])
            if self.hung_up_at is None and self.player.tick(self.line.now):
                self.hung_up_at = round(self.line.now, 2)
            self.mouth.tick()

    def when(self, what: str) -> float:
        return next(at for at, each in self.said if each == what)


def test_it_speaks_after_the_beep_and_hangs_up_in_the_middle() -> None:
    stage = Stage(*speaking(voice(3)), hangup_after=1.5)
    stage.play(voice(2))
    stage.play(BEEP)
    stage.play(quiet(2))
    assert stage.when("say 3.0 s") == pytest.approx(2.27, abs=0.03)
    assert stage.hung_up_at == pytest.approx(2.27 + 1.5, abs=0.03)


def test_without_speech_the_clock_runs_from_the_answer() -> None:
    stage = Stage(hangup_after=0.5)
    stage.play(quiet(1))
    assert stage.hung_up_at == pytest.approx(0.5, abs=0.03)


def test_a_beep_that_ended_during_the_step_before_counts_no_more() -> None:
    stage = Stage(Say(voice(1), After(0)), Say(voice(0.5)))
    stage.play(np.concatenate([quiet(0.2), BEEP, quiet(1)]))
    assert [what for _, what in stage.said] == ["say 1.0 s", "beep", "done"]
    stage.play(np.concatenate([BEEP, quiet(0.2)]))
    assert stage.said[-1][1] == "say 0.5 s"


def test_keys_are_pressed_as_a_person_presses_them() -> None:
    stage = Stage(*speaking(voice(1), keys="12", name=voice(0.2)))
    stage.play(np.concatenate([BEEP, quiet(3)]))
    assert stage.when("press 1") == pytest.approx(0.27 + 1.0 + 0.5, abs=0.06)
    assert all(what != "press 2" for _, what in stage.said)
    stage.play(np.concatenate([voice(1), quiet(0.4), voice(1), quiet(1)]))
    assert stage.when("press 2") == pytest.approx(3.25 + 2.4 + 0.8, abs=0.06)
    stage.play(np.concatenate([BEEP, quiet(0.1)]))
    assert stage.said[-1][1] == "say 0.2 s"


def test_an_awaited_prompt_is_recognised_when_it_ends() -> None:
    prompt = voice(2, seed=7)
    stage = Stage(Press("3", Heard(prompt)), HangUp(After(0.1)))
    stage.play(np.concatenate([voice(2, seed=8), prompt[:8000], quiet(1)]))
    assert stage.said == []
    stage.play(np.concatenate([prompt, quiet(1)]))
    assert stage.when("press 3") == pytest.approx(4 + 2, abs=0.15)
    assert stage.hung_up_at is not None


def test_a_prompt_before_the_step_is_not_heard_again() -> None:
    prompt = voice(1, seed=7)
    stage = Stage(Wait(Heard(prompt)), Press("3", Heard(prompt)))
    stage.play(np.concatenate([prompt, quiet(2)]))
    assert [what for _, what in stage.said] == ["waited", "done"]


@pytest.mark.parametrize("keys", ["", "x", "1 2", "1\n"])
def test_wrong_keys_are_named(keys: str) -> None:
    with pytest.raises(ValueError, match="only 0-9"):
        Press(keys)


def test_a_caller_that_is_no_number() -> None:
    with pytest.raises(ValueError, match="caller"):
        CallPlan(caller="a\r\nb")


@pytest.mark.parametrize("trigger", [Beep(), After(1), Quiet(), Heard(quiet(1))])
def test_nothing_happens_by_itself(trigger: Trigger) -> None:
    stage = Stage(HangUp(trigger))
    stage.play(quiet(0.5))
    assert stage.hung_up_at is None


def test_audio_of_any_rate_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    t = np.arange(44100) / 44100
    soundfile.write(path, np.stack([np.sin(2 * np.pi * 440 * t) * 0.5] * 2, axis=1), 44100)
    audio = read_audio(path)
    assert len(audio) == pytest.approx(RATE, abs=2) and audio.dtype == np.int16
    assert np.argmax(np.abs(np.fft.rfft(audio))) == pytest.approx(440, abs=1)


def test_a_file_that_is_no_audio_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"not audio")
    for each in (path, tmp_path / "absent.wav"):
        with pytest.raises(ValueError, match=each.name):
            read_audio(each)
