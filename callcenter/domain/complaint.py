"""The life of a complaint: what one citizen asks for, from being heard to being closed."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from callcenter.domain.ticket import TicketState


class ComplaintState(StrEnum):
    """States of a complaint (domain vocabulary; Indonesian labels live with the screens)."""

    RECEIVED = "received"
    TRANSCRIBED = "transcribed"
    CATEGORISED = "categorised"
    DISPATCHED = "dispatched"
    ANSWERED = "answered"
    CLOSED = "closed"
    REOPENED = "reopened"
    MERGED = "merged"
    NOT_ACTIONABLE = "not_actionable"


class Outcome(StrEnum):
    """The citizen's last word."""

    SOLVED = "solved"
    NOT_SOLVED = "not_solved"
    UNCONFIRMED = "unconfirmed"


class Urgency(StrEnum):
    """Class of a complaint; it selects the ladder."""

    REPORT = "report"
    EMERGENCY = "emergency"


S = ComplaintState

#: States in which nobody has to do anything more. What leads out: the citizen's word, taking back.
ENDED = frozenset({S.CLOSED, S.MERGED, S.NOT_ACTIONABLE})

#: verb -> states it starts from -> state it leads to. The only place that says so.
TRANSITIONS: dict[str, dict[ComplaintState, ComplaintState]] = {
    "transcribe": {
        S.RECEIVED: S.TRANSCRIBED,
        S.TRANSCRIBED: S.TRANSCRIBED,
        S.CATEGORISED: S.CATEGORISED,
    },
    "categorise": {S.TRANSCRIBED: S.CATEGORISED, S.CATEGORISED: S.CATEGORISED},
    "dispatch": {
        S.CATEGORISED: S.DISPATCHED,
        S.DISPATCHED: S.DISPATCHED,
        S.ANSWERED: S.DISPATCHED,
        S.REOPENED: S.DISPATCHED,
    },
    "return": {S.DISPATCHED: S.CATEGORISED, S.ANSWERED: S.CATEGORISED},
    "answer": {S.DISPATCHED: S.ANSWERED, S.ANSWERED: S.ANSWERED},
    "close": {S.ANSWERED: S.CLOSED},
    "reopen": {S.ANSWERED: S.REOPENED, S.CLOSED: S.REOPENED},
    "reject": {
        S.RECEIVED: S.NOT_ACTIONABLE,
        S.TRANSCRIBED: S.NOT_ACTIONABLE,
        S.CATEGORISED: S.NOT_ACTIONABLE,
    },
    #: Taken back, it leads to where it came from (`services.merging`).
    "merge": {S.RECEIVED: S.MERGED, S.TRANSCRIBED: S.MERGED, S.CATEGORISED: S.MERGED},
}


class NotAllowed(ValueError):
    """A verb that does not start from the present state."""

    def __init__(self, thing: str, verb: str, state: str) -> None:
        super().__init__(f"{thing} in state {state!r} cannot {verb!r}")
        self.thing, self.verb, self.state = thing, verb, state


def advance(state: ComplaintState, verb: str) -> ComplaintState:
    """The state after `verb`; raises NotAllowed where the table has no row."""
    try:
        return TRANSITIONS[verb][state]
    except KeyError:
        raise NotAllowed("complaint", verb, state) from None


#: A ticket in one of these no longer counts for its complaint.
#: Tickets that count for nothing, and those whose report has been delivered.
DROPPED = frozenset({TicketState.RETURNED})
REPORTED = frozenset({TicketState.REPORTED, TicketState.CLOSED})

_ANSWERED = frozenset(
    {
        TicketState.RESPONDED,
        TicketState.WAITING,
        TicketState.IN_PROGRESS,
        TicketState.HANDLED,
        TicketState.REPORTED,
        TicketState.CLOSED,
    }
)


def all_answered(tickets: Collection[TicketState]) -> bool:
    """Whether every ticket that still counts has been answered; False without any."""
    live = [state for state in tickets if state not in DROPPED]
    return bool(live) and all(state in _ANSWERED for state in live)


_HANDLED = frozenset({TicketState.HANDLED, TicketState.REPORTED, TicketState.CLOSED})


def all_handled(tickets: Collection[TicketState]) -> bool:
    """Whether the work of every ticket that still counts is done; False without any."""
    live = [state for state in tickets if state not in DROPPED]
    return bool(live) and all(state in _HANDLED for state in live)


def all_reported(tickets: Collection[TicketState]) -> bool:
    """Whether every ticket that still counts has its delivered report; False without any."""
    live = [state for state in tickets if state not in DROPPED]
    return bool(live) and all(state in REPORTED for state in live)
