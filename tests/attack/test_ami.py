"""Hostile values in the manager's stream: the wrapper sends nothing more, believes no call id that
is none, and always finds its way back to right answers.

The manager at the other end is a fake on a real socket: it says what a field may hold, and counts
the actions that reach it.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from callcenter.gateways import pbx as module
from callcenter.gateways.pbx import CALL_ID, Pbx, PbxUnavailable, _Link
from tests.attack.hostile import hostile, texts
from tests.line.asterisk import until

LIVE = "pbx1-1764000000.7"
OURS = {"Login", "CoreShowChannels", "Ping"}


class Manager:
    """Accepts our connections one after the other; `say` puts bytes into the stream."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.actions: Counter[str] = Counter()
        self.odd: list[bytes] = []
        self.fields: list[list[bytes]] = []
        self._link: socket.socket | None = None
        self._turn = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def say(self, *lines: bytes) -> bool:
        """One event; False if nobody listens."""
        link = self._link
        if link is None:
            return False
        with self._turn, suppress(OSError):
            link.sendall(b"\r\n".join((*lines, b"", b"")))
            return True
        return False

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        if self._link:
            self._link.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._server.accept()
                link.sendall(b"Asterisk Call Manager/7.0.3\r\n")
                self._link = link
                with suppress(OSError):
                    self._listen(link)
                self._link = None
                link.close()

    def _listen(self, link: socket.socket) -> None:
        read = b""
        while data := link.recv(65536):
            read += data
            *whole, read = read.split(b"\r\n\r\n")
            for action in whole:
                self._answer(action.strip(b"\r\n").split(b"\r\n"))

    def _answer(self, lines: list[bytes]) -> None:
        fields = dict(line.split(b": ", 1) for line in lines if b": " in line)
        name = fields.get(b"Action", b"").decode(errors="replace")
        if len(fields) != len(lines) or not name:
            self.odd.append(b"\n".join(lines))
        self.actions[name] += 1
        self.fields.append(lines)
        about = b"ActionID: " + fields.get(b"ActionID", b"")
        self.say(b"Response: Success", about)
        if name == "CoreShowChannels":
            self.say(b"Event: CoreShowChannel", about, b"Uniqueid: " + LIVE.encode())
            self.say(b"Event: CoreShowChannelsComplete", about)


@pytest.fixture
def manager() -> Iterator[Manager]:
    made = Manager()
    yield made
    made.close()


@pytest.fixture
def pbx(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pbx]:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
    made = Pbx(port=manager.port, user="aduan24", secret="secret")
    made.start()
    until(lambda: made.connected)
    yield made
    made.stop()


def live(pbx: Pbx) -> frozenset[str]:
    """What is known once there is a connection."""

    def asked() -> frozenset[str] | None:
        with suppress(PbxUnavailable):
            return pbx.live_calls()
        return None

    return until(asked)


EVENTS = ("Hangup", "CoreShowChannel", "CoreShowChannelsComplete", "Newchannel", "FullyBooted")
FIELDS = ("Uniqueid", "CallerIDNum", "CallerIDName", "ActionID", "Channel", "Cause-txt")


def test_hostile_events_bring_about_no_action_and_no_wrong_call(
    manager: Manager, pbx: Pbx, size: int
) -> None:
    told: list[str] = []
    pbx.on_hangup(told.append)
    values = hostile(size)
    said = 0
    for turn, first in enumerate(values):
        event = EVENTS[turn % len(EVENTS)].encode()
        rest = [next(values, b"") for _ in range(3)]
        lines = [
            name.encode() + b": " + value
            for name, value in zip(FIELDS[turn % 3 :], (first, *rest), strict=False)
        ]
        until(lambda event=event, lines=lines: manager.say(b"Event: " + event, *lines))  # type: ignore[misc]
        said += 1
        if turn % 50 == 0:
            assert live(pbx) <= {LIVE}
    assert live(pbx) == {LIVE}
    print(f"{said} events, {dict(manager.actions)}, {len(told)} hang-ups told")
    assert set(manager.actions) <= OURS
    assert manager.odd == []
    assert all(CALL_ID.fullmatch(call) for call in told)


def test_a_hostile_field_is_one_field_or_is_not_sent(manager: Manager, size: int) -> None:
    link = _Link("127.0.0.1", manager.port, 5.0, lambda _event: None)
    link.connect()
    sent = refused = 0
    for text in texts(size):
        before = len(manager.fields)
        try:
            link.ask("Ping", Value=text)
        except ValueError:
            refused += 1
            assert len(manager.fields) == before, text
            continue
        sent += 1
        (lines,) = manager.fields[before:]
        assert len(lines) == 3 and f"Value: {text}".encode() in lines, text
    link.close()
    print(f"{sent} sent, {refused} refused")
    assert set(manager.actions) == {"Ping"}
    assert min(sent, refused) > size / 10
