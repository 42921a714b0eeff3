"""Calls that the line places itself: what for, how far, what came of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

#: Sequence numbers of our own calls begin here, far above those that an exchange counts to.
_FIRST = 900_000_000_000
_DIALLED = re.compile(r"\+62[1-9][0-9]{6,12}", re.ASCII)


class Purpose(StrEnum):
    """Why the line calls somebody."""

    CALL_BACK = "call_back"  # an operator, then a citizen who asked or was missed
    OFFICER = "officer"  # about a ticket
    CLOSING = "closing"  # is it solved?


class State(StrEnum):
    """How far a call is. `placing`: written down; the exchange may or may not have been told."""

    PLANNED = "planned"
    PLACING = "placing"
    PLACED = "placed"
    ENDED = "ended"


class Outcome(StrEnum):
    """What came of a call."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    NO_OPERATOR = "no_operator"  # nobody was called: no operator was free
    NEEDLESS = "needless"  # not placed: it was settled before


#: The modes of such calls in the log: to one person, and an operator with a citizen.
MODE, MODE_BACK = "out", "out-back"


def is_ours(mode: str) -> bool:
    """Whether a call of this mode was placed by the line itself."""
    return mode in (MODE, MODE_BACK)


_OF_DIALSTATUS = {"BUSY": Outcome.BUSY, "NOANSWER": Outcome.NO_ANSWER, "CANCEL": Outcome.NO_ANSWER}


def call_uid(node: str, at: datetime, out_call_id: int) -> str:
    """The id that the call gets on the exchange `node`: known before it is placed."""
    return f"{node}-{int(at.timestamp())}.{_FIRST + out_call_id}"


def may_be_dialled(telephone: str, never: Iterable[str] = ()) -> bool:
    """Whether this is an Indonesian number (E.164) of digits alone; no other is ever dialled.

    None that begins like one of `never` is: as it is dialled in the country (0809, a premium
    number), X for any digit.
    """
    if not _DIALLED.fullmatch(telephone):
        return False
    at_home = "0" + telephone[3:]
    return not any(re.match(start.replace("X", "[0-9]"), at_home) for start in never)


def outcome_of(purpose: Purpose, told: Mapping[str, str]) -> Outcome:
    """What came of a call by the last value of each line of its sidecar.

    `dial` is Asterisk's DIALSTATUS of the person's telephone, `operator` that of the operator's.
    A citizen who did not hear that the talk is recorded was not talked to.
    """
    dial = told.get("dial", "")
    if purpose is Purpose.CALL_BACK and told.get("operator") != "ANSWER":
        return Outcome.NO_OPERATOR
    if dial != "ANSWER":
        return _OF_DIALSTATUS.get(dial, Outcome.FAILED)
    heard = purpose is not Purpose.CALL_BACK or "consent" in told
    return Outcome.ANSWERED if heard else Outcome.NO_ANSWER
