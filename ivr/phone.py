"""Test phone: the same flow in a terminal, for trying and for tests, without a telephone.

What the line would say is printed; keys are typed, or taken from a script; the complaint is
taken from a sound file. The call ends up in the spool as any other, as ``phone-<epoch>.<n>``.

    python -m ivr.phone --audio complaint.wav [--keys 231] [--spool recordings/spool]

One key of the script answers one question; ``-`` says nothing, ``h`` hangs up, and after its
end nothing is pressed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np
import soundfile

from ivr.conduct import Log, Performance, conduct
from ivr.flow import (
    Ask,
    Event,
    HungUp,
    Listen,
    Note,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    Started,
)
from ivr.menu import Menu, build_menu
from ivr.numbers import format_number, is_valid
from ivr.prompts import DEFAULT_RETENTION_DAYS, text_hash, texts
from ivr.speaking import Samples, resampled, write
from ivr.speech import speech_seconds
from ivr.spool import Spool
from ivr.wav import duration

RATE = 8000
NODE = "phone"
_SILENT_S = 1.0


class NoAudio(ValueError):
    """The sound file cannot be used; the message names it and the remedy."""


def run_phone(
    audio: Path,
    keys: str | None,
    spool: Path,
    number: Callable[[], str | None],
    out: TextIO,
    *,
    menu: Menu | None = None,
    retention_days: int = DEFAULT_RETENTION_DAYS,
) -> str:
    """One whole call; returns its id. Its sidecar and clips are in `spool` when this returns.

    `keys` is the script, or None to ask at the terminal. `number` allocates the public number.
    Raises NoAudio before anything is written.
    """
    complaint = _telephone_sound(audio)
    folder = Spool(spool, spool.parent / "quarantine")
    folder.prepare()
    call_id = _new_call(folder)
    sidecar = Log(folder, call_id)
    allocated = number()
    allocated = allocated if allocated and is_valid(allocated) else None
    for key, value in _opening(allocated):
        sidecar.write(key, value)
    spoken = texts(retention_days=retention_days)
    phone = Phone(complaint, _typed(out) if keys is None else iter(keys), folder, call_id, out)
    phone.texts = spoken
    consent = text_hash(spoken["welcome_consent"])[:12]
    try:
        finish = conduct(phone, sidecar, menu or build_menu(), Started(allocated), consent)
        print(f"({call_id}: {finish.outcome})", file=out)
    finally:
        sidecar.write("ended", "16")
    return call_id


def _opening(number: str | None) -> Iterator[tuple[str, str]]:
    yield from (("started", NODE), ("caller", ""), ("called", NODE))
    if number:
        yield "number", number
    yield "mode", "app"


def _telephone_sound(audio: Path) -> Samples:
    try:
        samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise NoAudio(f"audio {audio}: no sound file that can be read: {error}") from error
    return resampled(samples.mean(axis=1), rate, RATE)


def _new_call(spool: Spool) -> str:
    """A call id that nobody has, by making its sidecar."""
    epoch = int(time.time())
    for count in range(1, 10_000):
        call_id = f"{NODE}-{epoch}.{count}"
        try:
            spool.sidecar_path(call_id).touch(mode=0o640, exist_ok=False)
        except FileExistsError:
            continue
        return call_id
    raise OSError("ten thousand test calls in one second")


def _typed(out: TextIO) -> Iterator[str]:
    while True:
        print("key (Enter: none, h: hang up)? ", end="", file=out, flush=True)
        line = sys.stdin.readline()
        yield line.strip()[:1] if line else "h"


class Phone:
    """Performs actions in the terminal. The complaint is the sound file; name and village are
    silence, as from a caller who does not answer."""

    def __init__(
        self, complaint: Samples, keys: Iterator[str], spool: Spool, call_id: str, out: TextIO
    ) -> None:
        self._complaint, self._keys = complaint, keys
        self._spool, self._call_id, self._out = spool, call_id, out
        self.texts: Mapping[str, str] = {}

    def noted(self, note: Note) -> None:
        """Nobody to tell."""

    def perform(self, action: Performance) -> Event:
        """Print what would be heard and say what the caller does."""
        match action:
            case Play(prompts, _):
                self._say(prompts)
                return Played()
            case ReadNumber(number, prompts, _):
                self._print(f"{self.texts.get(prompts[0], prompts[0])}: {format_number(number)}")
                return Played()
            case Ask(prompts, _, _):
                self._say(prompts)
                return self._answer()
            case Record():
                return self._record(action)
            case Listen(clip):
                self._print(f"[{clip} is played]")
                return Played()

    def _answer(self) -> Event:
        key = next(self._keys, "")
        if key == "h":
            return HungUp()
        if not key or key not in "0123456789*#":
            self._print("> (nothing)")
            return Silence()
        self._print(f"> {key}")
        return Pressed(key)

    def _record(self, action: Record) -> Event:
        clip = action.clip
        path = self._spool.clip_path(self._call_id, clip.kind, clip.take)
        silence = np.zeros(int(_SILENT_S * RATE), np.float32)
        sound = self._complaint[: action.max_s * RATE] if clip.kind == "complaint" else silence
        write(path, sound, RATE)
        speech = speech_seconds(path)
        self._print(f"[{clip}: {duration(path):.1f} s, {speech:.1f} s of it speech]")
        return Recorded(clip, duration(path), speech, "silence")

    def _say(self, prompts: tuple[str, ...]) -> None:
        for key in prompts:
            text = self.texts.get(key, key)
            self._print("(beep)" if text.startswith("tone:") else text)

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """``python -m ivr.phone``; 0 after a call, 1 if the sound file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m ivr.phone", description="a test phone")
    parser.add_argument("--audio", type=Path, required=True, help="the complaint, any sound file")
    parser.add_argument("--keys", help="script: one key per question, - for none, h hangs up")
    parser.add_argument("--spool", type=Path, default=Path("recordings/spool"))
    parser.add_argument("--number", help="a public number, as the exchange would allocate it")
    chosen = parser.parse_args(arguments)
    try:
        run_phone(chosen.audio, chosen.keys, chosen.spool, lambda: chosen.number, sys.stdout)
    except NoAudio as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
