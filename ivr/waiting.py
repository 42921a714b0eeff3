"""Who waits for an operator, in which order, and how long it took those before.

A queue round is short, and the exchange forgets a caller between two rounds: the order in which
they came is kept here, for all calls of one application. Thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_LATEST_WAITS = 10  # what was waited a day ago says nothing about now
_LONGEST_SAID_MINUTES = 9


class WaitingRoom:
    """The callers who wait; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._waits: deque[float] = deque(maxlen=_LATEST_WAITS)
        self._lock = threading.Lock()

    def join(self, call_id: str) -> float:
        """Come in, or stay; how many seconds the caller has waited already."""
        now = self._clock()
        with self._lock:
            return now - self._since.setdefault(call_id, now)

    def answered(self, call_id: str, waited_s: float) -> None:
        """An operator has answered after so many seconds."""
        with self._lock:
            self._since.pop(call_id, None)
            self._waits.append(waited_s)

    def leave(self, call_id: str) -> None:
        """Wait no longer, for whatever reason. Harmless for one who does not wait."""
        with self._lock:
            self._since.pop(call_id, None)

    def place(self, call_id: str) -> int:
        """1 for the caller who has waited longest."""
        with self._lock:
            since = self._since.get(call_id, self._clock())
            return 1 + sum(other < since for other in self._since.values())

    def expected_minutes(self) -> int | None:
        """How long the latest callers had to wait, rounded up; None if nobody knows."""
        with self._lock:
            if not self._waits:
                return None
            return max(1, -int(-sum(self._waits) / len(self._waits) // 60))

    def said(self, call_id: str) -> tuple[str, ...]:
        """Place and expected wait as prompt keys."""
        said = ("queue_position", *_digits(self.place(call_id)))
        minutes = self.expected_minutes()
        if minutes is None or minutes > _LONGEST_SAID_MINUTES:
            return said
        return (*said, "queue_wait", *_digits(minutes))


def _digits(number: int) -> tuple[str, ...]:
    return tuple(f"digit_{digit}" for digit in str(number))
