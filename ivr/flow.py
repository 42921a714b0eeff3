"""The call as a pure function: ``step(state, event) -> (state, actions)``.

Knows no Asterisk, no Twilio, no clock and no database. A driver performs the actions in order
and answers with ONE event: that of the last action, or `HungUp` / `Failed` as soon as either
happens. A hang-up is an ordinary event. `step` is total: any event in any state leads on, and
every walk ends, because `ivr.menu.mistakes` refuses a circle that nothing bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ivr.menu import (
    START,
    AnyNode,
    Choose,
    End,
    Go,
    Hear,
    Menu,
    Outcome,
    Say,
    Take,
    Tell,
    build_menu,
)
from ivr.numbers import pairs

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
    """The call is answered. `number` is the public number allocated to it, if there is one."""

    number: str | None = None
    caller_known: bool = False


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
class Recorded:
    """A clip is on disk. `ended_by`: key, silence, timeout or hangup."""

    clip: Clip
    seconds: float
    speech_seconds: float
    ended_by: str


@dataclass(frozen=True)
class HungUp:
    """The caller is gone."""


@dataclass(frozen=True)
class Failed:
    """An action could not be performed."""

    reason: str = ""


Event = Started | Played | Pressed | Silence | Recorded | HungUp | Failed

# ---------------------------------------------------------------- actions: what to do


@dataclass(frozen=True)
class Play:
    """Play prompt keys in order -> Played."""

    prompts: tuple[str, ...]
    interruptible: bool = True


@dataclass(frozen=True)
class Ask:
    """Play prompts, then wait `timeout_s` for any key; `keys` are those that mean something
    -> Pressed or Silence."""

    prompts: tuple[str, ...]
    keys: str
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
    interruptible: bool


@dataclass(frozen=True)
class Note:
    """A fact for the call's sidecar (no event). Keys: consent, kept, review, number_heard."""

    key: str
    value: str = ""


@dataclass(frozen=True)
class Finish:
    """The call is over. `complaint` is the latest take with speech, if any."""

    outcome: Outcome
    complaint: Clip | None = None


Action = Play | Ask | Record | Listen | ReadNumber | Note | Finish

# ---------------------------------------------------------------- state


@dataclass(frozen=True)
class FlowState:
    """Where a call stands. `used` holds (node, edge) -> times for the edges that are bounded."""

    menu: Menu = field(default_factory=build_menu, repr=False, compare=False)
    node: str = ""
    number: str | None = None
    caller_known: bool = False
    consent: bool = False
    kept: Clip | None = None
    takes: tuple[str, ...] = ()
    used: tuple[tuple[str, str], ...] = ()
    outcome: Outcome | None = None


Step = tuple[FlowState, tuple[Action, ...]]


def step(state: FlowState, event: Event) -> Step:
    """The next state and what to do there. After the end: the same state and nothing to do."""
    if state.outcome is not None:
        return state, ()
    if not state.node:
        return _start(state, event)
    node = state.menu[state.node]
    state, notes = _remember(state, node, event)
    moved, edge_notes, target = _leave(state, node, event)
    ended, actions = _enter(moved, target)
    return ended, (*notes, *edge_notes, *actions)


def _start(state: FlowState, event: Event) -> Step:
    if isinstance(event, Started):
        state = replace(state, number=event.number, caller_known=event.caller_known)
        return _enter(state, START)
    first = state.menu[START]
    return _enter(state, _where(first, event) or first.on_failure.to)


def _where(node: AnyNode, event: Event) -> str:
    return node.on_hangup if _gone(event) else ""


def _gone(event: Event) -> bool:
    return isinstance(event, HungUp) or (isinstance(event, Recorded) and event.ended_by == "hangup")


def _remember(state: FlowState, node: AnyNode, event: Event) -> tuple[FlowState, list[Note]]:
    """What this event makes true, whatever comes next."""
    notes: list[Note] = []
    if isinstance(event, Played) and isinstance(node, Say | Tell) and node.note:
        told = isinstance(node, Tell)
        if not told or state.number:
            notes.append(Note(node.note, (state.number or "") if told else ""))
        state = replace(state, consent=state.consent or node.note == "consent")
    if isinstance(event, Recorded) and isinstance(node, Take) and _is_complaint(node, event):
        state = replace(state, kept=event.clip)
        notes.append(Note("kept", str(event.clip)))
    return state, notes


def _is_complaint(node: Take, event: Recorded) -> bool:
    return event.clip.kind == "complaint" and event.speech_seconds >= node.speech_s


def _leave(state: FlowState, node: AnyNode, event: Event) -> tuple[FlowState, list[Note], str]:
    if target := _where(node, event):
        return state, [], target
    label, edge = _way(state, node, event)
    if edge.at_most is not None:
        key = (state.node, label)
        if state.used.count(key) >= edge.at_most:
            return state, [], (edge.kept if state.kept and edge.kept else edge.otherwise)
        state = replace(state, used=(*state.used, key))
    return state, [Note(*edge.note)] if edge.note else [], edge.to


def _way(state: FlowState, node: AnyNode, event: Event) -> tuple[str, Go]:
    """The label of the edge and the edge that an event takes out of a node."""
    if isinstance(event, Failed):
        if state.kept and isinstance(node, Take):
            return "spoken", node.spoken
        return "failure", node.on_failure
    if isinstance(node, Take):
        spoken = isinstance(event, Recorded) and event.speech_seconds >= node.speech_s
        return ("spoken", node.spoken) if spoken else ("silent", node.silent)
    if isinstance(node, Choose):
        return _chosen(node, event)
    if isinstance(node, End) or not isinstance(event, Played):
        return "failure", node.on_failure  # a text counts as heard only when it was played
    return "then", node.then


def _chosen(node: Choose, event: Event) -> tuple[str, Go]:
    key = event.key if isinstance(event, Pressed | Played) else None
    if not key:
        return "silence", node.silence
    return (key, node.keys[key]) if key in node.keys else ("other", node.other)


def _enter(state: FlowState, name: str) -> Step:
    state = replace(state, node=name)
    node = state.menu[name]
    if isinstance(node, Say):
        return state, (Play(node.prompts, node.interruptible),)
    if isinstance(node, Choose):
        return state, (Ask(node.prompts, "".join(node.keys), node.wait_s),)
    if isinstance(node, Take):
        return _enter_take(state, node)
    if isinstance(node, Hear):
        return (state, (Listen(state.kept),)) if state.kept else _enter(state, node.then.to)
    if isinstance(node, Tell):
        return _enter_tell(state, node)
    return replace(state, outcome=node.outcome), (Finish(node.outcome, state.kept),)


def _enter_take(state: FlowState, node: Take) -> Step:
    if not state.consent:  # the law: nothing is recorded before consent was heard
        return _enter(state, "failed")
    clip = Clip(node.kind, state.takes.count(node.kind) + 1)
    state = replace(state, takes=(*state.takes, node.kind))
    return state, (Play(("beep",), interruptible=False), Record(clip, node.max_s, node.silence_s))


def _enter_tell(state: FlowState, node: Tell) -> Step:
    if not state.number:
        return _enter(state, node.without.to)
    prompts = number_prompts(node.intro, state.number)
    return state, (ReadNumber(state.number, prompts, node.interruptible),)


def number_prompts(intro: str, number: str) -> tuple[str, ...]:
    """Prompt keys that read a number: intro, then the digits in pairs with a pause between."""
    spoken: list[str] = [intro]
    for pair in pairs(number):
        spoken += ["pause", *(f"digit_{digit}" for digit in pair)]
    return tuple(spoken)
