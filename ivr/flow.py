"""The call as a pure function: ``step(state, event) -> (state, actions)``.

Knows no Asterisk, no Twilio, no clock and no database. A driver performs the actions in order
and answers with ONE event: that of the last action, or `HungUp`, `Failed` or a `Played` with a
key as soon as one of them happens. A hang-up is an ordinary event. `step` is total: any event in
any state leads on, and every walk ends, because `ivr.nodes.mistakes` refuses a circle that
nothing bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ivr import saying
from ivr.events import (
    Action,
    Ask,
    Bridge,
    Clip,
    Connected,
    Event,
    Failed,
    Finish,
    Found,
    Gather,
    HungUp,
    Join,
    Language,
    Listen,
    Lookup,
    NoRoom,
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
    Spelled,
    Started,
)
from ivr.menu import ENTRIES, build_menu
from ivr.nodes import (
    ANY_KEY,
    EMERGENCY,
    EMERGENCY_KEY,
    AnyNode,
    Choose,
    Connect,
    End,
    Enter,
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

__all__ = [
    "Action",
    "Ask",
    "Bridge",
    "Clip",
    "Connected",
    "Event",
    "Failed",
    "Finish",
    "FlowState",
    "Found",
    "Gather",
    "HungUp",
    "Join",
    "Language",
    "Listen",
    "Lookup",
    "NoRoom",
    "NotFound",
    "Note",
    "Placed",
    "Play",
    "Played",
    "Pressed",
    "ReadNumber",
    "Record",
    "Recorded",
    "Silence",
    "Spelled",
    "Started",
    "Step",
    "number_prompts",
    "step",
]

# ---------------------------------------------------------------- state


@dataclass(frozen=True)
class FlowState:
    """Where a call stands. `used` holds a name for each use of an edge that is bounded."""

    menu: Menu = field(default_factory=build_menu, repr=False, compare=False)
    node: str = ""
    number: str | None = None
    pin: str = ""
    mode: str = "normal"
    ordinal: int | None = None
    language: str = "id"
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
            ordinal=event.ordinal,
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
    if isinstance(event, Played) and not event.key and isinstance(node, Say | Tell):
        return _heard(state, node)
    if isinstance(event, Recorded) and isinstance(node, Take) and _is_complaint(node, event):
        return replace(state, kept=event.clip), [Note("kept", str(event.clip))]
    if isinstance(node, Spell):
        return _typed(state, node, event)
    if isinstance(event, Found | Placed | Connected):
        said = event.prompts if isinstance(event, Found) else event.said
        return replace(state, said=said), []
    return state, []


def _typed(state: FlowState, node: Spell, event: Event) -> tuple[FlowState, list[Note]]:
    digits = event.digits if isinstance(event, Spelled) and _whole(node, event) else ""
    state = replace(state, slots=(*state.slots, (node.slot, digits)))
    return state, [Note("phone", digits)] if digits and node.slot == "phone" else []


def _heard(state: FlowState, node: Say | Tell) -> tuple[FlowState, list[Note]]:
    """What a text heard to its end proves: the number, or which text said that we record."""
    if not node.note or (isinstance(node, Tell) and not state.number):
        return state, []
    state = replace(state, consent=state.consent or node.note == "consent")
    value = (state.number or "") if isinstance(node, Tell) else node.prompts[0]
    return state, [Note(node.note, value)]


def _is_complaint(node: Take, event: Recorded) -> bool:
    return event.clip.kind == "complaint" and event.speech_seconds >= node.speech_s


def _whole(node: Spell, event: Spelled) -> bool:
    return node.least <= len(event.digits) <= node.most


# ---------------------------------------------------------------- the way out


def _leave(state: FlowState, node: AnyNode, event: Event) -> tuple[FlowState, list[Note], str]:
    if _gone(event):
        return state, [], node.on_hangup
    if _key(event) == EMERGENCY_KEY and _can_alarm(state):
        return replace(state, urgent=True), [Note("urgent", "1")], EMERGENCY
    label, edge = _way(state, node, event)
    return _along(state, edge, edge.counter or f"{state.node}:{label}")


def _can_alarm(state: FlowState) -> bool:
    """Whether the emergency key leads there still: once in a call, where the table has it."""
    return EMERGENCY in state.menu and not state.urgent


def _along(state: FlowState, edge: Go, counter: str) -> tuple[FlowState, list[Note], str]:
    if edge.at_most is not None:
        if state.used.count(counter) >= edge.at_most:
            return state, [], (edge.kept if state.kept and edge.kept else edge.otherwise)
        state = replace(state, used=(*state.used, counter))
    return state, [Note(*edge.note)] if edge.note else [], edge.to


def _way(state: FlowState, node: AnyNode, event: Event) -> tuple[str, Go]:
    """The label of the edge and the edge that an event takes out of a place."""
    if isinstance(event, Failed):
        return _failed(state, node, event)
    if isinstance(node, Choose):
        return _chosen(node, event)
    if isinstance(node, Say | Hear | Tell | Relay):
        heard = isinstance(event, Played)  # a text counts as heard only when it was played
        return ("then", node.then) if heard else ("failure", node.on_failure)
    return _answered(node, event)


def _failed(state: FlowState, node: AnyNode, event: Failed) -> tuple[str, Go]:
    """What is kept already is worth going on for; a full disk has words of its own."""
    if isinstance(node, Take):
        if state.kept:
            return "spoken", node.spoken
        if isinstance(event, NoRoom) and node.no_room:
            return "no_room", node.no_room
    return "failure", node.on_failure


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
        case Enter():
            placed = isinstance(event, Placed)
            return ("then", node.then) if placed else ("nobody", node.nobody)
        case Connect():
            return _connected(node, event)
    return "failure", node.on_failure


def _connected(node: Connect, event: Event) -> tuple[str, Go]:
    if not isinstance(event, Connected):
        return "nobody", node.nobody
    if event.talked:
        return ("talked", node.talked) if event.recorded else ("unrecorded", node.unrecorded)
    if event.key in node.keys:
        return event.key or "", node.keys[event.key or ""]
    return "nobody", node.nobody


# ---------------------------------------------------------------- the next place


def _enter(state: FlowState, name: str) -> Step:
    state = replace(state, node=name)
    node = state.menu[name]
    if isinstance(node, Take):
        return _enter_take(state, node)
    if isinstance(node, End):
        return replace(state, outcome=node.outcome), (Finish(node.outcome, state.kept),)
    if isinstance(node, Speak):
        spoken = replace(state, language=node.language)
        return _pass(spoken, node.then, Language(node.language))
    way = _way_through(state, node)
    return _pass(state, way) if way else (state, (_doing(state, node),))


def _way_through(state: FlowState, node: AnyNode) -> Go | None:
    """The way on from a place where there is nothing to do."""
    match node:
        case Fork():
            return node.yes if _known(state, node.on) else node.no
        case Hear(clip="") if not state.kept:
            return node.then
        case Tell() if not state.number:
            return node.without
        case Relay() if not state.said:
            return node.on_failure
        case Connect() if not state.consent:  # the law: no conversation is recorded without it
            return node.on_failure
    return None


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
            return Play(node.prompts, _keys(state, node.interruptible))
        case Relay():
            return Play(state.said, _keys(state, node.interruptible))
        case Choose():
            prompts = (*state.said, *node.prompts) if node.told else node.prompts
            return Ask(prompts, "".join(node.keys), node.wait_s)
        case Spell():
            return Gather(node.prompts, node.most, node.wait_s)
        case Seek():
            return Lookup(state.slot("number"), state.slot("pin"), state.language)
    return _doing_with_others(state, node)


def _doing_with_others(state: FlowState, node: AnyNode) -> Action:
    match node:
        case Enter():
            return Join(node.to, state.language)
        case Connect():
            earlier = sum(name.startswith(f"{state.node}:") for name in state.used)
            return Bridge(node.to, node.wait_s, earlier + 1, state.language)
        case Hear():
            return Listen(Clip(node.clip, 1) if node.clip else state.kept or Clip("complaint", 1))
        case Tell():
            return _reading(state, node)
    raise TypeError(f"{type(node).__name__} has no action of its own")


def _reading(state: FlowState, node: Tell) -> ReadNumber:
    number = state.number or ""
    prompts = (*_ordinal(state, node), *number_prompts(node.intro, number))
    if node.pin and state.pin:
        prompts += ("pause", *number_prompts(node.pin, state.pin))
    return ReadNumber(number, prompts, _keys(state, node.interruptible))


def _ordinal(state: FlowState, node: Tell) -> tuple[str, ...]:
    """Which caller of the day this is: short, because everybody waits for it."""
    count = state.ordinal
    if not node.ordinal or count is None or not 0 < count <= saying.MOST:
        return ()
    return (node.ordinal, *saying.number(count, state.language), "pause")


def _keys(state: FlowState, interruptible: bool) -> str:
    """A text that must be heard is cut short by the emergency key alone, and then only once."""
    if interruptible:
        return ANY_KEY
    return EMERGENCY_KEY if _can_alarm(state) else ""


def _enter_take(state: FlowState, node: Take) -> Step:
    if not state.consent:  # the law: nothing is recorded before consent was heard
        return _enter(state, "failed")
    clip = Clip(node.kind, state.takes.count(node.kind) + 1)
    state = replace(state, takes=(*state.takes, node.kind))
    beep = Play(("beep",), _keys(state, interruptible=False))
    return state, (beep, Record(clip, node.max_s, node.silence_s))


def number_prompts(intro: str, number: str) -> tuple[str, ...]:
    """Prompt keys that read a number: intro, then the digits in pairs with a pause between."""
    spoken: list[str] = [intro]
    for pair in pairs(number):
        spoken += ["pause", *(f"digit_{digit}" for digit in pair)]
    return tuple(spoken)
