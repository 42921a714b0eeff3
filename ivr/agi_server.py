"""The FastAGI server: one thread, one event loop, all calls.

Who takes a call must never block the loop; what takes long goes through `ivr.aside`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable

from ivr.agi import Channel
from ivr.wire import CallerGone, Wire

log = logging.getLogger("aduan24.line")

_BACKLOG = 1024
_LOOK_S = 0.5  # how often deadlines are looked at; none is shorter than seconds
_POLL_S = 0.05
_LAST_WORDS_S = 0.5  # for a call that was cut to write its last line


class AgiServer:
    """Takes at most `most_calls` calls at once; one more is refused by closing its connection,
    and the dialplan's fallback takes it.

    It listens from the beginning and answers after `start`; `address` is where. Raises OSError
    if the port is taken. `take_call` may raise anything: the call's connection closes.
    """

    def __init__(
        self, host: str, port: int, take_call: Callable[[Channel], Awaitable[None]], most_calls: int
    ) -> None:
        self._take_call, self._most_calls = take_call, most_calls
        self._socket = _listening(host, port)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._wires: set[Wire] = set()
        self._tasks: dict[Wire, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._drain_s = 0.0
        self._thread = threading.Thread(target=self._run, name="agi", daemon=True)
        self._started = threading.Event()

    def start(self) -> None:
        """Answer calls, in a thread of its own; returns when it does."""
        self._thread.start()
        self._started.wait()

    def stop(self, drain_s: float = 0.0) -> None:
        """Take no more calls, wait up to `drain_s` for those there are, cut the rest; twice is
        harmless."""
        self._drain_s = drain_s
        loop, over = self._loop, self._over
        if loop is not None and over is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(over.set)
            self._thread.join()
        self._socket.close()

    def calls(self) -> int:
        """How many calls there are now."""
        return len(self._wires)

    # ------------------------------------------------------------ in the loop's thread

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(
            lambda: Wire(self), sock=self._socket, backlog=_BACKLOG
        )
        looking = self._loop.create_task(self._watch_deadlines())
        self._started.set()
        await self._over.wait()
        server.close()
        await self._ended_within(self._drain_s)
        looking.cancel()
        for wire in list(self._wires):
            wire.cut("the application stops")
        await self._ended_within(_LAST_WORDS_S)

    async def _ended_within(self, seconds: float) -> None:
        assert self._loop is not None  # noqa: S101 (this runs in it)
        deadline = self._loop.time() + seconds
        while self._wires and self._loop.time() < deadline:
            await asyncio.sleep(_POLL_S)

    async def _watch_deadlines(self) -> None:
        assert self._loop is not None  # noqa: S101 (this runs in it)
        while True:
            await asyncio.sleep(_LOOK_S)
            now = self._loop.time()
            for wire in [wire for wire in self._wires if wire.deadline < now]:
                wire.cut("no answer in time")

    def made(self, wire: Wire) -> None:
        """Count the call, or refuse it."""
        if len(self._wires) >= self._most_calls:
            log.error("%d calls at once: one more goes to the fallback", self._most_calls)
            wire.cut("one too many")
            return
        self._wires.add(wire)

    def opened(self, wire: Wire) -> None:
        """Give the call to whoever takes it."""
        self._tasks[wire] = asyncio.get_running_loop().create_task(self._taken(wire))

    def closed(self, wire: Wire) -> None:
        """Forget the call, unless somebody is still at it."""
        if wire not in self._tasks:
            self._wires.discard(wire)

    async def _taken(self, wire: Wire) -> None:
        """Conduct a call; whatever goes wrong, its connection closes and the fallback takes it."""
        try:
            await self._take_call(Channel(wire))
        except CallerGone:
            log.info("a connection that broke off")
        except Exception:
            log.exception("a call that the application could not handle")
        finally:
            wire.close()
            self._wires.discard(wire)
            self._tasks.pop(wire, None)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
