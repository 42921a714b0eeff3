"""The call as a pure function: ``step(state, event) -> (state, actions)``.

Knows no Asterisk, no Twilio, no clock and no database. A driver performs the actions in order
and answers with ONE event: that of the last action, or `HungUp` / `Failed` as soon as either
happens. A hang-up is an ordinary event. `step` is total: any event in any state leads on, and
every walk ends, because `ivr.nodes.mistakes` refuses a circle that nothing bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ivr.menu import ENTRIES, build_menu
from ivr.nodes import (
    ANY_KEY,
    EMERGENCY,
    EMERGENCY_KEY,
    AnyNode,
    Choose,
    Connect,
    End,
    Fork,
    Go,
    Hear,
    Menu,
    Outcome,
    Relay,
    Say,
    Seek,
    Speak,
    Spell,
    Take,
    Tell,
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
    """The call is answered.

    `number` is the public number allocated to it and `pin` its PIN, if there are any. `mode` is a
    key of `ivr.menu.ENTRIES`.
    """

    number: str | None = None
    caller_known: bool = False
    pin: str = ""
    mode: str = "normal"


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
class Connected:
    """The caller talked to somebody (`talked`), or nobody answered in time."""

    talked: bool
    key: str | None = None


@dataclass(frozen=True)
class HungUp:
    """The caller is gone."""


@dataclass(frozen=True)
class Failed:
    """An action could not be performed."""

    reason: str = ""


Event = (
    Started
    | Played
    | Pressed
    | Silence
    | Spelled
    | Recorded
    | Found
    | NotFound
    | Connected
    | HungUp
    | Failed
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
    """Look up a complaint by its number (empty: by the caller's own) and PIN -> Found, NotFound."""

    number: str
    pin: str


@dataclass(frozen=True)
class Bridge:
    """Connect the caller to `to` (emergency, operators), at most `wait_s` until an answer, with
    music; the whole conversation is recorded. `round` counts from 1 -> Connected."""

    to: str
    wait_s: float
    round: int


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
    Play | Ask | Gather | Record | Listen | ReadNumber | Lookup | Bridge | Language | Note | Finish
)

# ---------------------------------------------------------------- state


@dataclass(frozen=True)
class FlowState:
    """Where a call stands. `used` holds a name for each use of an edge that is bounded."""

    menu: Menu = field(default_factory=build_menu, repr=False, compare=False)
    node: str = ""
    number: str | None = None
    pin: str = ""
    mode: str = "normal"
    caller_known: bool = False
    consent: bool = False
    urgent: bool = False
    kept: Clip | None = None
    takes: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    slots: tuple[tuple[str, str], ...] = ()
    said: tuple[str, ...] = ()
    outcome: Outcome | None = None

    def slot(self, name: str) -> str:
        """What the caller typed last under this name; empty without."""
        return dict(self.slots).get(name, "")


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
        state = replace(
            state,
            number=event.number,
            pin=event.pin,
            caller_known=event.caller_known,
            mode=event.mode,
        )
        return _enter(state, _entry(state.menu, event.mode))
    first = state.menu[_entry(state.menu, "normal")]
    return _enter(state, first.on_hangup if _gone(event) else first.on_failure.to)


def _entry(menu: Menu, mode: str) -> str:
    """Where the call begins; a table without that place begins with its first one."""
    name = ENTRIES.get(mode, ENTRIES["normal"])
    return name if name in menu else next(iter(menu))


def _gone(event: Event) -> bool:
    return isinstance(event, HungUp) or (isinstance(event, Recorded) and event.ended_by == "hangup")


def _key(event: Event) -> str | None:
    """The key that an event carries, whatever else it says."""
    if isinstance(event, Played | Pressed | Spelled | Recorded | Connected):
        return event.key
    return None


# ---------------------------------------------------------------- what an event makes true


def _remember(state: FlowState, node: AnyNode, event: Event) -> tuple[FlowState, list[Note]]:
    """What this event makes true, whatever comes next."""
    if isinstance(event, Played) and isinstance(node, Say | Tell):
        return _heard(state, node)
    if isinstance(event, Recorded) and isinstance(node, Take) and _is_complaint(node, event):
        return replace(state, kept=event.clip), [Note("kept", str(event.clip))]
    if isinstance(event, Spelled) and isinstance(node, Spell) and _whole(node, event):
        slots = (*state.slots, (node.slot, event.digits))
        notes = [Note("phone", event.digits)] if node.slot == "phone" else []
        return replace(state, slots=slots), notes
    if isinstance(event, Found):
        return replace(state, said=event.prompts), []
    return state, []


def _heard(state: FlowState, node: Say | Tell) -> tuple[FlowState, list[Note]]:
    if not node.note:
        return state, []
    told = isinstance(node, Tell)
    state = replace(state, consent=state.consent or node.note == "consent")
    if told and not state.number:
        return state, []
    return state, [Note(node.note, (state.number or "") if told else "")]


def _is_complaint(node: Take, event: Recorded) -> bool:
    return event.clip.kind == "complaint" and event.speech_seconds >= node.speech_s


def _whole(node: Spell, event: Spelled) -> bool:
    return node.least <= len(event.digits) <= node.most


# ---------------------------------------------------------------- the way out


