"""The limit of a conversation: what was called "not sent" is never sent afterwards."""

from __future__ import annotations

import threading

import pytest

from callcenter.gateways.attempt import Attempt, within
from callcenter.gateways.channel import TransportError


def test_an_answer_in_time_is_handed_back() -> None:
    assert within(5, "it", lambda attempt: 42) == 42


def test_whoever_comes_too_late_may_not_commit_any_more() -> None:
    go, over = threading.Event(), threading.Event()
    effects: list[str] = []

    def talk(attempt: Attempt) -> None:
        go.wait(5)
        try:
            attempt.commit()
            effects.append("sent")
        finally:
            over.set()

    with pytest.raises(TransportError, match=r"it: no answer in 0\.1 s") as caught:
        within(0.1, "it", talk)
    assert not caught.value.ambiguous
    go.set()
    assert over.wait(5)
    assert effects == []


@pytest.mark.parametrize("committed", [False, True])
def test_a_failure_is_ambiguous_once_it_was_committed(committed: bool) -> None:
    def talk(attempt: Attempt) -> None:
        if committed:
            attempt.commit()
        raise ConnectionResetError(104, "Connection reset by peer", "+6281234567890")

    with pytest.raises(TransportError) as caught:
        within(5, "it", talk)
    assert caught.value.ambiguous is committed
    assert str(caught.value) == "it: Connection reset by peer"


def test_a_mistake_of_our_own_is_not_called_a_failure_of_the_network() -> None:
    def talk(attempt: Attempt) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        within(5, "it", talk)
