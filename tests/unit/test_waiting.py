"""The waiting room: who is next, and how long it takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ivr.waiting import NobodyThere, Staff, WaitingRoom, expected_wait


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(clock: Clock) -> WaitingRoom:
    return WaitingRoom(clock=clock)


def test_who_came_first_is_first_however_often_they_come_back(
    clock: Clock, room: WaitingRoom
) -> None:
    assert room.join("a") == 0
    clock.now = 20
    room.join("b")
    clock.now = 40
    assert room.join("a") == 40
    assert [room.place(one) for one in "ab"] == [1, 2]
    assert room.waiting() == {"a", "b"}


def test_who_leaves_makes_room(clock: Clock, room: WaitingRoom) -> None:
    room.join("a")
    clock.now = 1
    room.join("b")
    room.leave("a")
    room.leave("nobody")
    assert room.place("b") == 1
    clock.now = 2
    assert room.join("a") == 0


def test_who_comes_and_goes_is_told_once(room: WaitingRoom) -> None:
    told: list[int] = []
    room.notify(lambda: told.append(len(room.waiting())))
    room.join("a")
    room.join("a")
    room.enter("b")
    room.leave("a")
    room.leave("a")
    assert told == [1, 2, 1]


def test_a_full_room_takes_nobody_but_those_who_wait_already(clock: Clock) -> None:
    room = WaitingRoom(2, clock)
    room.enter("a")
    room.enter("b")
    with pytest.raises(NobodyThere):
        room.enter("c")
    room.enter("a")
    room.leave("b")
    room.enter("c")
    assert room.waiting() == {"a", "c"}


def test_nobody_waits_where_nobody_answers(room: WaitingRoom) -> None:
    room.enter("a")  # nobody knows who answers: the exchange will say
    room.staffed(Staff(0, 0))
    with pytest.raises(NobodyThere):
        room.enter("b")
    room.staffed(Staff(1, 0))
    room.enter("b")
    room.staffed(None)
    room.enter("c")


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("place", "staff", "wait"),
    [
        (1, Staff(1, 1, 90), 0 * MINUTE),
        (2, Staff(3, 2, 90), 0 * MINUTE),
        (1, Staff(1, 0, 60), MINUTE),
        (1, Staff(1, 0, 60.1), 2 * MINUTE),
        (1, Staff(1, 0, 1), MINUTE),
        (3, Staff(1, 0, 120), 6 * MINUTE),
        (3, Staff(2, 0, 120), 3 * MINUTE),
        (3, Staff(2, 1, 120), 2 * MINUTE),
        (1, Staff(1, 0, None), None),
        (1, Staff(0, 0, 60), None),
    ],
)
def test_the_expected_wait(place: int, staff: Staff, wait: timedelta | None) -> None:
    assert expected_wait(place, staff) == wait


def test_place_and_wait_are_said_in_the_caller_s_language(clock: Clock, room: WaitingRoom) -> None:
    for number in range(12):
        clock.now = number
        room.join(str(number))
    assert room.said("11") == ("queue_position", "digit_2", "number_teens")
    room.staffed(Staff(3, 0, 60))
    indonesian = ("queue_position", "digit_2", "number_teens", "pause", "queue_wait", "digit_4")
    assert room.said("11") == (*indonesian, "minutes")
    balinese = ("queue_position", "number_12", "pause", "queue_wait", "linked_4", "minutes")
    assert room.said("11", "ban") == balinese
    assert room.said("0", "en") == (
        *("queue_position", "digit_1", "pause", "queue_wait", "digit_1", "minute_1"),
    )


@pytest.mark.parametrize("staff", [Staff(1, 1, 60), Staff(1, 0, None), Staff(1, 0, 3601)])
def test_no_wait_is_said_where_there_is_none_or_nobody_would_believe_it(
    room: WaitingRoom, staff: Staff
) -> None:
    room.join("a")
    room.staffed(staff)
    assert room.said("a") == ("queue_position", "digit_1")
