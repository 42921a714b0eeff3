"""The AMI wrapper against a real Asterisk that stalls, is cut off, and starts anew."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from callcenter.gateways.pbx import Pbx, PbxUnavailable
from tests.line.asterisk import RunningAsterisk, free_port, until
from tests.line.softphone import Call, speech

BACK_WITHIN = 5.0
GONE_WITHIN = 30.0  # no call lives longer here after its end


class Relay:
    """A wire between Pbx and Asterisk that can be cut, and that can swallow what is sent."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._pairs: list[socket.socket] = []
        self.flows = threading.Event()
        self.flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # the exchange is away
                near.close()
                continue
            self._pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(4096):
                if self.flows.is_set():
                    sink.sendall(data)
        except OSError:
            return

    def cut(self) -> None:
        for one in self._pairs:
            with suppress(OSError):  # the other side may have gone first
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._pairs.clear()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()


@pytest.fixture
def relay(line: RunningAsterisk) -> Iterator[Relay]:
    made = Relay(line.settings.ami_port)
    yield made
    made.close()


@pytest.fixture
def pbx(line: RunningAsterisk, relay: Relay) -> Iterator[Pbx]:
    made = Pbx(port=relay.port, user="aduan24", secret="test-secret")
    made.start()
    until(lambda: made.connected)
    yield made
    made.stop()


def call_id(line: RunningAsterisk, caller: str) -> str:
    return until(lambda: [one.call_id for one in line.sidecars() if one.get("caller") == caller])[0]


def test_lists_live_calls_and_tells_of_their_end(line: RunningAsterisk, pbx: Pbx) -> None:
    ended: list[str] = []
    pbx.on_hangup(ended.append)
    assert pbx.live_calls() == frozenset()
    with Call(line.sip_port, caller="0701") as call:
        assert call.answered.wait(5)
        mine = call_id(line, "0701")
        assert pbx.live_calls() == {mine}
    until(lambda: ended == [mine], 2)
    until(lambda: pbx.live_calls() == frozenset(), 2)


def test_a_raising_listener_deafens_nobody(line: RunningAsterisk, pbx: Pbx) -> None:
    ended: list[str] = []

    def broken(call_id: str) -> None:
        raise ZeroDivisionError(call_id)

    pbx.on_hangup(broken)
    pbx.on_hangup(ended.append)
    for caller in ("0711", "0712"):
        with Call(line.sip_port, caller=caller) as call:
            assert call.answered.wait(5)
    until(lambda: len(ended) == 2)
    assert pbx.connected


def test_idle_for_longer_than_the_librarys_timeout(line: RunningAsterisk, pbx: Pbx) -> None:
    lost = threading.Event()

    def watch() -> bool:
        if not pbx.connected:
            lost.set()
        return lost.is_set()

    with pytest.raises(AssertionError, match="not within"):
        until(watch, 5)
    assert pbx.live_calls() == frozenset()


@pytest.mark.parametrize(
    "seconds",
    [4, 10, pytest.param(60, marks=(pytest.mark.endurance, pytest.mark.timeout(150)))],
)
def test_back_after_a_stall_and_tells_who_hung_up_in_it(
    line: RunningAsterisk, pbx: Pbx, seconds: int
) -> None:
    ended: list[str] = []
    pbx.on_hangup(ended.append)
    caller = f"0741{seconds}"
    with Call(line.sip_port, caller=caller) as call:
        assert call.answered.wait(5)
        mine = call_id(line, caller)
        assert mine in pbx.live_calls()
        line.freeze()
        timer = threading.Timer(seconds, line.thaw)
        timer.start()
        until(lambda: not pbx.connected, 5)
        with pytest.raises(PbxUnavailable):
            pbx.live_calls()
        call.hang_up()
    timer.join()
    back, gone = since(lambda: pbx.connected, BACK_WITHIN), since(lambda: ended, GONE_WITHIN)
    print(f"a stall of {seconds} s: back after {back:.1f} s, the hang-up told {gone:.1f} s later")
    assert set(ended) == {mine}
    assert pbx.live_calls() == frozenset()


def since(condition: Callable[[], object], at_most: float) -> float:
    """How long it takes until `condition()`."""
    begun = time.monotonic()
    until(condition, at_most)
    return time.monotonic() - begun


def test_back_after_a_wire_that_swallowed_everything(
    line: RunningAsterisk, pbx: Pbx, relay: Relay
) -> None:
    """Nobody closes anything: the connection is open and dead."""
    ended: list[str] = []
    pbx.on_hangup(ended.append)
    with Call(line.sip_port, caller="0751") as call:
        assert call.answered.wait(5)
        mine = call_id(line, "0751")
        assert mine in pbx.live_calls()
        relay.flows.clear()
        call.hang_up()
        until(lambda: not pbx.connected, 5)
    relay.flows.set()
    until(lambda: pbx.connected, BACK_WITHIN)
    until(lambda: ended, 2)
    assert set(ended) == {mine}


