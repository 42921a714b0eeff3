"""Work that takes long (a file's arithmetic, a question to the database) is done aside.

An event loop that holds many calls must not wait for one of them. `Aside` has a fixed number
of threads: what is more waits its turn, and a thread that hangs holds up only its own kind of
work. Its threads end with the process, whatever they are at.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Task = Callable[[], None]


class Aside:
    """At most `threads` threads named `name`, started when they are first needed."""

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._most = name, threads
        self._waiting: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._started = self._busy = 0

    async def run(self, work: Callable[..., T], *values: Any) -> T:
        """What `work(*values)` returns or raises. Who stops waiting does not stop the work."""
        return await self.start(work, *values)

    def start(self, work: Callable[..., T], *values: Any) -> asyncio.Future[T]:
        """Begin with it; to be awaited later, in the running loop."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def task() -> None:
            if outcome.cancelled():
                return
            try:
                tell, result = outcome.set_result, work(*values)
            except BaseException as error:
                tell, result = outcome.set_exception, error  # type: ignore[assignment]
            _tell(loop, outcome, tell, result)

        self._take(task)
        return outcome

    def close(self) -> None:
        """Let the threads go when their work is done; nothing may be run after this."""
        with self._lock:
            for _ in range(self._started):
                self._waiting.put(None)

    def _take(self, task: _Task) -> None:
        with self._lock:
            self._busy += 1
            if self._busy > self._started < self._most:
                self._started += 1
                name = f"{self._name}-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        self._waiting.put(task)

    def _work(self) -> None:
        while (task := self._waiting.get()) is not None:
            task()
            with self._lock:
                self._busy -= 1


def _tell(
    loop: asyncio.AbstractEventLoop,
    outcome: asyncio.Future[Any],
    tell: Callable[[Any], None],
    result: Any,
) -> None:
    def told() -> None:
        if not outcome.done():
            tell(result)

    try:
        loop.call_soon_threadsafe(told)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return
