"""What the exchange has to be told of operators, from what they have said and what it says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.domain.presence import (
    NO_ANSWER,
    Board,
    Leg,
    Member,
    Order,
    Phone,
    State,
    Step,
    Wanted,
    orders,
    serving,
)

NOW = 1_800_000_000.0
WRAP = timedelta(seconds=30)
READY, OUT = Wanted(State.READY), Wanted(State.OUT)
MEAL = Wanted(State.PAUSED, "meal")


def told(
    wanted: dict[str, Wanted], *members: Member, legs: frozenset[Leg] = frozenset()
) -> list[Step]:
    board = Board({member.extension: member for member in members}, frozenset(), legs)
    return orders(wanted, board, epoch=NOW, wrap_up=WRAP)


def member(extension: str = "op1", **more: object) -> Member:
    return Member(extension, more.pop("phone", Phone.FREE), **more)  # type: ignore[arg-type]


def test_an_exchange_that_has_forgotten_everybody_is_told_of_everybody() -> None:
    assert told({"op1": READY, "op2": MEAL, "op3": OUT}) == [
        Step(Order.ADD, "op1"),
        Step(Order.ADD, "op2", "meal"),
    ]


@pytest.mark.parametrize(
    ("wanted", "there", "steps"),
    [
        (READY, member(), []),
        (READY, member(phone=Phone.AWAY), []),
        (MEAL, member(paused=True, reason="meal"), []),
        (MEAL, member(), [Step(Order.PAUSE, "op1", "meal")]),
        (MEAL, member(paused=True, reason="prayer"), [Step(Order.PAUSE, "op1", "meal")]),
        (Wanted(State.PAUSED, NO_ANSWER), member(), [Step(Order.PAUSE, "op1", "no_answer")]),
        (READY, member(paused=True, reason="meal"), [Step(Order.GO_ON, "op1")]),
        (OUT, member(), [Step(Order.REMOVE, "op1")]),
    ],
)
def test_one_telephone(wanted: Wanted, there: Member, steps: list[Step]) -> None:
    assert told({"op1": wanted}, there) == steps


def test_nobody_s_telephone_is_taken_out_of_the_queue() -> None:
    assert told({}, member("op7")) == [Step(Order.REMOVE, "op7")]


@pytest.mark.parametrize(
    ("ended_before", "still_writes", "steps"),
    [
        (29, True, []),
        (29, False, [Step(Order.FORGET, "op1")]),
        (30, False, []),
        (31, False, []),
    ],
)
def test_who_is_ready_early_need_not_wait_for_the_end_of_the_writing_time(
    ended_before: int, still_writes: bool, steps: list[Step]
) -> None:
    there = member(last_call=int(NOW) - ended_before)
    assert told({"op1": Wanted(State.READY, wraps_up=still_writes)}, there) == steps


def test_nobody_is_taken_out_of_the_queue_while_a_call_is_there() -> None:
    there = member(last_call=int(NOW) - 1, phone=Phone.TALKING)
    assert told({"op1": READY}, there, legs=frozenset({Leg("pbx1-1.1", "op1", True)})) == []


def test_who_answers_and_who_could_at_once() -> None:
    members = [
        member("op1"),
        member("op2", phone=Phone.TALKING),
        member("op3", phone=Phone.RINGING),
        member("op4", paused=True),
        member("op5", phone=Phone.AWAY),
        member("op6", last_call=int(NOW) - 5),
    ]
    assert serving(members, epoch=NOW, wrap_up=WRAP) == (4, 1)
    assert serving([], epoch=NOW, wrap_up=WRAP) == (0, 0)


_reasons = st.sampled_from(["", "meal", "prayer", NO_ANSWER])
_wanted = st.dictionaries(
    st.sampled_from(["op1", "op2", "op3"]),
    st.builds(
        Wanted,
        st.sampled_from(State),
        st.sampled_from(["meal", "prayer", NO_ANSWER]),
        st.booleans(),
    ),
)


@given(_wanted, st.dictionaries(st.sampled_from(["op1", "op2", "op3"]), _reasons))
def test_carrying_out_the_orders_leaves_none(
    wanted: dict[str, Wanted], there: dict[str, str]
) -> None:
    members = {
        extension: Member(extension, Phone.FREE, bool(reason), reason)
        for extension, reason in there.items()
    }
    for step in orders(wanted, _board(members), epoch=NOW, wrap_up=WRAP):
        members.pop(step.extension, None)
        if step.order is not Order.REMOVE:
            paused = bool(step.reason)
            members[step.extension] = Member(step.extension, Phone.FREE, paused, step.reason)
    assert orders(wanted, _board(members), epoch=NOW, wrap_up=WRAP) == []


def _board(members: dict[str, Member]) -> Board:
    return Board(members, frozenset(), frozenset())
