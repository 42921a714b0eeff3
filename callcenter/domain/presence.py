"""Operators at their telephones: who is there, and what the exchange has to be told of them.

What a person has said (signed in, paused, out) is the truth. The exchange forgets it at every
restart and is told again: `orders` says what it has to be told, from what it says of itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

#: Why somebody is paused who let it ring too often: no person chooses it.
NO_ANSWER = "no_answer"


class State(StrEnum):
    """What an operator has said."""

    OUT = "out"
    READY = "ready"
    PAUSED = "paused"


class Phone(StrEnum):
    """What an operator's telephone does, as the exchange sees it."""

    UNKNOWN = ""  # nobody has asked the exchange yet
    AWAY = "away"  # not registered, or not to be reached
    FREE = "free"
    RINGING = "ringing"
    TALKING = "talking"


# ---------------------------------------------------------------- what the exchange says


@dataclass(frozen=True, slots=True)
class Member:
    """A telephone in the operators' queue. `reason` is why it is paused, in the exchange's words.

    `last_call` is when its last call ended (epoch seconds, 0: never).
    """

    extension: str
    phone: Phone
    paused: bool = False
    reason: str = ""
    last_call: int = 0

    def wraps_up(self, epoch: float, wrap_up: timedelta) -> bool:
        """Whether the exchange gives it no call because the last one has only just ended."""
        return bool(self.last_call) and epoch < self.last_call + wrap_up.total_seconds()


@dataclass(frozen=True, slots=True)
class Leg:
    """A call at an operator's telephone: it rings (`answered` is false), or they talk."""

    call_id: str
    extension: str
    answered: bool


@dataclass(frozen=True, slots=True)
class Board:
    """The operators' queue at one moment. `waiting` are the calls that are in it."""

    members: Mapping[str, Member]
    waiting: frozenset[str]
    legs: frozenset[Leg]


# ---------------------------------------------------------------- what it has to be told


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a telephone should be in the queue. `wraps_up`: its operator still writes."""

    state: State
    reason: str | None = None
    wraps_up: bool = False


class Order(StrEnum):
    """What the exchange is told about a telephone."""

    ADD = "add"
    REMOVE = "remove"
    PAUSE = "pause"
    GO_ON = "go_on"
    FORGET = "forget"  # out and in again: so the time after a call is cut short


@dataclass(frozen=True, slots=True)
class Step:
    """One order; `reason` goes with ADD (empty: not paused) and PAUSE."""

    order: Order
    extension: str
    reason: str = ""


def orders(
    wanted: Mapping[str, Wanted], board: Board, *, epoch: float, wrap_up: timedelta
) -> list[Step]:
    """What brings the exchange from `board` to `wanted` (extension -> how it should be).

    Nothing where both agree, so that it can be asked again at any time.
    """
    steps: list[Step] = []
    for extension, want in sorted(wanted.items()):
        member = board.members.get(extension)
        busy = any(leg.extension == extension for leg in board.legs)
        steps += _orders_for(extension, want, member, epoch=epoch, wrap_up=wrap_up, busy=busy)
    known = {extension for extension, want in wanted.items() if want.state is not State.OUT}
    steps += [Step(Order.REMOVE, extension) for extension in sorted(set(board.members) - known)]
    return steps


def _orders_for(
    extension: str,
    want: Wanted,
    member: Member | None,
    *,
    epoch: float,
    wrap_up: timedelta,
    busy: bool,
) -> Iterator[Step]:
    if want.state is State.OUT:
        return
    reason = (want.reason or "") if want.state is State.PAUSED else ""
    if member is None:
        yield Step(Order.ADD, extension, reason)
    elif reason:
        if not member.paused or member.reason != reason:
            yield Step(Order.PAUSE, extension, reason)
    elif member.paused:
        yield Step(Order.GO_ON, extension)
    elif member.wraps_up(epoch, wrap_up) and not want.wraps_up and not busy:
        yield Step(Order.FORGET, extension)


# ---------------------------------------------------------------- who answers


def serving(members: Collection[Member], *, epoch: float, wrap_up: timedelta) -> tuple[int, int]:
    """How many of these answer calls (not paused, to be reached), and how many could at once."""
    there = [m for m in members if not m.paused and m.phone not in (Phone.AWAY, Phone.UNKNOWN)]
    free = [m for m in there if m.phone is Phone.FREE and not m.wraps_up(epoch, wrap_up)]
    return len(there), len(free)
