"""Test phone: the same flow in a terminal, for trying and for tests, without a telephone.

What the line would say is printed; keys are typed, or taken from a script; the complaint is
taken from a sound file. The call ends up in the spool as any other, as ``phone-<epoch>.<n>``.

    python -m ivr.phone --audio complaint.wav [--keys -1231] [--spool recordings/spool]

Each question takes its keys from the script: one for a choice, a whole number where one is
asked for; ``-`` presses nothing, ``h`` hangs up, and after its end nothing is pressed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np
import soundfile

from ivr.conduct import Inquiry, Log, Performance, conduct, nobody_asks
from ivr.flow import (
    Ask,
    Bridge,
    Connected,
    Event,
    Gather,
    HungUp,
    Join,
    Listen,
    Note,
    Placed,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    Spelled,
    Started,
    number_prompts,
)
from ivr.keys import spelled
from ivr.menu import build_menu
from ivr.nodes import ANY_KEY, Menu
from ivr.numbers import format_number, is_valid
from ivr.prompts import DEFAULT_RETENTION_DAYS, PromptsMissing, consent_version, texts
from ivr.speaking import Samples, resampled, write
from ivr.speech import speech_seconds
from ivr.spool import Spool
from ivr.wav import duration

RATE = 8000
NODE = "phone"
NO_KEY, HANG_UP = "-", "h"
_SILENT_S = 1.0
_ENDS_DIGITS = "*#"


class NoAudio(ValueError):
    """The sound file cannot be used; the message names it and the remedy."""


# ---------------------------------------------------------------- the caller


@dataclass(frozen=True)
class Turn:
    """What a caller does while one action is performed.

    `keys` are pressed in this order; `sound` is what is said into a recording (None: silence);
    `talked`: somebody answered a `Bridge`.
    """

    keys: str = ""
    sound: Samples | None = None
    talked: bool = False
    gone: bool = False


class Caller(Protocol):
    """Who is at the phone."""

    def turn(self, action: Performance) -> Turn:
        """What the caller does about it."""


class Keys:
    """A caller who says `complaint` into the first question and presses keys of a script."""

    def __init__(self, keys: Iterator[str], complaint: Samples) -> None:
        self._keys, self._complaint = keys, complaint

    def turn(self, action: Performance) -> Turn:
        """Keys answer questions only; name and village are silence."""
        match action:
            case Ask():
                return self._typed(1)
            case Gather(_, most, _):
                return self._typed(most)
            case Record(clip) if clip.kind in ("complaint", "report"):
                return Turn(sound=self._complaint)
        return Turn()

    def _typed(self, most: int) -> Turn:
        typed = ""
        while len(typed) < most:
            key = next(self._keys, NO_KEY)
            if key == HANG_UP:
                return Turn(gone=True)
            if key not in ANY_KEY:
                break
            typed += key
            if key in _ENDS_DIGITS:
                break
        return Turn(typed)


def event_of(action: Performance, turn: Turn) -> Event:
    """The event that a caller's turn is, for everything but a `Record`."""
    first = turn.keys[:1]
    match action:
        case _ if turn.gone:
            return HungUp()
        case Play(_, keys) | ReadNumber(_, _, keys):
            return Played(next((key for key in turn.keys if key in keys), None))
        case Ask():
            return Pressed(first) if first else Silence()
        case Gather(_, most, _):
            return spelled(turn.keys, most)
        case Bridge():
            return Connected(turn.talked, first or None)
    return Played(first or None)


# ---------------------------------------------------------------- the line


