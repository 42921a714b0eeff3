"""The lines that perform a script: each gives the transcript of the call in the same words."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import soundfile

from ivr.conduct import Inquiry, Performance, conduct
from ivr.flow import (
    Action,
    Ask,
    Bridge,
    Connected,
    Event,
    Failed,
    Finish,
    FlowState,
    Found,
    Gather,
    HungUp,
    Join,
    Language,
    Listen,
    Lookup,
    Note,
    NotFound,
    Placed,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    step,
)
from ivr.keys import spelled
from ivr.nodes import ANY_KEY
from ivr.phone import Phone, Turn, new_call, open_sidecar
from ivr.spool import Spool
from tests.golden.script import BEEP, GONE, Script, Telling

#: What performs a script: the script, a folder of its own -> the transcript.
Performer = Callable[[Script, Path], str]
NOTES = (
    "consent",
    "kept",
    "review",
    "number_heard",
    "urgent",
    "phone",
    "call_back",
    "officer",
    "citizen",
)
_SPEECH = Path(__file__).parents[2] / "recordings" / "prompts" / "id" / "thanks.wav"
_SILENCE_S = 4.0


# ---------------------------------------------------------------- the flow alone


def pure(script: Script, _folder: Path) -> str:
    """`step` and nothing else."""
    telling = Telling(script)
    state, event = FlowState(menu=script.menu), _begin(script)
    while True:
        state, actions = step(state, event)
        for action in actions:
            if isinstance(action, Finish):
                telling.did(f"end {action.outcome} {action.complaint or '-'}")
                return telling.text()
            answer = _tell(telling, action)
            event = answer or event


def places(script: Script) -> set[str]:
    """The places of the table that a script comes through, those that take no time included."""
    telling, seen = Telling(script), set[str]()

    class Seen(dict[str, object]):
        def __getitem__(self, name: str) -> object:
            seen.add(name)
            return super().__getitem__(name)

    state, event = FlowState(menu=Seen(script.menu)), _begin(script)  # type: ignore[arg-type]
    while state.outcome is None:
        state, actions = step(state, event)
        for action in actions:
            event = _tell(telling, action) or event
    return seen


def _begin(script: Script) -> Event:
    return script.started


def _tell(telling: Telling, action: Action) -> Event | None:
    match action:
        case Note(key, value):
            telling.noted(key, value)
        case Language(code):
            telling.language = code
        case Lookup(number, pin):
            return looked_up(telling, number, pin)
        case Finish():
            return None
        case Join():
            return Placed()  # nobody else waits
        case _:
            telling_of(telling, action)
            return _event(telling, action)
    return None


def telling_of(telling: Telling, action: Performance) -> None:
    """What the caller lives through, from the action."""
    match action:
        case Play(prompts) | Ask(prompts) | Gather(prompts) | ReadNumber(_, prompts):
            telling.heard(prompts)
        case Record(clip):
            telling.did(f"record {clip}")
        case Listen(clip):
            telling.did(f"listen {clip}")
        case Bridge(to, _, number):
            telling.did(f"connect {to} {number}")


def looked_up(telling: Telling, number: str, pin: str) -> Found | NotFound | Failed:
    """An inquiry, answered by the script."""
    telling.did(f"look up {number or 'by caller'} {pin}")
    word, *rest = telling.next("unknown", "found", "broken")
    if word == "found":
        return Found(tuple(rest))
    return Failed("broken") if word == "broken" else NotFound()


def _event(telling: Telling, action: Performance) -> Event:
    if isinstance(action, Play) and action.prompts == BEEP:
        return Played()
    match action:
        case Record(clip):
            said, key = say(telling)
            ended_by = "hangup" if key == GONE else "key" if key else "silence"
            pressed = key if ended_by == "key" else None
            return Recorded(clip, said + _SILENCE_S, said, ended_by, pressed)
        case Ask():
            words = telling.next("silence", "key")
            return _gone(words) or (Pressed(words[1]) if words[0] == "key" else Silence())
        case Gather(_, most, _):
            words = telling.next("silence", "type")
            return _gone(words) or spelled(words[1] if words[0] == "type" else "", most)
        case Bridge():
            words = telling.next("nobody", "talk")
            return _gone(words) or Connected(words[0] == "talk")
    words = telling.next("hear", "key")
    cuts = ANY_KEY if isinstance(action, Listen) else action.keys
    cut = words[0] == "key" and words[1] in cuts
    return _gone(words) or Played(words[1] if cut else None)


def _gone(words: list[str]) -> HungUp | None:
    return HungUp() if words == GONE.split() else None


def say(telling: Telling) -> tuple[float, str]:
    """Seconds of speech into a recording, and what ended it: a key, GONE, or empty: silence."""
    match telling.next("silence", "say"):
        case ["hang", "up"]:
            return 0.0, GONE
        case ["say", seconds, "hang", "up"]:
            return float(seconds), GONE
        case ["say", seconds, *key]:
            return float(seconds), "".join(key)
    return 0.0, ""


# ---------------------------------------------------------------- the test phone


class _ScriptedCaller:
    """Does at the test phone what the script says."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._speech, _ = soundfile.read(_SPEECH, dtype="float32")

    def turn(self, action: Performance) -> Turn:
        telling_of(self._telling, action)
        if isinstance(action, Record):
            said, key = say(self._telling)
            sound = self._speech if said else None
            gone = key == GONE
            return Turn("" if gone else key, sound=sound, gone=gone)
        if isinstance(action, Play) and action.prompts == BEEP:
            return Turn()
        passive, other = {
            Ask: ("silence", "key"),
            Gather: ("silence", "type"),
            Bridge: ("nobody", "talk"),
        }.get(type(action), ("hear", "key"))
        word, *rest = self._telling.next(passive, other)
        keys = "".join(rest) if word in ("key", "type") else ""
        return Turn(keys, talked=word == "talk", gone=word == "hang")


class _Phone(Phone):
    telling: Telling

    def speak(self, language: str) -> None:
        self.telling.language = language
        super().speak(language)


def phone(script: Script, folder: Path) -> str:
    """The test phone, with real sound files in a spool."""
    telling = Telling(script)
    spool = Spool(folder / "spool", folder / "quarantine")
    spool.prepare()
    call_id = new_call(spool)
    sidecar = open_sidecar(spool, call_id, script.started)
    line = _Phone(_ScriptedCaller(telling), spool, call_id, io.StringIO())
    line.telling = telling
    inquiry, started = inquiry_of(telling), script.started
    finish = conduct(line, sidecar, script.menu, started, lambda _language: "v1", inquiry)
    sidecar.write("ended", "16")
    telling.did(f"end {finish.outcome} {finish.complaint or '-'}")
    note_from(spool, call_id, telling)
    return telling.text()


def inquiry_of(telling: Telling) -> Inquiry:
    """The inquiry as a port; raises where the script says that it is broken."""

    def ask(lookup: Lookup) -> Found | NotFound:
        found = looked_up(telling, lookup.number, lookup.pin)
        if isinstance(found, Failed):
            raise ConnectionError(found.reason)
        return found

    return ask


def note_from(spool: Spool, call_id: str, telling: Telling) -> None:
    """The facts of a call, from its sidecar."""
    for event in spool.read(call_id).events:
        if event.key in NOTES:
            telling.noted(event.key, event.value)
