"""What the caller does during a call: steps, each after something happened.

    speaking(clip, keys="11")           say it after the beep, press 1, listen, press 1
    (Say(clip, After(2)), HangUp(Quiet(3)))

After the last step the caller stays silent on the line until the line hangs up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr

from ivr.caller.ear import Ear
from ivr.caller.g711 import RATE, Samples
from ivr.caller.hearing import contains
from ivr.caller.rtp import KEYS, Mouth
from ivr.caller.sip import Account, valid_user

_LOOK_EVERY: Final = 0.1  # seconds between two searches for an awaited prompt
_TAIL: Final = 1.5  # seconds of a prompt's end that are searched for


@dataclass(frozen=True)
class Beep:
    """The line's beep has ended."""


@dataclass(frozen=True)
class After:
    """So many seconds after the step before was done (for the first step: after the answer)."""

    seconds: float


@dataclass(frozen=True)
class Quiet:
    """The line said something since the step before, and then nothing for so many seconds."""

    seconds: float = 0.8


@dataclass(frozen=True)
class Heard:
    """The end of this prompt was heard (8 kHz, 16 bit)."""

    prompt: Samples = field(repr=False)


Trigger = Beep | After | Quiet | Heard


@dataclass(frozen=True)
class Say:
    audio: Samples = field(repr=False)
    after: Trigger = field(default_factory=Beep)


@dataclass(frozen=True)
class Press:
    """Keys of `0-9 * # A-D`, one after the other."""

    keys: str
    after: Trigger = field(default_factory=Quiet)

    def __post_init__(self) -> None:
        if not self.keys or any(key not in KEYS for key in self.keys):
            raise ValueError(f"keys {self.keys!r}: only 0-9, *, # and A-D can be pressed")


@dataclass(frozen=True)
class Wait:
    after: Trigger


@dataclass(frozen=True)
class HangUp:
    after: Trigger


Step = Say | Press | Wait | HangUp


@dataclass(frozen=True)
class CallPlan:
    """One call. Times are seconds; None: never.

    `hangup_after` counts from the first word spoken, from the answer if nothing is to be said.
    `cancel_after` counts from the INVITE and gives up a line that still rings.
    `caller` is the number that the line is shown; with an account it is the account's user.
    `start_after` delays the INVITE, so that many calls do not begin in the same millisecond.
    """

    steps: tuple[Step, ...] = ()
    hangup_after: float | None = None
    cancel_after: float | None = None
    start_after: float = 0.0
    caller: str = "anonymous"
    account: Account | None = None
    ring_s: float = 30.0
    limit_s: float = 900.0

    def __post_init__(self) -> None:
        if not valid_user(self.caller):
            raise ValueError("caller: at most 64 letters, digits and +*#._-~")

    @property
    def speaks(self) -> bool:
        return any(isinstance(step, Say) for step in self.steps)


def speaking(
    audio: Samples,
    *,
    keys: str = "",
    name: Samples | None = None,
    village: Samples | None = None,
    speak_after: Trigger | None = None,
) -> tuple[Step, ...]:
    """A citizen: complaint after the beep, keys as a person presses them, name, village.

    The first key is pressed half a second after the last word (it ends the recording), each
    further one when the line has finished saying something. Raises ValueError for a wrong key.
    """
    steps: list[Step] = [Say(audio, speak_after or Beep())]
    for i, key in enumerate(keys):
        steps.append(Press(key, Quiet() if i else After(0.5)))
    steps += [Say(clip) for clip in (name, village) if clip is not None]
    return tuple(steps)


def read_audio(path: Path | str) -> Samples:
    """A sound file of any kind and rate as 8 kHz mono, 16 bit.

    Raises ValueError naming the file and the remedy.
    """
    try:
        wave, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise ValueError(f"audio {path}: not a sound file that can be read: {error}") from error
    mono = wave.mean(axis=1)
    if rate != RATE:
        mono = soxr.resample(mono, rate, RATE)
    return np.asarray(np.clip(np.round(mono * 32768), -32768, 32767), dtype=np.int16)


class Player:
    """Plays a plan on one answered call. `tick` before every frame; True: hang up now."""

    def __init__(
        self, plan: CallPlan, mouth: Mouth, ear: Ear, now: float, tell: Callable[[str], None]
    ) -> None:
        self._plan, self._mouth, self._ear, self._tell = plan, mouth, ear, tell
        self._steps = list(plan.steps)
        self._ready_at = now
        self._busy = False
        self._beeps = 0
        self._looked_at = now
        self._hang_up_at = None if plan.speaks else _plus(now, plan.hangup_after)
        self._spoke = False

    def tick(self, now: float) -> bool:
        self._ear.pass_time(now)
        self._report_beeps()
        if self._hang_up_at is not None and now >= self._hang_up_at:
            return True
        if self._busy and not self._mouth.busy:
            self._done(now)
        if not self._busy and self._steps and self._happened(self._steps[0].after, now):
            return self._do(self._steps.pop(0), now)
        return False

    def _report_beeps(self) -> None:
        if self._ear.beeps != self._beeps:
            self._beeps = self._ear.beeps
            self._tell("beep")

    def _done(self, now: float) -> None:
        self._busy = False
        self._ready_at = now
        self._ear.forget()
        self._tell("done")

    def _do(self, step: Step, now: float) -> bool:
        self._busy = True
        match step:
            case HangUp():
                return True
            case Say(audio=audio):
                self._start_clock(now)
                self._mouth.say(audio)
                self._tell(f"say {len(audio) / RATE:.1f} s")
            case Press(keys=keys):
                for key in keys:
                    self._mouth.press(key)
                self._tell(f"press {keys}")
            case Wait():
                self._tell("waited")
        return False

    def _start_clock(self, now: float) -> None:
        if not self._spoke:
            self._spoke = True
            self._hang_up_at = _plus(now, self._plan.hangup_after)

    def _happened(self, trigger: Trigger, now: float) -> bool:
        match trigger:
            case After(seconds=seconds):
                return now - self._ready_at >= seconds
            case Beep():
                ended = self._ear.beep_ended_at
                return ended is not None and ended >= self._ready_at
            case Quiet(seconds=seconds):
                return self._fell_silent(seconds, now)
            case Heard(prompt=prompt):
                return self._recognised(prompt, now)

    def _fell_silent(self, seconds: float, now: float) -> bool:
        spoke = self._ear.sounding >= 0.2 and self._ear.sound_at is not None
        return spoke and now - (self._ear.sound_at or now) >= seconds

    def _recognised(self, prompt: Samples, now: float) -> bool:
        if now - self._looked_at < _LOOK_EVERY or (self._ear.sound_at or 0) < self._ready_at:
            return False
        self._looked_at = now
        tail = prompt[-int(_TAIL * RATE) :]
        return contains(self._ear.recent(len(tail) / RATE + 0.5), tail)


def _plus(now: float, seconds: float | None) -> float | None:
    return None if seconds is None else now + seconds
