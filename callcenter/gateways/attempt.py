"""A limit for a whole conversation with a provider, and whether it can still be without effect.

A socket's timeout limits one read: a server that sends a byte now and then is never late, and
the look-up of a name has no limit at all. So the conversation runs in a thread of its own, and
whoever waits for it goes away when the time is up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from http.client import HTTPException
from typing import TypeVar

from callcenter.gateways.channel import TransportError

T = TypeVar("T")


class Attempt:
    """One conversation: up to `commit` the provider cannot have acted on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False
        self.committed = False

    def commit(self) -> None:
        """Call before the first byte on which the provider may act.

        Raises TimeoutError when nobody waits any more: what was called "not sent" must stay so.
        """
        with self._lock:
            if self._over:
                raise TimeoutError
            self.committed = True

    def leave(self) -> bool:
        """Wait no longer; whether the provider may have acted."""
        with self._lock:
            self._over = True
            return self.committed


def within(seconds: float, whom: str, talk: Callable[[Attempt], T]) -> T:
    """What `talk` returns, after at most `seconds`.

    Raises what `talk` raises; where that is a failure of the network, or the time is up, a
    TransportError that names `whom` and is ambiguous once the attempt was committed.
    """
    attempt = Attempt()
    answer: Future[T] = Future()
    threading.Thread(target=_run, args=(talk, attempt, answer), name=whom, daemon=True).start()
    if not wait([answer], seconds).done:
        raise TransportError(f"{whom}: no answer in {seconds:g} s", ambiguous=attempt.leave())
    try:
        return answer.result()
    except (OSError, HTTPException, UnicodeError) as error:
        raise TransportError(f"{whom}: {_cause(error)}", ambiguous=attempt.committed) from None


def _run(talk: Callable[[Attempt], T], attempt: Attempt, answer: Future[T]) -> None:
    try:
        answer.set_result(talk(attempt))
    except BaseException as error:  # it belongs to whoever waits
        answer.set_exception(error)


def _cause(error: Exception) -> str:
    """In words that cannot hold an address: the system's own, else only the kind of error."""
    return getattr(error, "strerror", None) or type(error).__name__
