"""The tree as data: what is said, which keys there are, where each leads.

One table makes prompts, choices and actions; `ivr.flow` walks it and knows no node by name.
Speaking alone is enough: silence leads from every node towards a filed complaint, and every
key is a shortcut. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ANY_KEY = "0123456789*#"


class Outcome(StrEnum):
    """How a call ended, as the flow saw it. What is on disk decides whether it is a complaint."""

    FILED = "filed"
    SILENT = "silent"
    HUNG_UP = "hung_up"
    FAILED = "failed"


@dataclass(frozen=True)
class Limits:
    """What a deployment may tune. Seconds, except the counts.

    `speech_s` is the least speech that makes a recording worth keeping for a caller.
    """

    complaint_s: int = 180
    complaint_silence_s: int = 4
    short_s: int = 10
    short_silence_s: int = 2
    review_wait_s: float = 4.0
    retakes: int = 3
    listens: int = 5
    heard_nothing: int = 2
    speech_s: float = 0.5


@dataclass(frozen=True)
class Go:
    """An edge. After `at_most` uses in one call it leads to `otherwise` instead.

    `kept` is where it leads, once used up, if a complaint with speech exists already.
    `note` is a (key, value) pair for the call's sidecar.
    """

    to: str
    at_most: int | None = None
    otherwise: str = ""
    kept: str = ""
    note: tuple[str, str] | None = None


@dataclass(frozen=True)
class Node:
    """What every node has; a hang-up is an ordinary way out of each of them."""

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
    """Speak and wait `wait_s` seconds for one of `keys`; silence and other keys lead on as well."""

    prompts: tuple[str, ...]
    keys: Mapping[str, Go]
    silence: Go
    other: Go
    wait_s: float


@dataclass(frozen=True)
class Take(Node):
    """Beep and record a clip of `kind`; any key, `silence_s` of silence or `max_s` ends it."""

    kind: str
    max_s: int
    silence_s: int
    speech_s: float
    spoken: Go
    silent: Go


@dataclass(frozen=True)
class Hear(Node):
    """Play the caller's own latest complaint back; a key cuts it short."""

    then: Go


@dataclass(frozen=True)
class Tell(Node):
    """Read the public number digit by digit, in pairs, after `intro`.

    `without` is said instead when this call has no number.
    """

    intro: str
    without: Go
    then: Go
    interruptible: bool = False
    note: str = ""


@dataclass(frozen=True)
class End(Node):
    """The call is over."""

    outcome: Outcome


AnyNode = Say | Choose | Take | Hear | Tell | End
Menu = Mapping[str, AnyNode]
START = "welcome"
GO_RECORD = Go("record_complaint")  # a prompt that cannot be played is no reason not to record


def build_menu(limits: Limits = Limits()) -> Menu:
    """The menu of the complaint line."""
    accept = Go("ask_name", note=("review", "accepted"))
    return {
        "welcome": Say(
            ("welcome_consent",), Go("ask_complaint"), interruptible=False, note="consent"
        ),
        "ask_complaint": Say(("ask_complaint",), Go("record_complaint"), on_failure=GO_RECORD),
        "record_complaint": Take(
            "complaint",
            limits.complaint_s,
            limits.complaint_silence_s,
            limits.speech_s,
            spoken=Go("review"),
            silent=Go(
                "heard_nothing", limits.heard_nothing, otherwise="goodbye_silent", kept="ask_name"
            ),
        ),
        "heard_nothing": Say(("heard_nothing",), Go("record_complaint"), on_failure=GO_RECORD),
        "review": Choose(
            ("review",),
            {
                "1": accept,
                "2": Go("listen", limits.listens, otherwise="ask_name"),
                "3": Go(
                    "ask_again", limits.retakes, otherwise="ask_name", note=("review", "again")
                ),
            },
            silence=Go("ask_name", note=("review", "silence")),
            other=accept,
            wait_s=limits.review_wait_s,
            on_failure=accept,
        ),
        "listen": Hear(Go("review"), on_failure=Go("ask_name")),
        "ask_again": Say(("ask_complaint",), Go("record_complaint"), on_failure=GO_RECORD),
        "ask_name": Say(("ask_name",), Go("record_name"), on_failure=Go("ask_village")),
        "record_name": _short("name", limits, Go("ask_village")),
        "ask_village": Say(("ask_village",), Go("record_village"), on_failure=Go("tell_number")),
        "record_village": _short("village", limits, Go("tell_number")),
        "tell_number": Tell("number_intro", Go("no_number"), Go("tell_again"), note="number_heard"),
        "tell_again": Tell(
            "number_again",
            Go("thanks"),
            Go("thanks"),
            interruptible=True,
            on_failure=Go("thanks"),
        ),
        "no_number": Say(("no_number",), Go("thanks"), on_failure=Go("thanks")),
        "thanks": Say(("thanks",), Go("end"), on_failure=Go("end")),
        "goodbye_silent": Say(("goodbye_silent",), Go("silent"), on_failure=Go("silent")),
        "end": End(Outcome.FILED),
        "silent": End(Outcome.SILENT),
        "hung_up": End(Outcome.HUNG_UP),
        "failed": End(Outcome.FAILED),
    }


def _short(kind: str, limits: Limits, then: Go) -> Take:
    return Take(
        kind, limits.short_s, limits.short_silence_s, limits.speech_s, then, then, on_failure=then
    )


def edges(node: AnyNode) -> Iterator[Go]:
    """Every way out of a node, the hang-up's and the failure's included."""
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
    """What is wrong with a menu: targets that do not exist, circles that nothing bounds."""
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
