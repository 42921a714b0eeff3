"""What can happen in a call (events) and what a line is told to do (actions); plain values.

`ivr.flow` turns the ones into the others. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivr.nodes import ANY_KEY, Outcome

# ---------------------------------------------------------------- events: what happened


@dataclass(frozen=True)
class Clip:
    """One recording of a call: kind (complaint, name, village) and take, counted from 1."""

    kind: str
    take: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.take}"


@dataclass(frozen=True)
class Started:
    """The call is answered.

    `number` is the public number allocated to it and `pin` its PIN, if there are any. `mode` is a
    key of `ivr.menu.ENTRIES`. `ordinal`: which caller of the day this is, if anybody counted.
    """

    number: str | None = None
    caller_known: bool = False
    pin: str = ""
    mode: str = "normal"
    ordinal: int | None = None


@dataclass(frozen=True)
class Played:
    """Everything was played, or `key` cut it short."""

    key: str | None = None


@dataclass(frozen=True)
class Pressed:
    """A key answered an `Ask`."""

    key: str


@dataclass(frozen=True)
class Silence:
    """An `Ask` was not answered in time."""


@dataclass(frozen=True)
class Spelled:
    """What was typed for a `Gather`: digits only. `key`: what ended it, if not a digit."""

    digits: str
    key: str | None = None


@dataclass(frozen=True)
class Recorded:
    """A clip is on disk. `ended_by`: key, silence, timeout or hangup; `key`: which one."""

    clip: Clip
    seconds: float
    speech_seconds: float
    ended_by: str
    key: str | None = None


@dataclass(frozen=True)
class Found:
    """A `Lookup` found the complaint: what to say about it, as prompt keys."""

    prompts: tuple[str, ...]


@dataclass(frozen=True)
class NotFound:
    """A `Lookup` found nothing, or may not say."""


@dataclass(frozen=True)
class Placed:
    """The caller waits: `said` is what there is to say about it, as prompt keys."""

    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Connected:
    """The caller talked to somebody (`talked`), or nobody answered in time.

    `said`: what there is to say about the wait, as prompt keys. `recorded`: the conversation is
    on disk.
    """

    talked: bool
    key: str | None = None
    said: tuple[str, ...] = ()
    recorded: bool = True


@dataclass(frozen=True)
class HungUp:
    """The caller is gone."""


@dataclass(frozen=True)
class Failed:
    """An action could not be performed."""

    reason: str = ""


@dataclass(frozen=True)
class NoRoom(Failed):
    """A recording is not whole on the disk, because the disk is full."""


Event = (
    Started
    | Played
    | Pressed
    | Silence
    | Spelled
    | Recorded
    | Found
    | NotFound
    | Placed
    | Connected
    | HungUp
    | Failed
    | NoRoom
)

# ---------------------------------------------------------------- actions: what to do


@dataclass(frozen=True)
class Play:
    """Play prompt keys in order -> Played. Any of `keys` cuts them short."""

    prompts: tuple[str, ...]
    keys: str = ANY_KEY


@dataclass(frozen=True)
class Ask:
    """Play prompts, then wait `timeout_s` for any key; `keys` are those that mean something
    -> Pressed or Silence."""

    prompts: tuple[str, ...]
    keys: str
    timeout_s: float


@dataclass(frozen=True)
class Gather:
    """Play prompts and collect at most `most` digits; `#`, the emergency key or `timeout_s`
    without a key end it -> Spelled."""

    prompts: tuple[str, ...]
    most: int
    timeout_s: float


@dataclass(frozen=True)
class Record:
    """Record into `clip` until a key, `silence_s` of silence or `max_s` -> Recorded."""

    clip: Clip
    max_s: int
    silence_s: int


@dataclass(frozen=True)
class Listen:
    """Play a clip of this call back -> Played."""

    clip: Clip


@dataclass(frozen=True)
class ReadNumber:
    """Read the public number: the prompt keys, ready in order -> Played."""

    number: str
    prompts: tuple[str, ...]
    keys: str = ANY_KEY


@dataclass(frozen=True)
class Lookup:
    """Look up a complaint by its number (empty: by the caller's own) and PIN; what is
    found is said in `language` -> Found, NotFound."""

    number: str
    pin: str
    language: str = "id"


@dataclass(frozen=True)
class Join:
    """Take a place among those who wait for `to` -> Placed, or Failed where nobody answers.
    What is to be said is said in `language`."""

    to: str
    language: str = "id"


@dataclass(frozen=True)
class Bridge:
    """Connect the caller to `to` (emergency, operators), at most `wait_s` until an answer, with
    music; the whole conversation is recorded. `round` counts from 1 -> Connected.
    What is to be said of the wait is said in `language`."""

    to: str
    wait_s: float
    round: int
    language: str = "id"


@dataclass(frozen=True)
class Language:
    """From here on prompts are in this language (no event)."""

    code: str


@dataclass(frozen=True)
class Note:
    """A fact for the call's sidecar (no event). Keys: consent, kept, review, number_heard,
    urgent, phone, call_back and those of the table."""

    key: str
    value: str = ""


@dataclass(frozen=True)
class Finish:
    """The call is over. `complaint` is the latest take with speech, if any."""

    outcome: Outcome
    complaint: Clip | None = None


Action = (
    Play
    | Ask
    | Gather
    | Record
    | Listen
    | ReadNumber
    | Lookup
    | Join
    | Bridge
    | Language
    | Note
    | Finish
)
