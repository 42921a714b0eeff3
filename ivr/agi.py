"""The wire to one Asterisk channel: pystrix's FastAGI, made safe.

What pystrix leaves open and is closed here (its traps are tested in tests/line):

- arguments are not escaped, and a line feed would send a second command: each is checked;
- there is no read timeout: each command has its own;
- ``result=-1`` is a hang-up for everything that plays or records;
- a provisional reply (100) is no answer: it is skipped;
- undecodable bytes (a caller's name) raise: they are replaced;
- an over-long conversation is cut, a bare TCP probe prints no traceback, and no ``sysctl``
  program is needed to listen.

AGI: https://docs.asterisk.org/Configuration/Interfaces/Asterisk-Gateway-Interface-AGI/
"""

from __future__ import annotations

import logging
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pystrix.agi import (
    FastAGI,
    FastAGIServer,
)
from pystrix.agi.agi_core import (
    AGIDeadChannelError,
    AGIException,
    AGIHangup,
    _Action,
)

log = logging.getLogger("aduan24.line")

ALL_KEYS = "0123456789*#"
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\]')
_MOST_BYTES = 1024 * 1024  # of replies in one call; a whole call takes some 20 kB
_ENVIRONMENT_S = 5.0
_RATE = 8000  # samples per second of all that is recorded
_GRACE_S = 13.0  # the dialplan's own dead man's switch fires first


class CallerGone(Exception):
    """The channel is hung up, or Asterisk is gone."""


class AgiFault(Exception):
    """Asterisk refused a command; the message says which and why."""


class UnsafeValue(ValueError):
    """A value that must not reach the wire; the message says where it came from."""


@dataclass(frozen=True)
class Reply:
    """Asterisk's answer: the number after ``result=``, the text in brackets, where it stopped."""

    result: int
    text: str = ""
    position: int | None = None


@dataclass(frozen=True)
class Recording:
    """What Asterisk says about a recording: seconds, and what ended it.

    `ended_by`: key, time (silence or the limit), hangup or error; `key`: which one.
    """

    seconds: float
    ended_by: str
    key: str | None = None


class Channel:
    """One call's channel."""

    def __init__(self, agi: Any, connection: socket.socket) -> None:
        self._agi = agi
        self._connection = connection
        self.environment: Mapping[str, str] = agi.get_environment()

    def run(self, name: str, *values: str | int, seconds: float = 0.0) -> Reply:
        """One AGI command that may take `seconds`.

        Raises CallerGone, AgiFault, or UnsafeValue before anything is sent.
        """
        action = _Action(name, *(_quoted(name, value) for value in values))
        action.check_hangup = False  # "(hangup)" is a legal value of a variable
        self._connection.settimeout(seconds + _GRACE_S)
        try:
            response = self._agi.execute(action)
        except (AGIHangup, AGIDeadChannelError) as error:
            raise CallerGone(str(error)) from None
        except (AGIException, RecursionError) as error:
            raise AgiFault(f"{name}: {type(error).__name__}") from error
        if response is None:
            raise AgiFault(f"{name}: a reply without a code")
        return _reply(name, response.items)

    def act(self, name: str, *values: str | int, seconds: float = 0.0) -> Reply:
        """A command on a live channel: as `run`, and -1 means that the caller is gone."""
        reply = self.run(name, *values, seconds=seconds)
        if reply.result == -1:
            raise CallerGone(f"{name} returned -1")
        return reply

    def execute(self, application: str, *arguments: str | int, seconds: float = 0.0) -> None:
        """A dialplan application. Raises AgiFault if this Asterisk does not have it."""
        for argument in arguments:
            if "," in str(argument):
                raise UnsafeValue(f"{application}: a comma would make two arguments of one")
        joined = ",".join(str(argument) for argument in arguments)
        if self.act("EXEC", application, joined, seconds=seconds).result == -2:
            raise AgiFault(f"EXEC {application}: no such application")

    def set(self, name: str, value: str | int) -> None:
        """Set a channel variable or function."""
        self.run("SET VARIABLE", name, value)

    def get(self, name: str) -> str:
        """A channel variable; empty if it is not set. Hostile until validated."""
        return self.run("GET VARIABLE", name).text

    def allow(self, seconds: float) -> None:
        """Renew the dead man's switch: this step takes at most `seconds`."""
        self.set("TIMEOUT(absolute)", int(seconds) + 9)

    def stream(self, stem: str, keys: str, seconds: float) -> tuple[str | None, bool]:
        """Play a file until its end or a key of `keys`: the key, and whether there was sound."""
        reply = self.act("STREAM FILE", stem, keys, seconds=seconds)
        key = _key(reply.result)
        return key, bool(key or reply.position)

    def wait_for_key(self, seconds: float) -> str | None:
        """A key pressed within `seconds`, or None."""
        return _key(self.act("WAIT FOR DIGIT", int(seconds * 1000), seconds=seconds).result)

    def record(self, stem: str, keys: str, most_s: float, silence_s: float) -> Recording:
        """Record into ``<stem>.wav`` until a key, silence, the limit or the hang-up.

        Asterisk answers before it closes the file: returns when it is closed. A full disk is
        not noticed by Asterisk: compare the seconds with those on the disk.
        """
        values = (stem, "wav", keys, int(most_s * 1000), f"s={int(silence_s)}")
        try:
            reply = self.run("RECORD FILE", *values, seconds=most_s)
        except CallerGone:
            return Recording(0.0, "hangup")
        self._settled()
        seconds = (reply.position or 0) / _RATE
        if reply.result == -1:
            return Recording(seconds, "error" if reply.text == "writefile" else "hangup")
        key = _key(reply.result)
        ended_by = "key" if key else "time" if reply.text == "timeout" else "error"
        return Recording(seconds, ended_by, key)

    def gosub(self, context: str, *arguments: str | int, seconds: float) -> None:
        """A subroutine of the dialplan, which may take `seconds`; the caller may be gone after."""
        joined = ",".join(str(argument) for argument in arguments)
        self.run("GOSUB", context, "s", 1, joined, seconds=seconds)

    def _settled(self) -> None:
        """The command before is over, with all that Asterisk does after its answer."""
        try:
            self.run("NOOP")
        except CallerGone:
            log.debug("hung up after a recording")


