"""Where a call stands, from what has happened in it: for lines that cannot hold a call themselves.

A line that answers single requests keeps the events of a call and nothing else; its place, its
next actions and its sidecar follow from them at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ivr.conduct import Consent, Inquiry, Log, Performance, conduct
from ivr.flow import (
    Action,
    Bridge,
    Clip,
    Connected,
    Event,
    Failed,
    Finish,
    FlowState,
    Found,
    HungUp,
    Join,
    Language,
    Lookup,
    NoRoom,
    Note,
    NotFound,
    Placed,
    Play,
    Played,
    Pressed,
    Recorded,
    Silence,
    Spelled,
    Started,
    step,
)
from ivr.nodes import Menu

BEEP = ("beep",)
_EVENTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Started,
        Played,
        Pressed,
        Silence,
        Spelled,
        Recorded,
        Found,
        NotFound,
        Connected,
        HungUp,
        Failed,
        NoRoom,
    )
}

# ---------------------------------------------------------------- events as they are kept


def plain(event: Event) -> dict[str, Any]:
    """An event as JSON can hold it."""
    return {"event": type(event).__name__} | {
        name: vars(value) if isinstance(value, Clip) else value
        for name, value in vars(event).items()
    }


def event_from(kept: Mapping[str, Any]) -> Event:
    """The event that `plain` made this of. Raises KeyError or TypeError for anything else."""
    values = {key: value for key, value in kept.items() if key != "event"}
    for key, value in values.items():
        if isinstance(value, dict):
            values[key] = Clip(**value)
        elif isinstance(value, list):
            values[key] = tuple(value)
    event: Event = _EVENTS[kept["event"]](**values)
    return event


# ---------------------------------------------------------------- where a call stands


@dataclass(frozen=True)
class Standing:
    """What is to be performed now, or how the call ended.

    `step` counts the events so far and `talks` the connections before this one; `learnt` are
    the events that inquiries have added, and `noted` says whether the last event made something
    true that has to be kept (a note of the flow).
    """

    step: int
    language: str
    talks: int = 0
    actions: tuple[Performance, ...] = ()
    finish: Finish | None = None
    learnt: tuple[Event, ...] = ()
    noted: bool = False
    state: FlowState = field(default_factory=FlowState, repr=False, compare=False)
    asks: Lookup | None = field(default=None, repr=False, compare=False)

    @property
    def awaited(self) -> Performance | None:
        """What the next request is the answer to."""
        return self.actions[-1] if self.actions else None


def walk(menu: Menu, started: Started, events: Iterable[Event], inquiry: Inquiry) -> Standing:
    """Where a call stands after these events. A `Lookup` that they do not answer is made now."""
    standing = _entered(step(FlowState(menu=menu), _as_event(started)), 0, "id", 0)
    for event in events:
        standing = _next(standing, event)
    return _inquired(standing, inquiry)


def onward(standing: Standing, event: Event, inquiry: Inquiry) -> Standing:
    """Where a call stands after one more event: what `walk` says, without the way there."""
    return _inquired(_next(standing, event), inquiry)


def _next(standing: Standing, event: Event) -> Standing:
    if standing.finish:
        return standing
    awaited = standing.awaited
    talks = standing.talks + isinstance(awaited, Bridge)
    taken = step(standing.state, event)
    return _entered(taken, standing.step + 1, standing.language, talks)


def _entered(
    taken: tuple[FlowState, Sequence[Action]], count: int, language: str, talks: int
) -> Standing:
    state, actions = taken
    passed = list(actions)
    while isinstance(passed[-1], Join):  # who waits elsewhere is not known: a place is taken
        state, actions = step(state, Placed())
        passed += actions
    for action in passed:
        if isinstance(action, Language):
            language = action.code
    noted = any(isinstance(action, Note) for action in passed)
    last = actions[-1]
    if isinstance(last, Finish):
        return Standing(count, language, talks, (), last, (), noted, state)
    asks = last if isinstance(last, Lookup) else None
    todo = tuple(a for a in actions if not isinstance(a, Note | Language | Lookup))
    return Standing(count, language, talks, todo, None, (), noted, state, asks)  # type: ignore[arg-type]


def _inquired(standing: Standing, inquiry: Inquiry) -> Standing:
    """Past the inquiries that nobody has made yet."""
    learnt: tuple[Event, ...] = ()
    noted = standing.noted
    while standing.asks:
        learnt += (looked_up(inquiry, standing.asks),)
        standing = _next(standing, learnt[-1])
        noted = noted or standing.noted
    return replace(standing, learnt=learnt, noted=noted) if learnt else standing


def _as_event(started: Started) -> Event:
    return started


def looked_up(inquiry: Inquiry, action: Lookup) -> Event:
    """What an inquiry found; `Failed` when the desk cannot say, whatever is wrong with it."""
    try:
        return inquiry(action)
    except Exception as error:  # whatever is wrong with it, the caller can still record
        return Failed(f"inquiry: {type(error).__name__}")


def is_answer(event: Event) -> bool:
    """Whether this came of an inquiry, and not of a request."""
    return isinstance(event, Found | NotFound | Failed)


# ---------------------------------------------------------------- the sidecar, afterwards


@dataclass(frozen=True)
class _Lines(Log):
    """A sidecar that is written when the call is over, with the times of its events."""

    lines: list[tuple[float, str, str]]
    clock: list[float]

    def write(self, key: str, value: str = "") -> None:
        self.lines.append((self.clock[-1], key, value))


class _Retold:
    """A line on which everything has happened already."""

    def __init__(self, happened: Iterable[tuple[float, Event]], clock: list[float]) -> None:
        self._left, self._clock = deque(happened), clock

    def perform(self, action: Performance) -> Event:
        if isinstance(action, Play) and action.prompts == BEEP:
            return Played()
        return Placed() if isinstance(action, Join) else self._next()

    def inquire(self, _lookup: Lookup) -> Found | NotFound:
        event = self._next()
        if isinstance(event, Found | NotFound):
            return event
        raise LookupError("the inquiry failed")

    def _next(self) -> Event:
        if not self._left:
            return HungUp()
        at, event = self._left.popleft()
        self._clock.append(at)
        return event

    def noted(self, note: Note) -> None:
        """Nobody to tell."""

    def speak(self, language: str) -> None:
        """Nothing to say."""


def retell(
    log: Log,
    menu: Menu,
    started: tuple[float, Started],
    happened: Iterable[tuple[float, Event]],
    consent: Consent,
) -> tuple[list[tuple[float, str, str]], Finish]:
    """The lines (epoch, key, value) that a line which held the call had written, and its end.

    Times of `started` and `happened` are epoch seconds. Nothing is written to `log`.
    """
    clock = [started[0]]
    lines = _Lines(log.spool, log.call_id, [], clock)
    line = _Retold(happened, clock)
    finish = conduct(line, lines, menu, started[1], consent, line.inquire)
    return lines.lines, finish
