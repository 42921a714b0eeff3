"""What the exchange is doing now, over AMI: which calls live, and when one ends.

A wrapper round asterisk-ami 0.1.7, which is unsafe bare: its listener dies after `timeout`
seconds of silence and is never replaced, its futures leak and raise on newer Pythons, and
it sends line feeds as they come. So: one client object per connection, thrown away at the
first doubt; a supervisor that pings and builds the next one; replies matched here.
Nobody but this module speaks AMI.
"""

from __future__ import annotations

import logging
import queue
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from asterisk.ami import Action, AMIClient, Response

log = logging.getLogger("aduan24.pbx")

CALL_ID = re.compile(r"[A-Za-z0-9]{1,32}-[0-9]{1,12}\.[0-9]{1,12}")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0

HangupCallback = Callable[[str], None]


class PbxUnavailable(RuntimeError):
    """The exchange cannot be asked now; nothing is known about its calls."""


def clean(value: str) -> str:
    """The value itself; ValueError when it could end the line and begin an action of its own."""
    if any(sign in value for sign in "\r\n\0"):
        raise ValueError("AMI: a value must not contain a line feed or a zero byte")
    return value


def _call_ids(event: Any) -> Iterator[str]:
    """The call ids of an event: several, where a caller's name looks like another line of it."""
    for one in str(event.keys.get("Uniqueid", "")).split("\n"):
        if CALL_ID.fullmatch(one):
            yield one


class _Link(AMIClient):  # type: ignore[misc]  # the package has no types
    """One connection, used once: from connect to the first failure."""

    def __init__(self, host: str, port: int, timeout: float, events: Callable[[Any], None]) -> None:
        super().__init__(address=host, port=port, timeout=timeout)
        self._wait = timeout
        self._ids, self._secret = count(1), secrets.token_hex(8)
        self._replies: dict[str, queue.SimpleQueue[Any]] = {}
        self._sending = threading.Lock()
        self._events = events
        self.add_listener(on_response=self._on_response, on_event=self._on_event)

    def connect(self) -> None:
        """Raises OSError; the base class would leave the socket open."""
        try:
            super().connect()
        except OSError:
            self._socket.close()
            raise

    def listen(self) -> None:
        """The base class lets every failure before the banner escape into the thread's hook."""
        try:
            super().listen()
        except Exception as error:  # whatever it was, this connection is over
            log.debug("AMI connection ended: %r", error)
        finally:
            self.finished.set()

    def send(self, pack: Any) -> None:
        """The base class uses send(), which may stop half-way through an action."""
        with self._sending:
            self._socket.sendall(f"{pack}\r\n".encode())

    def close(self) -> None:
        """End the connection and its thread at once, whoever is waiting in it."""
        if self.finished is None:
            return
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self.disconnect()

    @property
    def alive(self) -> bool:
        return self.finished is not None and not self.finished.is_set()

    def ask(self, name: str, last_event: str = "", **keys: str) -> list[Any]:
        """Send an action; its response, and with `last_event` the events up to that one.

        Raises PbxUnavailable when no whole answer came in time, or the answer is an error.
        """
        with self._conversation() as (action_id, replies):
            fields = {key: clean(value) for key, value in keys.items()}
            try:
                self.send(Action(clean(name), {**fields, "ActionID": action_id}))
                response = replies.get(timeout=self._wait)
                if not isinstance(response, Response) or response.is_error():
                    raise PbxUnavailable(f"AMI refused {name}")
                events: list[Any] = []
                while last_event and (not events or events[-1].name != last_event):
                    events.append(replies.get(timeout=self._wait))
            except queue.Empty:
                raise PbxUnavailable(f"AMI did not answer {name} in {self._wait} s") from None
            except OSError as error:
                raise PbxUnavailable(f"AMI connection lost: {error}") from error
        return events

    @contextmanager
    def _conversation(self) -> Iterator[tuple[str, queue.SimpleQueue[Any]]]:
        action_id = f"{self._secret}-{next(self._ids)}"  # no field of a caller's can guess it
        self._replies[action_id] = queue.SimpleQueue()
        try:
            yield action_id, self._replies[action_id]
        finally:
            del self._replies[action_id]

    def _on_response(self, source: Any, response: Any) -> None:
        self._deliver(response)

    def _on_event(self, source: Any, event: Any) -> None:
        if not self._deliver(event):
            self._events(event)

    def _deliver(self, message: Any) -> bool:
        for action_id in str(message.keys.get("ActionID", "")).split("\n"):
            if (replies := self._replies.get(action_id)) is not None:
                replies.put(message)
                return True
        return False