def _quoted(name: str, value: str | int) -> str:
    text = str(value)
    if _UNSAFE.search(text) or len(text) > 1500:
        raise UnsafeValue(f"{name}: a value with a control character, quote or backslash in it")
    return f'"{text}"'


def _reply(name: str, items: Mapping[str, Any]) -> Reply:
    found = items["result"]
    position = items["endpos"].value if "endpos" in items else None
    try:
        where = int(position) if position is not None else None
        return Reply(int(found.value), found.data or "", where)
    except ValueError:
        raise AgiFault(f"{name}: a result that is no number") from None


def _key(code: int) -> str | None:
    return chr(code) if 0 < code < 128 and chr(code) in ALL_KEYS + "ABCD" else None


class _Stream(Protocol):
    def readline(self, size: int, /) -> bytes: ...


class _Lines:
    """Asterisk's side as text lines, whatever bytes it sends; ends when there are too many."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._left = _MOST_BYTES

    def readline(self) -> str:
        line = self._line()
        while line.startswith(b"100 "):  # "Trying": the answer is still to come
            line = self._line()
        return line.decode("utf-8", errors="replace")

    def _line(self) -> bytes:
        line = self._stream.readline(8192)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("more replies than any call needs")
        return line


class _Handler(socketserver.StreamRequestHandler):
    timeout = _ENVIRONMENT_S
    disable_nagle_algorithm = True

    def handle(self) -> None:
        server = self.server
        if not isinstance(server, AgiServer):
            raise TypeError("an AGI handler needs an AgiServer")
        try:
            agi = FastAGI(_Lines(self.rfile), self.wfile)
        except (AGIHangup, RecursionError):
            log.info("a connection that was no call")
            return
        server.take_call(Channel(agi, self.connection))


class AgiServer(FastAGIServer):  # type: ignore[misc]  # pystrix carries no types
    """Takes at most `most_calls` calls at once, each in a thread of its own.

    One more is refused by closing its connection: the dialplan's fallback takes it.
    """

    def __init__(
        self, host: str, port: int, take_call: Callable[[Channel], None], most_calls: int
    ) -> None:
        self.take_call = take_call
        self._most_calls = most_calls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(host, port)
        self.RequestHandlerClass = _Handler

    @staticmethod
    def get_somaxconn() -> int:
        """The length of the listen queue, without starting a program to ask for it."""
        return socket.SOMAXCONN

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count the call, or refuse it."""
        with self._lock:
            full = len(self._open) >= self._most_calls
            if not full:
                self._open.add(request)
        if full:
            log.error("%d calls at once: one more goes to the fallback", self._most_calls)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the call when its connection closes."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log; the connection closes and the dialplan's fallback takes the caller."""
        if isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            log.info("a connection that broke off")
        else:
            log.exception("a call that the application could not handle")

    def calls(self) -> int:
        """How many calls there are now."""
        with self._lock:
            return len(self._open)

    def cut(self) -> None:
        """Close every call's connection."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                log.debug("a connection was closed already")
