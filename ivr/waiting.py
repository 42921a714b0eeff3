"""Who waits for an operator, in which order, and how long that will be.

A queue round is short, and the exchange forgets a caller between two rounds: the order in which
they came is kept here, for all calls of one application. Thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from ivr import saying

_LONGEST_SAID = timedelta(hours=1)  # nobody should be promised an hour on the telephone


@dataclass(frozen=True, slots=True)
class Staff:
    """Who answers: `serving` operators, `free` of them without a call.

    `call_s`: how many seconds one call keeps an operator, from the first word to the next call;
    None where nobody knows.
    """

    serving: int
    free: int
    call_s: float | None = None


class NobodyThere(Exception):
    """Waiting has no use: nobody answers calls now, or too many wait already."""


def expected_wait(place: int, staff: Staff) -> timedelta | None:
    """How long the caller at `place` (1 is next) waits, in whole minutes, rounded up.

    Zero where an operator is free for them already; None where nobody can know. With n operators
    who are kept for t each by a call, one of them is free every t/n on average.
    """
    ahead = place - staff.free
    if ahead <= 0:
        return timedelta(0)
    if staff.serving <= 0 or staff.call_s is None:
        return None
    return timedelta(minutes=ceil(ahead * staff.call_s / staff.serving / 60))


class WaitingRoom:
    """The callers who wait, at most `most`; `clock` gives seconds."""

    def __init__(self, most: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._changed: Callable[[], None] = lambda: None
        self._since: dict[str, float] = {}
        self._staff: Staff | None = None
        self._lock = threading.Lock()

    def notify(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever somebody comes or goes; it must not raise."""
        self._changed = changed

    def staffed(self, staff: Staff | None) -> None:
        """Who answers now; None: nobody knows."""
        with self._lock:
            self._staff = staff

    def enter(self, call_id: str) -> None:
        """Come in, if there is any use in waiting. Raises NobodyThere.

        Where it is not known who answers, the exchange will say so itself.
        """
        with self._lock:
            full = call_id not in self._since and len(self._since) >= self._most
            if full or (self._staff is not None and self._staff.serving <= 0):
                raise NobodyThere
        self.join(call_id)

    def join(self, call_id: str) -> float:
        """Come in, or stay; how many seconds the caller has waited already."""
        now = self._clock()
        with self._lock:
            came = call_id not in self._since
            waited = now - self._since.setdefault(call_id, now)
        if came:
            self._changed()
        return waited

    def leave(self, call_id: str) -> None:
        """Wait no longer, for whatever reason. Harmless for one who does not wait."""
        with self._lock:
            gone = self._since.pop(call_id, None) is not None
        if gone:
            self._changed()

    def waiting(self) -> frozenset[str]:
        """Everybody who waits now."""
        with self._lock:
            return frozenset(self._since)

    def place(self, call_id: str) -> int:
        """1 for the caller who has waited longest."""
        with self._lock:
            since = self._since.get(call_id, self._clock())
            return 1 + sum(other < since for other in self._since.values())

    def said(self, call_id: str, language: str = "id") -> tuple[str, ...]:
        """Place and expected wait as prompt keys; no wait where there is none, or nobody knows."""
        place = self.place(call_id)
        said = ("queue_position", *saying.number(min(place, saying.MOST), language))
        with self._lock:
            wait = expected_wait(place, self._staff) if self._staff else None
        if not wait or wait > _LONGEST_SAID:
            return said
        return (*said, "pause", "queue_wait", *saying.duration(wait, language))