def _leave(state: FlowState, node: AnyNode, event: Event) -> tuple[FlowState, list[Note], str]:
    if _gone(event):
        return state, [], node.on_hangup
    if _key(event) == EMERGENCY_KEY and EMERGENCY in state.menu and not state.urgent:
        return replace(state, urgent=True), [Note("urgent", "1")], EMERGENCY
    label, edge = _way(state, node, event)
    return _along(state, edge, edge.counter or f"{state.node}:{label}")


def _along(state: FlowState, edge: Go, counter: str) -> tuple[FlowState, list[Note], str]:
    if edge.at_most is not None:
        if state.used.count(counter) >= edge.at_most:
            return state, [], (edge.kept if state.kept and edge.kept else edge.otherwise)
        state = replace(state, used=(*state.used, counter))
    return state, [Note(*edge.note)] if edge.note else [], edge.to


def _way(state: FlowState, node: AnyNode, event: Event) -> tuple[str, Go]:
    """The label of the edge and the edge that an event takes out of a place."""
    if isinstance(event, Failed):
        if state.kept and isinstance(node, Take):
            return "spoken", node.spoken
        return "failure", node.on_failure
    if isinstance(node, Choose):
        return _chosen(node, event)
    if isinstance(node, Say | Hear | Tell | Relay):
        heard = isinstance(event, Played)  # a text counts as heard only when it was played
        return ("then", node.then) if heard else ("failure", node.on_failure)
    return _answered(node, event)


def _chosen(node: Choose, event: Event) -> tuple[str, Go]:
    key = event.key if isinstance(event, Pressed | Played) else None
    if not key:
        return "silence", node.silence
    return (key, node.keys[key]) if key in node.keys else ("other", node.other)


def _answered(node: AnyNode, event: Event) -> tuple[str, Go]:
    match node:
        case Take():
            spoken = isinstance(event, Recorded) and event.speech_seconds >= node.speech_s
            return ("spoken", node.spoken) if spoken else ("silent", node.silent)
        case Spell():
            whole = isinstance(event, Spelled) and _whole(node, event)
            return ("given", node.given) if whole else ("missing", node.missing)
        case Seek():
            found = isinstance(event, Found)
            return ("found", node.found) if found else ("unknown", node.unknown)
        case Connect():
            talked = isinstance(event, Connected) and event.talked
            return ("talked", node.talked) if talked else ("nobody", node.nobody)
    return "failure", node.on_failure


# ---------------------------------------------------------------- the next place


def _enter(state: FlowState, name: str) -> Step:
    state = replace(state, node=name)
    node = state.menu[name]
    match node:
        case Speak():
            return _pass(state, node.then, Language(node.language))
        case Fork():
            return _pass(state, node.yes if _known(state, node.on) else node.no)
        case Take():
            return _enter_take(state, node)
        case Hear():
            clip = Clip(node.clip, 1) if node.clip else state.kept
            return (state, (Listen(clip),)) if clip else _pass(state, node.then)
        case Tell():
            return _enter_tell(state, node)
        case End():
            return replace(state, outcome=node.outcome), (Finish(node.outcome, state.kept),)
    return state, (_doing(state, node),)


def _pass(state: FlowState, edge: Go, *actions: Action) -> Step:
    """Through a place that takes no time."""
    moved, notes, target = _along(state, edge, edge.counter or f"{state.node}:pass")
    ended, more = _enter(moved, target)
    return ended, (*actions, *notes, *more)


def _known(state: FlowState, what: str) -> bool:
    return {
        "caller_known": state.caller_known,
        "hurried": state.mode in ("limited", "emergency_only"),
        "kept": state.kept is not None,
        "urgent": state.urgent,
    }[what]


def _doing(state: FlowState, node: AnyNode) -> Action:
    match node:
        case Say():
            return Play(node.prompts, _keys(node.interruptible))
        case Choose():
            return Ask(node.prompts, "".join(node.keys), node.wait_s)
        case Spell():
            return Gather(node.prompts, node.most, node.wait_s)
        case Seek():
            return Lookup(state.slot("number"), state.slot("pin"))
        case Relay():
            return Play(state.said, _keys(node.interruptible))
        case Connect():
            earlier = sum(name.startswith(f"{state.node}:") for name in state.used)
            return Bridge(node.to, node.wait_s, earlier + 1)
    raise TypeError(f"{type(node).__name__} has no action of its own")


def _keys(interruptible: bool) -> str:
    """A text that must be heard is cut short by the emergency key alone."""
    return ANY_KEY if interruptible else EMERGENCY_KEY


def _enter_take(state: FlowState, node: Take) -> Step:
    if not state.consent:  # the law: nothing is recorded before consent was heard
        return _enter(state, "failed")
    clip = Clip(node.kind, state.takes.count(node.kind) + 1)
    state = replace(state, takes=(*state.takes, node.kind))
    return state, (Play(("beep",), keys=""), Record(clip, node.max_s, node.silence_s))


def _enter_tell(state: FlowState, node: Tell) -> Step:
    if not state.number:
        return _pass(state, node.without)
    prompts = number_prompts(node.intro, state.number)
    if node.pin and state.pin:
        prompts += ("pause", *number_prompts(node.pin, state.pin))
    return state, (ReadNumber(state.number, prompts, _keys(node.interruptible)),)


def number_prompts(intro: str, number: str) -> tuple[str, ...]:
    """Prompt keys that read a number: intro, then the digits in pairs with a pause between."""
    spoken: list[str] = [intro]
    for pair in pairs(number):
        spoken += ["pause", *(f"digit_{digit}" for digit in pair)]
    return tuple(spoken)
