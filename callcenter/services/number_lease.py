"""Public numbers for calls that cannot wait for a transaction each."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime

from callcenter.services import numbers
from callcenter.store.session import Store

_AT_ONCE = 20


class Lease:
    """Numbers of the application's block, a few at a time.

    What a process has taken is nobody else's from its commit on. Those that it did not use when
    it ends are never given out: there are ten million, and a process seldom ends.
    """

    def __init__(self, store: Store, at_once: int = _AT_ONCE) -> None:
        self._store, self._at_once = store, at_once
        self._left: deque[str] = deque()
        self._lock = threading.Lock()

    def take(self, now: datetime) -> str:
        """A number. Raises NumbersExhausted, or what the database raises."""
        with self._lock:
            if not self._left:
                with self._store.write() as session:
                    taken = numbers.take_some(session, self._at_once, now)
                self._left.extend(taken)
            return self._left.popleft()