@pytest.mark.parametrize(
    "cuts", [10, pytest.param(200, marks=(pytest.mark.endurance, pytest.mark.timeout(900)))]
)
def test_back_after_each_of_many_cuts_at_any_moment(
    line: RunningAsterisk, pbx: Pbx, relay: Relay, cuts: int
) -> None:
    """Also while it signs in, and while it asks. Each call's end is told, after each cut."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance, longest = random.Random(seed), 0.0
    ended: list[str] = []
    pbx.on_hangup(ended.append)
    with Call(line.sip_port, caller="0761", say=speech(60)) as call:
        assert call.answered.wait(5)
        mine = call_id(line, "0761")
        until(lambda: mine in pbx.live_calls())
        for _ in range(cuts):
            relay.cut()
            if chance.random() < 0.5:
                threading.Event().wait(chance.uniform(0, 0.3))
                relay.cut()  # while it comes back
            longest = max(longest, since(lambda: pbx.connected, BACK_WITHIN))
    until(lambda: ended_by_now(pbx, mine), GONE_WITHIN)
    until(lambda: mine in ended, 2)
    print(f"{cuts} cuts, back after {longest:.1f} s at most")


def ended_by_now(pbx: Pbx, call_id: str) -> bool:
    try:
        return call_id not in pbx.live_calls()
    except PbxUnavailable:
        return False


def test_back_after_a_cut_and_tells_what_ended_meanwhile(
    line: RunningAsterisk, pbx: Pbx, relay: Relay
) -> None:
    ended: list[str] = []
    pbx.on_hangup(ended.append)
    with Call(line.sip_port, caller="0721") as call:
        assert call.answered.wait(5)
        mine = call_id(line, "0721")
        assert mine in pbx.live_calls()
        relay.cut()
        call.hang_up()
    until(lambda: ended, BACK_WITHIN)
    assert set(ended) == {mine}
    until(lambda: pbx.connected, BACK_WITHIN)


def test_back_after_a_restart(line: RunningAsterisk, pbx: Pbx) -> None:
    ended: list[str] = []
    pbx.on_hangup(ended.append)
    with Call(line.sip_port, caller="0731") as call:
        assert call.answered.wait(5)
        mine = call_id(line, "0731")
        assert mine in pbx.live_calls()
        line.kill9()
        until(lambda: not pbx.connected, BACK_WITHIN)
        line.run()
    until(lambda: pbx.connected, BACK_WITHIN)
    until(lambda: ended == [mine], 2)
    assert pbx.live_calls() == frozenset()


def test_unreachable_is_said_and_stops_at_once() -> None:
    pbx = Pbx(port=free_port(), user="aduan24", secret="x")
    pbx.start()
    with pytest.raises(PbxUnavailable):
        pbx.live_calls()
    pbx.stop()
    assert not pbx.connected


def test_a_wrong_secret_never_connects(line: RunningAsterisk) -> None:
    pbx = Pbx(port=line.settings.ami_port, user="aduan24", secret="wrong")
    pbx.start()
    with pytest.raises(AssertionError, match="not within"):
        until(lambda: pbx.connected, 1)
    pbx.stop()


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\n", "a\0"])
def test_line_feeds_never_reach_the_wire(value: str) -> None:
    with pytest.raises(ValueError, match="line feed"):
        Pbx(port=1, user=value, secret="x")
    with pytest.raises(ValueError, match="line feed"):
        Pbx(port=1, user="x", secret=value)


def raw_ami(line: RunningAsterisk, *actions: str) -> str:
    """What Asterisk answers to these actions after a good login."""
    with socket.create_connection(("127.0.0.1", line.settings.ami_port), timeout=5) as wire:
        login = "Action: Login\r\nUsername: aduan24\r\nSecret: test-secret\r\n\r\n"
        wire.sendall((login + "\r\n\r\n".join(actions) + "\r\n\r\nAction: Logoff\r\n\r\n").encode())
        return b"".join(iter(lambda: wire.recv(4096), b"")).decode()


@pytest.mark.parametrize(
    "action",
    [
        "Action: Originate\r\nChannel: Local/s@aduan-inbound\r\nApplication: Wait",
        "Action: Command\r\nCommand: core show channels",
        "Action: Setvar\r\nVariable: X\r\nValue: y",
        "Action: GetConfig\r\nFilename: manager.conf",
        "Action: UpdateConfig\r\nSrcFilename: extensions.conf\r\nDstFilename: extensions.conf",
    ],
)
def test_the_ami_user_may_not_act(line: RunningAsterisk, action: str) -> None:
    answer = raw_ami(line, action)
    assert "Authentication accepted" in answer
    assert "Permission denied" in answer or "Invalid/unknown command" in answer
