"""The line behind the browser's test phone: each call is conducted in a thread of its own.

The browser asks what is to be performed and answers with what the caller did; a browser that
says nothing for a while has hung up. Calls live in this process and end with it; what was said
is in the spool all along.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass, field
from secrets import token_urlsafe

from ivr.conduct import Inquiry, Log, Performance, conduct
from ivr.flow import Event, Finish, HungUp, Join, Note, Placed, Started
from ivr.nodes import Menu, Outcome
from ivr.phone import new_call, open_sidecar
from ivr.prompts import consent_version
from ivr.spool import Spool

log = logging.getLogger("aduan24.phone")

#: A recording and the thinking before it; a browser that is quiet for longer is gone.
_PATIENCE_S = 300.0
_NEXT_S = 10.0


class TooManyCalls(RuntimeError):
    """Every test phone is busy."""


@dataclass
class BrowserCall:
    """One call; `step` counts what was performed, `doing` is the action that waits (None: over)."""

    key: str
    call_id: str
    spool: Spool
    owner: str
    language: str = "id"
    step: int = 0
    doing: Performance | None = None
    finish: Finish | None = None
    _told: queue.Queue[Event] = field(default_factory=queue.Queue)
    _moved: threading.Condition = field(default_factory=threading.Condition)

    # ------------------------------------------------------------ the line's side

    def perform(self, action: Performance) -> Event:
        """Wait for what the browser says about it; nobody else waits for an operator here."""
        if isinstance(action, Join):
            return Placed()
        self._move(action)
        try:
            return self._told.get(timeout=_PATIENCE_S)
        except queue.Empty:
            return HungUp()

    def noted(self, note: Note) -> None:
        """Nobody to tell."""

    def speak(self, language: str) -> None:
        """Prompts are in this language from here on."""
        self.language = language

    def over(self, finish: Finish) -> None:
        """The call has ended."""
        self.finish = finish
        self._move(None)

    def _move(self, action: Performance | None) -> None:
        with self._moved:
            self.step, self.doing = self.step + 1, action
            self._moved.notify_all()

    # ------------------------------------------------------------ the browser's side

    def tell(self, step: int, event: Event) -> None:
        """What the caller did at this step; returns when the next one is known.

        A word about another step changes nothing: it is a repeated one.
        """
        with self._moved:
            if step != self.step or self.finish is not None:
                return
            self._told.put(event)
            self._moved.wait_for(lambda: self.step > step, _NEXT_S)

    def begun(self) -> None:
        """Wait until there is something to perform."""
        with self._moved:
            self._moved.wait_for(lambda: self.step > 0, _NEXT_S)


class Switchboard:
    """The test phones of this process, at most `most` at once."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._calls: dict[str, BrowserCall] = {}
        self._lock = threading.Lock()

    def find(self, key: str, owner: str) -> BrowserCall | None:
        """The caller's own call."""
        with self._lock:
            call = self._calls.get(key)
        return call if call and call.owner == owner else None

    def place(
        self, owner: str, spool: Spool, menu: Menu, started: Started, inquiry: Inquiry
    ) -> BrowserCall:
        """A new call; a person's earlier one is hung up. Raises TooManyCalls, OSError."""
        with self._lock:
            self._forget(owner)
            if len(self._calls) >= self._most:
                raise TooManyCalls
            spool.prepare()
            call = BrowserCall(token_urlsafe(12), new_call(spool), spool, owner)
            self._calls[call.key] = call
        sidecar = open_sidecar(spool, call.call_id, started)
        threading.Thread(
            target=_conducted, args=(call, sidecar, menu, started, inquiry), daemon=True
        ).start()
        call.begun()
        return call

    def _forget(self, owner: str) -> None:
        """Calls that are over, and the one that this person had."""
        for call in list(self._calls.values()):
            if call.finish is None and call.owner == owner:
                call.tell(call.step, HungUp())
            if call.finish is not None or call.owner == owner:
                del self._calls[call.key]


def _conducted(
    call: BrowserCall, sidecar: Log, menu: Menu, started: Started, inquiry: Inquiry
) -> None:
    finish = Finish(Outcome.FAILED)
    try:
        finish = conduct(call, sidecar, menu, started, consent_version, inquiry)
    except Exception:
        log.exception("call %s: the test phone failed", call.call_id)
    finally:
        sidecar.write("ended", "16")
        call.over(finish)