class Phone:
    """Performs actions in the terminal, and keeps what the caller says in the spool."""

    def __init__(
        self,
        caller: Caller,
        spool: Spool,
        call_id: str,
        out: TextIO,
        retention_days: int = DEFAULT_RETENTION_DAYS,
    ) -> None:
        self._caller, self._spool, self._call_id, self._out = caller, spool, call_id, out
        self._retention_days = retention_days
        self.texts: Mapping[str, str] = texts(retention_days=retention_days)

    def noted(self, note: Note) -> None:
        """Nobody to tell."""

    def speak(self, language: str) -> None:
        """Print the texts of this language from here on, if it has any."""
        try:
            self.texts = texts(language, self._retention_days)
        except PromptsMissing:
            self._print(f"({language}: no texts yet)")

    def perform(self, action: Performance) -> Event:
        """Print what would be heard and say what the caller does."""
        if isinstance(action, Join):
            return Placed()
        self._show(action)
        turn = self._caller.turn(action)
        if isinstance(action, Record):
            return self._record(action, turn)
        event = event_of(action, turn)
        if isinstance(action, Ask | Gather) or isinstance(event, HungUp):
            self._print(f"> {_heard_from(event)}")
        return event

    def _show(self, action: Performance) -> None:
        match action:
            case Play(prompts) | Ask(prompts) | Gather(prompts):
                for key in prompts:
                    self._print(_said(self.texts.get(key, key)))
            case ReadNumber(number, prompts):
                lead = _before(prompts, number)
                said = " ".join(self.texts.get(key, key) for key in lead if key != "pause")
                self._print(f"{said}: {format_number(number)}")
            case Listen(clip):
                self._print(f"[{clip} is played]")
            case Bridge(to, wait_s):
                self._print(f"[music: {to} is called, {wait_s:g} s]")

    def _record(self, action: Record, turn: Turn) -> Event:
        ended_by = "hangup" if turn.gone else "key" if turn.keys else "silence"
        key = turn.keys[:1]
        event = keep(self._spool, self._call_id, action, turn.sound, ended_by=ended_by, key=key)
        self._print(f"[{event.clip}: {event.seconds:.1f} s, {event.speech_seconds:.1f} s speech]")
        return event

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def keep(
    spool: Spool,
    call_id: str,
    action: Record,
    sound: Samples | None,
    *,
    ended_by: str,
    key: str = "",
) -> Recorded:
    """Write what was said (8 kHz, None: a second of silence) as the clip of `action`.

    Raises OSError if it cannot be written.
    """
    said = np.zeros(int(_SILENT_S * RATE), np.float32) if sound is None else sound
    path = spool.clip_path(call_id, action.clip.kind, action.clip.take)
    write(path, said[: action.max_s * RATE], RATE)
    return Recorded(action.clip, duration(path), speech_seconds(path), ended_by, key or None)


def _before(prompts: tuple[str, ...], number: str) -> tuple[str, ...]:
    """What is said before the number, its introduction included."""
    for at, key in enumerate(prompts):
        spoken = number_prompts(key, number)
        if prompts[at : at + len(spoken)] == spoken:
            return prompts[: at + 1]
    return prompts[:1]


def _said(text: str) -> str:
    return "(beep)" if text.startswith("tone:") else text


def _heard_from(event: Event) -> str:
    match event:
        case Pressed(key):
            return key
        case Spelled(digits, key) if digits or key:
            return digits + (key or "")
        case HungUp():
            return "(hangs up)"
    return "(nothing)"


# ---------------------------------------------------------------- a whole call


def run_phone(
    audio: Path,
    keys: str | None,
    spool: Path,
    number: Callable[[], str | None],
    out: TextIO,
    *,
    menu: Menu | None = None,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    pin: str = "",
    mode: str = "normal",
    inquiry: Inquiry = nobody_asks,
) -> str:
    """One whole call; returns its id. Its sidecar and clips are in `spool` when this returns.

    `keys` is the script, or None to ask at the terminal. `number` allocates the public number;
    `pin` is what it is read with. Raises NoAudio before anything is written.
    """
    caller = Keys(_typed(out) if keys is None else iter(keys), telephone_sound(audio))
    folder = Spool(spool, spool.parent / "quarantine")
    folder.prepare()
    call_id = new_call(folder)
    allocated = number()
    started = Started(
        allocated if allocated and is_valid(allocated) else None, pin=pin if allocated else ""
    )
    sidecar = open_sidecar(folder, call_id, started)
    phone = Phone(caller, folder, call_id, out, retention_days)
    consent = partial(consent_version, retention_days=retention_days)
    try:
        finish = conduct(phone, sidecar, menu or build_menu(), started, consent, inquiry)
        print(f"({call_id}: {finish.outcome})", file=out)
    finally:
        sidecar.write("ended", "16")
    return call_id


def open_sidecar(spool: Spool, call_id: str, started: Started, node: str = NODE) -> Log:
    """The sidecar of a call that begins, with its first lines."""
    sidecar = Log(spool, call_id)
    for key, value in (("started", node), ("caller", ""), ("called", node)):
        sidecar.write(key, value)
    if started.number:
        sidecar.write("number", started.number)
    sidecar.write("mode", "app")
    return sidecar


def telephone_sound(audio: Path) -> Samples:
    """A sound file as a telephone carries it: mono, 8 kHz. Raises NoAudio."""
    try:
        samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise NoAudio(f"audio {audio}: no sound file that can be read: {error}") from error
    return resampled(samples.mean(axis=1), rate, RATE)


def new_call(spool: Spool) -> str:
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
    """The keys of the terminal, line by line; an empty line presses nothing."""
    while True:
        print("keys (Enter: none, h: hang up)? ", end="", file=out, flush=True)
        line = sys.stdin.readline()
        yield from (line.strip() or NO_KEY) if line else HANG_UP


def main(arguments: list[str] | None = None) -> int:
    """``python -m ivr.phone``; 0 after a call, 1 if the sound file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m ivr.phone", description="a test phone")
    parser.add_argument("--audio", type=Path, required=True, help="the complaint, any sound file")
    parser.add_argument("--keys", help="script of keys, - for none, h hangs up")
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
