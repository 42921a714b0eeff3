"""The waiting room: who is next, and how long it takes."""

from __future__ import annotations

import pytest

from ivr.waiting import WaitingRoom


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
    return WaitingRoom(clock)


def test_who_came_first_is_first_however_often_they_come_back(
    clock: Clock, room: WaitingRoom
) -> None:
    assert room.join("a") == 0
    clock.now = 20
    room.join("b")
    clock.now = 40
    assert room.join("a") == 40
    assert [room.place(one) for one in "ab"] == [1, 2]


def test_who_leaves_makes_room(clock: Clock, room: WaitingRoom) -> None:
    room.join("a")
    clock.now = 1
    room.join("b")
    room.leave("a")
    room.leave("nobody")
    assert room.place("b") == 1
    clock.now = 2
    assert room.join("a") == 0


def test_the_expected_wait_is_what_the_latest_had_to_wait(clock: Clock, room: WaitingRoom) -> None:
    assert room.expected_minutes() is None
    assert room.said("a") == ("queue_position", "digit_1")
    room.answered("a", 61)
    assert room.expected_minutes() == 2
    for _ in range(10):
        room.answered("a", 10)
    assert room.expected_minutes() == 1
    assert room.said("b") == ("queue_position", "digit_1", "queue_wait", "digit_1")


def test_a_place_of_two_digits_is_read_as_two_and_an_hour_is_not_said(
    clock: Clock, room: WaitingRoom
) -> None:
    for number in range(12):
        clock.now = number
        room.join(str(number))
    room.answered("0", 3600)
    assert room.said("11") == ("queue_position", "digit_1", "digit_1")
