"""The wire of one FastAGI session: lines out, lines in, and who may speak when.

The protocol's shape (there is no standard; this is what Asterisk's res_agi.c sends and takes).
Asterisk connects, and sends one environment; from then on the application asks and Asterisk
answers, one command at a time::

    session     = environment *exchange
    environment = 1*( name ":" SP value LF ) LF
    exchange    = command LF *notice reply
    command     = verb *( SP argument )           ; verb: one to three words
    argument    = DQUOTE *( %x20-21 / %x23-5B / %x5D-7E / UTF-8 ) DQUOTE
    notice      = "HANGUP" LF                     ; the caller is gone: no reply to anything
                / "100" SP text LF                ; the reply is still to come
    reply       = "200 result=" [ "-" ] 1*DIGIT [ SP "(" data ")" ] [ SP "endpos=" 1*DIGIT ] LF
                / "510" SP text LF                ; no such command
                / "511" SP text LF                ; the channel is hung up
                / "520" SP text LF                ; wrong arguments
                / "520-" text LF *( text LF ) "520" SP text LF

What follows from it, and is held here:

- ``HANGUP`` may come at any time. Taken for a reply, it shifts every later one by one.
- A line that nobody asked for is the same shift, from the other side (a line feed inside a
  variable's value makes one): the session is given up before a wrong answer counts.
- A line feed inside an argument is a second command; quotes and backslashes escape. `quoted`
  refuses what is not plain.
- Asterisk has no time limit of its own, and no line is without end: here each reply has a time
  limit, and lines and sessions have a length.

AGI: https://docs.asterisk.org/Configuration/Interfaces/Asterisk-Gateway-Interface-AGI/
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import NamedTuple, Protocol

#: Seconds for an environment to arrive.
ENVIRONMENT_S = 5.0

_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\]')
_LONGEST_VALUE = 1500
_LONGEST_LINE = 8192
_MOST_BYTES = 1024 * 1024  # of one session; a whole call takes some 20 kB
_REPLY = re.compile(r"200 result=(-?[0-9]{1,9})(?!\S)(?: +\((.*)\))?(?: +endpos=([0-9]{1,12}))?")
_END_OF_USAGE = b"520 "


class CallerGone(Exception):
    """The channel is hung up, or Asterisk is gone."""


class AgiFault(Exception):
    """Asterisk refused a command or answered nonsense; the message says which and how."""


class UnsafeValue(ValueError):
    """A value that must not reach the wire; the message says where it came from."""


class Reply(NamedTuple):
    """Asterisk's answer: the number after ``result=``, the text in brackets, where it stopped."""

    result: int
    text: str = ""
    position: int | None = None


def quoted(name: str, value: str | int) -> str:
    """A value as an argument of the command `name`. Raises UnsafeValue."""
    text = str(value)
    if _UNSAFE.search(text) or len(text) > _LONGEST_VALUE:
        raise UnsafeValue(f"{name}: a value with a control character, quote or backslash in it")
    return f'"{text}"'


def reply_of(name: str, line: bytes) -> Reply:
    """A reply to the command `name`. Raises CallerGone for 511, AgiFault for all but 200."""
    text = line.decode("utf-8", errors="replace")
    found = _REPLY.match(text)
    if found:
        result, data, position = found.groups()
        return Reply(int(result), data or "", int(position) if position else None)
    if text.startswith("511"):
        raise CallerGone(f"{name}: the channel is hung up")
    code = text[:3] if text[:3].isdecimal() and text[:3] != "200" else "no reply of AGI's"
    raise AgiFault(f"{name}: {code}")


class Keeper(Protocol):
    """Who keeps the wires of a server; told in the event loop."""

    def made(self, wire: Wire) -> None:
        """Somebody has connected."""

    def opened(self, wire: Wire) -> None:
        """The environment is there: it may be asked."""

    def closed(self, wire: Wire) -> None:
        """The connection is over."""


class Wire(asyncio.Protocol):
    """One session.

    `deadline` is the loop's time at which somebody should `cut` it: infinite while nothing is
    awaited. Belongs to one event loop and one task, which asks one thing after the other.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._awaited: asyncio.Future[bytes] | None = None
        self._rest, self._left = b"", _MOST_BYTES
        self._begun = self._in_usage = False
        self._gone = self._broken = ""
        self.environment: dict[str, str] = {}
        self.deadline = self._loop.time() + ENVIRONMENT_S

    async def ask(self, name: str, *values: str | int, seconds: float) -> Reply:
        """One command, and its reply within `seconds`.

        Raises CallerGone, AgiFault, or UnsafeValue before anything is sent.
        """
        command = " ".join((name, *[quoted(name, value) for value in values]))
        if self._gone or self._transport is None:
            raise CallerGone(self._gone)
        if self._broken:
            raise AgiFault(f"{name}: {self._broken}")
        self._awaited = self._loop.create_future()
        self.deadline = self._loop.time() + seconds
        self._transport.write(command.encode() + b"\n")
        return reply_of(name, await self._awaited)

    def close(self) -> None:
        """The session is over; what is written still leaves."""
        if self._transport is not None:
            self._transport.close()

    def cut(self, why: str) -> None:
        """End the session now: whoever waits for a reply gets CallerGone."""
        self._end(why)
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's word that Asterisk is there."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (the loop's own promise)
        self._transport = transport
        self._keeper.made(self)

    def data_received(self, data: bytes) -> None:
        """The loop's word that Asterisk has said something; lines may come in pieces."""
        self._left -= len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._left < 0 or len(self._rest) > _LONGEST_LINE:
            self.cut("more than any call needs")
            return
        for line in lines:
            (self._answered if self._begun else self._told)(line.rstrip(b"\r"))

    def eof_received(self) -> bool:
        """The loop's word that Asterisk has hung up: whoever has the call closes the wire."""
        self._end("hung up")
        return self._begun

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop's word that the connection is over, whoever ended it."""
        self._end("broken off" if exc else "closed")
        self._keeper.closed(self)

    # ------------------------------------------------------------ line by line

    def _told(self, line: bytes) -> None:
        """A line of the environment. The first of a name counts: a caller's name comes later."""
        if line:
            name, colon, value = line.decode("utf-8", errors="replace").partition(":")
            if colon:
                self.environment.setdefault(name.strip(), value.strip())
            return
        self._begun, self.deadline = True, math.inf
        self._keeper.opened(self)

    def _answered(self, line: bytes) -> None:
        if line == b"HANGUP":
            return
        if self._in_usage:
            self._in_usage = not line.startswith(_END_OF_USAGE)
        elif self._awaited is None:
            self._broken = "a line that nobody asked for"
            return
        elif line.startswith(b"520-"):
            self._in_usage = True
        if self._in_usage or line.startswith(b"100 "):
            return
        awaited, self._awaited, self.deadline = self._awaited, None, math.inf
        if awaited is not None and not awaited.done():
            awaited.set_result(line)

    def _end(self, why: str) -> None:
        self._gone = self._gone or why
        awaited, self._awaited, self.deadline = self._awaited, None, math.inf
        if awaited is not None and not awaited.done():
            awaited.set_exception(CallerGone(why))
