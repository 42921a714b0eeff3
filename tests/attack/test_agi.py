"""Hostile values on the wire to Asterisk: no command too many, no answer taken for another's.

The session of `ivr.wire` and `ivr.agi` on a real socket. The exchange at the other end counts
lines: whatever a value holds, a command is one line, or is not sent at all.
"""

from __future__ import annotations

import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from ivr.agi import AgiFault, CallerGone, Channel, UnsafeValue
from ivr.agi_server import AgiServer
from ivr.asterisk import LineServer, LineSettings, serve
from ivr.menu import Limits, build_menu
from ivr.numbers import make_number
from ivr.spool import Spool
from tests.attack.hostile import hostile
from tests.line.asterisk import until
from tests.line.noises import keys_of, make_noises
from tests.line.scripted import ScriptedAsterisk

SPEECH = Path(__file__).parents[2] / "recordings/prompts/id/thanks.wav"
CONTROL = "CONTROL"
COMMAND = re.compile(r'[A-Z]+( [A-Z]+){0,2}( "[^"\\\x00-\x1f\x7f]*")*')


class Exchange:
    """Asterisk's end of one connection: answers what it is asked, and remembers it.

    `value` is what its variable `HOSTILE` holds, byte for byte; `CONTROL` holds a number that
    counts up with every question, so that an answer to another question is seen.
    """

    def __init__(self, address: tuple[str, int], environment: bytes = b"") -> None:
        self._socket = socket.create_connection(address, timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self.commands: list[bytes] = []
        self.value = b""
        self.control = 0
        self._environment = environment

    def answer_all(self) -> None:
        """Open the session and answer until the other side closes."""
        try:
            self._socket.sendall(self._environment + b"agi_uniqueid: pbx1-1764000000.1\n\n")
            for line in iter(self._lines.readline, b""):
                self.commands.append(line)
                self._socket.sendall(self._answer(line))
        except OSError:
            pass
        finally:
            self._lines.close()
            self._socket.close()

    def _answer(self, line: bytes) -> bytes:
        if line.startswith(b"GET VARIABLE"):
            if CONTROL.encode() in line:
                self.control += 1
                return b"200 result=1 (%d)\n" % self.control
            return b"200 result=1 (" + self.value + b")\n"
        return b"200 result=1\n"


class Attack:
    """Sessions one after the other, because a broken one is over."""

    def __init__(self, values: Iterator[bytes]) -> None:
        self.left = values
        self.counts: Counter[str] = Counter()
        self.exchange: Exchange | None = None
        self.faults: list[str] = []

    async def take(self, channel: Channel) -> None:
        """One session: values until it breaks, or there are no more."""
        asked = 0
        exchange = self.exchange
        assert exchange is not None
        for value in self.left:
            exchange.value = value
            self.counts["values"] += 1
            text = value.decode("utf-8", errors="replace")
            sent = await self._set(channel, text, exchange)
            try:
                heard = await channel.get("HOSTILE")
                asked += 1
                control = await channel.get(CONTROL)
            except (AgiFault, CallerGone):
                self.counts["sessions given up"] += 1
                return
            if control != str(asked):
                self.faults.append(f"desynchronised by {value!r}: {control!r} for {asked}")
                return
            if b"\n" not in value and b"\r" not in value and heard != text:
                self.faults.append(f"{value!r} was read as {heard!r}")
            self.counts["sent" if sent else "refused"] += 1

    async def _set(self, channel: Channel, text: str, exchange: Exchange) -> bool:
        """Whether it was sent; then it is one line, and the same text."""
        before = len(exchange.commands)
        try:
            await channel.set("X", text)
        except UnsafeValue:
            if len(exchange.commands) != before:
                self.faults.append(f"{text!r} was refused and sent")
            return False
        got = [line.decode() for line in exchange.commands[before:]]
        if got != [f'SET VARIABLE "X" "{text}"\n']:
            self.faults.append(f"{text!r} was sent as {got!r}")
        return True


def test_no_value_makes_a_second_command_or_shifts_an_answer(size: int) -> None:
    attack = Attack(hostile(size))
    server = AgiServer("127.0.0.1", 0, attack.take, 4)
    server.start()
    try:
        while attack.counts["values"] < size and not attack.faults:
            attack.exchange = Exchange(server.address)
            attack.exchange.answer_all()
    finally:
        server.stop()
    print(dict(attack.counts))
    assert attack.faults == []
    assert attack.counts["values"] == size
    assert min(attack.counts[what] for what in ("sent", "refused", "sessions given up")) > size / 50


# ---------------------------------------------------------------- whole calls


LIMITS = Limits(operators=True, emergency=True)
FIELDS = ("agi_callerid", "agi_calleridname", "agi_dnid", "agi_rdnis", "agi_extension", "agi_x")
VARIABLES = ("ADUAN_NUMBER", "ADUAN_ORDINAL", "ADUAN_BRIDGE", "ADUAN_KEY", "ADUAN_CLIP")
VERBS = {
    "SET VARIABLE",
    "GET VARIABLE",
    "STREAM FILE",
    "WAIT FOR DIGIT",
    "RECORD FILE",
    "GOSUB",
    "NOOP",
}
SET = {"ADUAN_CONSENT", "ADUAN_CLIP", "ADUAN_DONE", "TIMEOUT(absolute)"}
_calls = count(1)


class Liar(ScriptedAsterisk):
    """An exchange whose every word may be somebody else's: the caller's number and name, the
    variables, the replies."""

    def __init__(self, address: tuple[str, int], values: Iterator[bytes], seed: int) -> None:
        self.chance = random.Random(seed)
        self.values = values
        call_id = f"pbx1-1764000000.{next(_calls)}"
        whole = self.chance.random() < 0.7  # the others end the line, or the environment
        told = [self._next_value().replace(b"\n", b"" if whole else b"\n") for _ in FIELDS]
        pairs = zip(FIELDS, told, strict=True)
        lines = [name.encode() + b": " + value + b"\n" for name, value in pairs]
        super().__init__(
            address,
            call_id,
            number=make_number(7),
            takes=[SPEECH, None, SPEECH, SPEECH],
            environment=b"".join([b"agi_uniqueid: %s\n" % call_id.encode(), *lines]),
        )
        for name in VARIABLES:
            if self.chance.random() < 0.7:
                self.variables[name] = self._next_value().decode("utf-8", errors="replace")

    def _next_value(self) -> bytes:
        return next(self.values, b"")

    def _answer(self, command: str) -> str | bytes:
        lie = self.chance.random()
        if lie < 0.06:
            said = chance_of(self.chance, b"", b"200 result=") + self._next_value() + b"\n"
            return said + next((rest for no, rest in NO_REPLY.items() if said.startswith(no)), b"")
        if lie < 0.3 and command.startswith(("WAIT FOR DIGIT", "STREAM FILE")):
            return f"200 result={ord(self.chance.choice('0123456789*#'))} endpos=10"
        return super()._answer(command)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[LineServer, Spool]]:
    book = make_noises(tmp_path / "prompts", "id", keys_of(build_menu(LIMITS)))
    settings = LineSettings(
        tmp_path / "spool", tmp_path / "quarantine", tmp_path / "prompts", port=0, limits=LIMITS
    )
    running = serve(settings, books=lambda: {"id": book})
    running.start()
    yield running, Spool(settings.spool, settings.quarantine)
    running.stop()


