"""What the application can ask of one call's channel, and what Asterisk's answers mean.

Each command has its own time limit; ``result=-1`` is a hang-up for everything that plays or
waits. The wire below is `ivr.wire`; the traps of both are tested in tests/line/test_agi.py.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from ivr.wire import AgiFault, CallerGone, Reply, UnsafeValue, Wire

__all__ = ["AgiFault", "CallerGone", "Channel", "Recording", "Reply", "UnsafeValue"]

log = logging.getLogger("aduan24.line")

ALL_KEYS = "0123456789*#"
_KEYS = {ord(key): key for key in ALL_KEYS + "ABCD"}
_RATE = 8000  # samples per second of all that is recorded
_GRACE_S = 13.0  # the dialplan's own dead man's switch fires first


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

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.environment: Mapping[str, str] = wire.environment

    async def run(self, name: str, *values: str | int, seconds: float = 0.0) -> Reply:
        """One AGI command that may take `seconds`.

        Raises CallerGone, AgiFault, or UnsafeValue before anything is sent.
        """
        return await self._wire.ask(name, *values, seconds=seconds + _GRACE_S)

    async def act(self, name: str, *values: str | int, seconds: float = 0.0) -> Reply:
        """A command on a live channel: as `run`, and -1 means that the caller is gone."""
        reply = await self._wire.ask(name, *values, seconds=seconds + _GRACE_S)
        if reply.result == -1:
            raise CallerGone(f"{name} returned -1")
        return reply

    async def execute(self, application: str, *arguments: str | int, seconds: float = 0.0) -> None:
        """A dialplan application. Raises AgiFault if this Asterisk does not have it."""
        for argument in arguments:
            if "," in str(argument):
                raise UnsafeValue(f"{application}: a comma would make two arguments of one")
        joined = ",".join(str(argument) for argument in arguments)
        if (await self.act("EXEC", application, joined, seconds=seconds)).result == -2:
            raise AgiFault(f"EXEC {application}: no such application")

    async def set(self, name: str, value: str | int) -> None:
        """Set a channel variable or function."""
        await self.run("SET VARIABLE", name, value)

    async def get(self, name: str) -> str:
        """A channel variable; empty if it is not set. Hostile until validated."""
        return (await self.run("GET VARIABLE", name)).text

    async def allow(self, seconds: float) -> None:
        """Renew the dead man's switch: this step takes at most `seconds`."""
        await self.set("TIMEOUT(absolute)", int(seconds) + 9)

    async def stream(self, stem: str, keys: str, seconds: float) -> tuple[str | None, bool]:
        """Play a file until its end or a key of `keys`: the key, and whether there was sound."""
        reply = await self.act("STREAM FILE", stem, keys, seconds=seconds)
        key = _KEYS.get(reply.result)
        return key, bool(key or reply.position)

    async def wait_for_key(self, seconds: float) -> str | None:
        """A key pressed within `seconds`, or None."""
        reply = await self.act("WAIT FOR DIGIT", int(seconds * 1000), seconds=seconds)
        return _KEYS.get(reply.result)

    async def record(self, stem: str, keys: str, most_s: float, silence_s: float) -> Recording:
        """Record into ``<stem>.wav`` until a key, silence, the limit or the hang-up.

        Asterisk answers before it closes the file: returns when it is closed. A full disk is
        not noticed by Asterisk: compare the seconds with those on the disk.
        """
        values = (stem, "wav", keys, int(most_s * 1000), f"s={int(silence_s)}")
        try:
            reply = await self.run("RECORD FILE", *values, seconds=most_s)
        except CallerGone:
            return Recording(0.0, "hangup")
        await self._settled()
        seconds = (reply.position or 0) / _RATE
        if reply.result == -1:
            return Recording(seconds, "error" if reply.text == "writefile" else "hangup")
        key = _KEYS.get(reply.result)
        ended_by = "key" if key else "time" if reply.text == "timeout" else "error"
        return Recording(seconds, ended_by, key)

    async def gosub(self, context: str, *arguments: str | int, seconds: float) -> None:
        """A subroutine of the dialplan, which may take `seconds`; the caller may be gone after."""
        joined = ",".join(str(argument) for argument in arguments)
        await self.run("GOSUB", context, "s", 1, joined, seconds=seconds)

    async def _settled(self) -> None:
        """The command before is over, with all that Asterisk does after its answer."""
        try:
            await self.run("NOOP")
        except CallerGone:
            log.debug("hung up after a recording")
