"""The kinds of places a call can be in, and what a table of them must not contain.

`ivr.menu` lists the places of our lines; `ivr.flow` walks any table and knows no place by name.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ANY_KEY = "0123456789*#"
EMERGENCY_KEY = "*"  # the one key that is never part of a number, so it works everywhere
EMERGENCY = "emergency"  # where it leads, in a table that has such a place


#: `hurried`: the line takes recordings only; `kept`: a complaint with speech exists.
FACTS = ("caller_known", "hurried", "kept", "urgent")


class Outcome(StrEnum):
    """How a call ended, as the flow saw it. What is on disk decides whether it is a complaint."""

    FILED = "filed"
    SILENT = "silent"
    SERVED = "served"  # told, connected or asked: there is nothing to file
    HUNG_UP = "hung_up"
    FAILED = "failed"


@dataclass(frozen=True)
class Go:
    """An edge. After `at_most` uses in one call it leads to `otherwise` instead.

    `kept` is where it leads, once used up, if a complaint with speech exists already. Edges with
    the same `counter` are counted together. `note` is a (key, value) pair for the call's sidecar.
    """

    to: str
    at_most: int | None = None
    otherwise: str = ""
    kept: str = ""
    counter: str = ""
    note: tuple[str, str] | None = None


@dataclass(frozen=True)
class Node:
    """What every place has; a hang-up is an ordinary way out of each of them."""

    on_hangup: str = field(default="hung_up", kw_only=True)
    on_failure: Go = field(default=Go("failed"), kw_only=True)


@dataclass(frozen=True)
class Say(Node):
    """Speak, then go on. A key cuts an interruptible text short. `note` is written once heard."""

    prompts: tuple[str, ...]
    then: Go
    interruptible: bool = True
    note: str = ""


@dataclass(frozen=True)
class Choose(Node):
    """Speak and wait `wait_s` seconds for one of `keys`; silence and other keys lead on as well.

    `told`: what the event before brought along (`Connected.said`) is spoken first.
    """

    prompts: tuple[str, ...]
    keys: Mapping[str, Go]
    silence: Go
    other: Go
    wait_s: float
    told: bool = False


@dataclass(frozen=True)
class Speak(Node):
    """From here on the call is in `language`; takes no time."""

    language: str
    then: Go


@dataclass(frozen=True)
class Spell(Node):
    """Ask for `most` digits and keep them as `slot`; `#` or `wait_s` without a key ends them.

    Fewer than `least` digits are none, and forget those that were given before.
    """

    slot: str
    prompts: tuple[str, ...]
    least: int
    most: int
    wait_s: float
    given: Go
    missing: Go


@dataclass(frozen=True)
class Seek(Node):
    """Look up what became of a complaint, by the slots `number` and `pin`.

    Without a number the caller's own telephone stands for it. What was found is kept for a
    `Relay`; an unknown number and a wrong PIN are the same `unknown`.
    """

    found: Go
    unknown: Go


@dataclass(frozen=True)
class Relay(Node):
    """Speak what a `Seek` has found, or an `Enter` was told."""

    then: Go
    interruptible: bool = True


@dataclass(frozen=True)
class Enter(Node):
    """Take a place among those who wait for `to`; what there is to say of it is for a `Relay`.

    It leads to `nobody` where waiting has no use.
    """

    to: str
    then: Go
    nobody: Go


@dataclass(frozen=True)
class Connect(Node):
    """Let the caller talk to somebody: `to` is emergency or operators.

    `wait_s` is how long to wait for an answer; the caller hears music. A key pressed meanwhile
    leaves, and leads where `keys` say. As the conversation is recorded, it fails where consent
    was not heard. `unrecorded`: they talked, and the disk was full.
    """

    to: str
    wait_s: float
    talked: Go
    nobody: Go
    unrecorded: Go
    keys: Mapping[str, Go] = field(default_factory=dict)


@dataclass(frozen=True)
class Take(Node):
    """Beep and record a clip of `kind`; any key, `silence_s` of silence or `max_s` ends it.

    Clips of the kind `complaint` are what the call is about; the latest with speech is kept.
    `no_room`: where to go when the disk is full and nothing is kept; None is like any failure.
    """

    kind: str
    max_s: int
    silence_s: int
    speech_s: float
    spoken: Go
    silent: Go
    no_room: Go | None = None


@dataclass(frozen=True)
class Hear(Node):
    """Play the caller's own latest complaint back, or the clip `clip`; a key cuts it short."""

    then: Go
    clip: str = ""


@dataclass(frozen=True)
class Tell(Node):
    """Read the public number digit by digit, in pairs, after `intro`, then its PIN after `pin`.

    `without` is said instead when this call has no number. `ordinal` is said before all of it,
    followed by which caller of the day this is, where that is known.
    """

    intro: str
    without: Go
    then: Go
    interruptible: bool = False
    note: str = ""
    pin: str = ""
    ordinal: str = ""


@dataclass(frozen=True)
class Fork(Node):
    """Go on by what is known about the call, one of FACTS; takes no time."""

    on: str
    yes: Go
    no: Go


@dataclass(frozen=True)
class End(Node):
    """The call is over."""

    outcome: Outcome


AnyNode = (
    Say | Choose | Speak | Spell | Seek | Relay | Enter | Connect | Take | Hear | Tell | Fork | End
)
Menu = Mapping[str, AnyNode]


def edges(node: AnyNode) -> Iterator[Go]:
    """Every way out of a place, the hang-up's and the failure's included."""
    if isinstance(node, End):
        return
    yield Go(node.on_hangup)
    yield node.on_failure
    for value in vars(node).values():
        if isinstance(value, Go) and value is not node.on_failure:
            yield value
        elif isinstance(value, Mapping):
            yield from value.values()


def mistakes(menu: Menu) -> list[str]:
    """What is wrong with a table: targets that do not exist, circles that nothing bounds."""
    found = [
        f"{name}: leads to {target!r}, which does not exist"
        for name, node in menu.items()
        for edge in edges(node)
        for target in (edge.to, edge.otherwise, edge.kept)
        if target and target not in menu
    ]
    found += [
        f"{name}: at most {edge.at_most} times, but no `otherwise`"
        for name, node in menu.items()
        for edge in edges(node)
        if edge.at_most is not None and not edge.otherwise
    ]
    found += [
        f"{name}: asks for {node.on!r}, which nobody knows"
        for name, node in menu.items()
        if isinstance(node, Fork) and node.on not in FACTS
    ]
    return found or _circles(menu)


def _circles(menu: Menu) -> list[str]:
    unbounded = {name: set(_unbounded(edges(node))) for name, node in menu.items()}
    while leaves := [name for name, targets in unbounded.items() if not targets]:
        for leaf in leaves:
            del unbounded[leaf]
        for targets in unbounded.values():
            targets.difference_update(leaves)
    return [f"{name}: part of a circle that no at_most bounds" for name in sorted(unbounded)]


def _unbounded(ways: Iterable[Go]) -> Iterator[str]:
    for edge in ways:
        if edge.at_most is None:
            yield edge.to
        yield from filter(None, (edge.otherwise, edge.kept))