class Pbx:
    """The exchange as the application sees it. Start it once; it reconnects by itself."""

    def __init__(
        self, *, port: int, user: str, secret: str, host: str = "127.0.0.1", timeout: float = 2.0
    ) -> None:
        self._address = (host, port)
        self._login = {"Username": clean(user), "Secret": clean(secret)}
        self._timeout = timeout
        self._link: _Link | None = None
        self._known: frozenset[str] = frozenset()
        self._callbacks: list[HangupCallback] = []
        self._ended: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def connected(self) -> bool:
        """Whether the last ping was answered."""
        link = self._link
        return link is not None and link.alive

    def on_hangup(self, callback: HangupCallback) -> None:
        """Call `callback(call_id)` soon after each hang-up, in one thread of this object.

        Best effort: a hang-up during a lost connection is told after it, if its call was
        ever listed. What must not be missed is found by asking `live_calls`.
        """
        self._callbacks.append(callback)

    def start(self) -> None:
        """Connect in the background; returns at once."""
        for name, work in (("ami", self._supervise), ("ami-hangups", self._tell)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Disconnect and end both threads."""
        self._stopping.set()
        self._ended.put(None)
        for thread in self._threads:
            thread.join(self._timeout * 3)

    def live_calls(self) -> frozenset[str]:
        """The ids of all channels that exist now; PbxUnavailable when it cannot be known."""
        link = self._link
        if link is None:
            raise PbxUnavailable("AMI is not connected")
        return self._list(link)

    def _list(self, link: _Link) -> frozenset[str]:
        events = link.ask("CoreShowChannels", last_event="CoreShowChannelsComplete")
        self._known = frozenset(one for event in events for one in _call_ids(event))
        return self._known

    # --- the supervisor's thread ----------------------------------------------------

    def _supervise(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                self._one_connection()
                pause = _FIRST_PAUSE
            except (PbxUnavailable, OSError) as error:
                log.debug("AMI: %s", error)
                self._stopping.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _one_connection(self) -> None:
        """From connect to loss. Returns after a connection that worked, raises if none did."""
        link = _Link(*self._address, self._timeout, self._hear)
        try:
            link.connect()
            link.ask("Login", **self._login)
            self._resynchronise(link)
            self._link = link
            log.info("AMI connected")
            self._keep_alive(link)
        finally:
            self._link = None
            link.close()

    def _resynchronise(self, link: _Link) -> None:
        """What ended while nobody listened is told now."""
        before = self._known
        for call_id in sorted(before - self._list(link)):
            self._ended.put(call_id)

    def _keep_alive(self, link: _Link) -> None:
        while link.alive and not self._stopping.wait(self._timeout / 3):
            try:
                link.ask("Ping")
            except PbxUnavailable as error:
                log.warning("AMI lost: %s", error)
                return

    # --- hang-ups --------------------------------------------------------------------

    def _hear(self, event: Any) -> None:
        """In the library's thread: only put on the queue, so that nothing here can end it."""
        if event.name == "Hangup":
            for call_id in _call_ids(event):
                self._ended.put(call_id)

    def _tell(self) -> None:
        while (call_id := self._ended.get()) is not None:
            self._known -= {call_id}
            for callback in self._callbacks:
                self._tell_one(callback, call_id)

    @staticmethod
    def _tell_one(callback: HangupCallback, call_id: str) -> None:
        try:
            callback(call_id)
        except Exception:  # one listener's mistake must not deafen the others
            log.exception("a listener failed on the hang-up of %s", call_id)
