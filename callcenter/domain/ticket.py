"""The life of a ticket: the order to one agency to answer a complaint."""

from __future__ import annotations

from enum import StrEnum


class TicketState(StrEnum):
    """States of a ticket. Being late is computed from times; it is not a state."""

    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    RESPONDED = "responded"
    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    HANDLED = "handled"
    REPORTED = "reported"
    CLOSED = "closed"
    RETURNED = "returned"


class WaitingReason(StrEnum):
    """Why the handling pauses (never the 24-hour window)."""

    PROCUREMENT = "procurement"
    MATERIAL = "material"
    BUDGET = "budget"
    EQUIPMENT = "equipment"


class TicketNotAllowed(ValueError):
    """A verb that does not start from the ticket's present state."""

    def __init__(self, verb: str, state: str) -> None:
        super().__init__(f"a ticket in state {state!r} cannot {verb!r}")
        self.verb, self.state = verb, state


S = TicketState

#: verb -> states it starts from -> state it leads to. The only place that says so.
TRANSITIONS: dict[str, dict[TicketState, TicketState]] = {
    "accept": {S.DISPATCHED: S.ACCEPTED},
    "respond": {S.DISPATCHED: S.RESPONDED, S.ACCEPTED: S.RESPONDED},
    "start": {S.RESPONDED: S.IN_PROGRESS, S.WAITING: S.IN_PROGRESS},
    "wait": {S.RESPONDED: S.WAITING, S.IN_PROGRESS: S.WAITING},
    "prolong": {S.WAITING: S.WAITING},
    "wake": {S.WAITING: S.IN_PROGRESS},
    "handle": {
        S.DISPATCHED: S.HANDLED,
        S.ACCEPTED: S.HANDLED,
        S.RESPONDED: S.HANDLED,
        S.WAITING: S.HANDLED,
        S.IN_PROGRESS: S.HANDLED,
    },
    "report": {S.HANDLED: S.REPORTED},
    "close": {S.REPORTED: S.CLOSED},
    "return": {S.DISPATCHED: S.RETURNED, S.ACCEPTED: S.RETURNED},
}

#: States in which nothing more is expected of the agency.
FINAL = frozenset({S.CLOSED, S.RETURNED})


def advance(state: TicketState, verb: str) -> TicketState:
    """The state after `verb`; raises TicketNotAllowed where the table has no row."""
    try:
        return TRANSITIONS[verb][state]
    except KeyError:
        raise TicketNotAllowed(verb, state) from None


def verbs_from(state: TicketState) -> frozenset[str]:
    """The verbs that the table allows in `state`."""
    return frozenset(verb for verb, rows in TRANSITIONS.items() if state in rows)