def test_a_caller_whose_every_field_is_hostile_brings_about_nothing_else(
    line: tuple[LineServer, Spool], size: int, caplog: pytest.LogCaptureFixture
) -> None:
    server, spool = line
    values, outcomes = Taken(hostile(size)), Counter[str]()
    while values.taken < size:
        seed = next(_calls)
        with Liar(server.address, values, seed) as exchange:
            exchange.run()
        until(lambda: server.calls() == 0)
        assert_harmless(exchange, spool)
        outcomes["done" if "ADUAN_DONE" in exchange.variables else "left to the fallback"] += 1
    print(dict(outcomes))
    assert not [record for record in caplog.records if record.exc_info]
    assert min(outcomes.values()) > 0 and len(outcomes) == 2


#: What is no reply yet, so that the driver rightly waits: the rest of it.
NO_REPLY = {
    b"HANGUP\n": b"200 result=0\n",
    b"HANGUP\r\n": b"200 result=0\n",
    b"100 ": b"200 result=0\n",
    b"520-": b"520 End of proper usage.\n",
}


def chance_of(chance: random.Random, *choices: bytes) -> bytes:
    return chance.choice(choices)


def test_a_count_that_is_too_long_to_be_a_number_is_none(
    line: tuple[LineServer, Spool], caplog: pytest.LogCaptureFixture
) -> None:
    with Liar(line[0].address, iter(()), 0) as exchange:
        exchange.variables = {"ADUAN_NUMBER": make_number(7), "ADUAN_ORDINAL": "9" * 8000}
        exchange.run()
    assert not [record for record in caplog.records if record.exc_info]


class Taken(Iterator[bytes]):
    """Values, and how many were taken."""

    def __init__(self, values: Iterator[bytes]) -> None:
        self._values, self.taken = values, 0

    def __next__(self) -> bytes:
        self.taken += 1
        return next(self._values)


def assert_harmless(exchange: Liar, spool: Spool) -> None:
    """Only our own commands, our own files; the sidecar and every clip are this call's."""
    for command in exchange.commands:
        assert COMMAND.fullmatch(command), command
        verb, *values = command.split(' "')[0], *re.findall(r'"([^"]*)"', command)
        assert verb in VERBS, command
        if verb == "SET VARIABLE":
            assert values[0] in SET, command
        if verb == "RECORD FILE":
            assert Path(values[0]).parent == spool.folder.resolve()
            assert Path(values[0]).name.startswith(f"{exchange.call_id}_"), command
        if verb == "GOSUB":
            assert values[0] in {"aduan-emergency", "aduan-operators"}, command
    for path in spool.folder.iterdir():
        assert re.fullmatch(r"pbx1-1764000000\.[0-9]+(\.call|_[a-z]+-[0-9]+\.wav)", path.name)
        if path.suffix == ".call":
            assert all(re.fullmatch(rb"[0-9.]+ [a-z_]+=\S*", row) for row in lines_of(path))
        path.unlink()


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()
