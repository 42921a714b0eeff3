"""Placing calls: sockets, a 20 ms clock for every call, and what came of it.

All calls of one `place_calls` share one thread. Every call owns two UDP sockets; its frames are
due every 20 ms of the monotonic clock and are sent late rather than never.
"""

import heapq
import secrets
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from ivr.caller import sdp
from ivr.caller.dialog import Dialog, EndedBy, Phase
from ivr.caller.ear import Ear
from ivr.caller.g711 import RATE, Samples
from ivr.caller.rtp import FRAME_S, Mouth, Packet, read_packet
from ivr.caller.script import CallPlan, Player
from ivr.caller.sip import Address, Target, parse_target, resolve
from ivr.caller.sockets import drop_errors, open_sockets, send

Outcome = Literal[
    "answered", "busy", "refused", "no_answer", "cancelled", "unreachable", "sign_in_failed"
]
_BUSY: Final = frozenset({486, 600})
_NO_ANSWER: Final = frozenset({408, 480, 487})
_SIGN_IN: Final = frozenset({401, 403, 407})
_STALL_S: Final = 1.0  # after a longer pause of this process the frames are not made up for
_FAREWELL_S: Final = 3.0  # how long Ctrl-C waits for the line to confirm the hang-ups


@dataclass(frozen=True)
class CallEvent:
    """Something that happened; `at_s` seconds after the INVITE, `call` the place in the list."""

    call: int
    at_s: float
    what: str

    def __str__(self) -> str:
        return f"{self.at_s:7.2f} s  {self.what}"


@dataclass(frozen=True)
class Pacing:
    """How evenly the frames left: lateness of each against its due time, milliseconds."""

    frames: int = 0
    p99_ms: float = 0.0
    worst_ms: float = 0.0


@dataclass(frozen=True)
class CallResult:
    """What came of one call.

    `heard` begins at the answer; `rang_s` is the time from the INVITE until then, so an event at
    `at_s` is heard at `at_s - rang_s`. `spoken_s` counts the speech really sent. `sip_status` is
    None if nothing ever answered; `reason` says in words why there was no conversation.
    """

    outcome: Outcome
    sip_status: int | None
    reason: str
    rang_s: float
    connected_s: float
    spoken_s: float
    heard: Samples = field(repr=False)
    ended_by: EndedBy
    events: tuple[CallEvent, ...] = field(repr=False)
    pacing: Pacing

    @property
    def answered(self) -> bool:
        return self.outcome == "answered"


Listener = Callable[[CallEvent], None]


def place_call(target: str, plan: CallPlan, *, on_event: Listener | None = None) -> CallResult:
    """Place one real call and stay until it is over.

    `target` is `sip:NUMBER@HOST:PORT`; ValueError for a wrong one, OSError if the host's name is
    unknown. A refused, unanswered or unreachable call is a result, not an error.
    """
    return place_calls(target, [plan], on_event=on_event)[0]


def place_calls(
    target: str, plans: Sequence[CallPlan], *, on_event: Listener | None = None
) -> list[CallResult]:
    """Place all calls at once; results in the order of the plans.

    On KeyboardInterrupt every call is hung up before it goes on.
    """
    goal = parse_target(target)
    peer = resolve(goal.host, goal.port)
    begin = time.monotonic()
    calls: list[_Call] = []
    with selectors.DefaultSelector() as selector:
        try:
            for index, plan in enumerate(plans):
                call = _Call(index, plan, target=goal, peer=peer, begin=begin, on_event=on_event)
                calls.append(call)
                call.watch(selector)
            _run_until_hung_up(calls, selector)
        finally:
            for call in calls:
                call.close()
    return [call.result() for call in calls]


def _run_until_hung_up(calls: "list[_Call]", selector: selectors.BaseSelector) -> None:
    try:
        _run(calls, selector, None)
    except KeyboardInterrupt:
        now = time.monotonic()
        for call in calls:
            call.leave(now)
        _run(calls, selector, now + _FAREWELL_S)
        raise


def _run(calls: "list[_Call]", selector: selectors.BaseSelector, until: float | None) -> None:
    """Serve sockets and clocks until every call is over, or until `until`."""
    due = [(call.due_at, call.index) for call in calls if not call.over]
    heapq.heapify(due)
    while due and (until is None or time.monotonic() < until):
        for key, _ in selector.select(max(0.0, due[0][0] - time.monotonic())):
            key.data(time.monotonic())
        now = time.monotonic()
        while due and due[0][0] <= now:
            call = calls[due[0][1]]
            call.tick(now)
            if call.over:
                heapq.heappop(due)
            else:
                heapq.heapreplace(due, (call.due_at, call.index))


class _Call:
    """One call while it lasts: dialog, sockets, mouth, ear and script."""

    def __init__(
        self,
        index: int,
        plan: CallPlan,
        *,
        target: Target,
        peer: Address,
        begin: float,
        on_event: Listener | None,
    ) -> None:
        self.index, self.plan = index, plan
        self.due_at = self._began = begin + plan.start_after
        self._on_event = on_event
        self._events: list[CallEvent] = []
        self._sip, self._rtp = open_sockets(peer)
        host, port = self._sip.getsockname()[:2]
        offer = sdp.offer(host, self._rtp.getsockname()[1], secrets.randbelow(1 << 31))
        caller = plan.account.user if plan.account else plan.caller
        self._dialog = Dialog(
            target, peer, (host, port), offer, caller=caller, account=plan.account
        )
        self._peer = peer
        self._phase: Phase | None = None
        self._talk: _Talk | None = None
        self._early: deque[tuple[Packet, str, float]] = deque(maxlen=10)
        self._gave_up: Outcome | None = None
        self._ended_at = self._began

    @property
    def over(self) -> bool:
        return self._dialog.phase == "over"

    def watch(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._sip, selectors.EVENT_READ, self._read_sip)
        selector.register(self._rtp, selectors.EVENT_READ, self._read_rtp)

    def close(self) -> None:
        self._sip.close()
        self._rtp.close()

    def leave(self, now: float) -> None:
        """Hang up or cancel, whatever the script says."""
        self._dialog.hang_up(now)
        self._after(now)

    def tick(self, now: float) -> None:
        """Every 20 ms: signalling timers, patience, one frame."""
        if self._phase is None:
            self._dialog.invite(now)
        self._dialog.tick(now)
        self._mind_patience(now)
        if self._talk and self._dialog.phase == "up":
            self._speak(self._talk, now)
        self._after(now)
        late = now - self.due_at
        self.due_at = now + FRAME_S if late > _STALL_S else self.due_at + FRAME_S

    def _speak(self, talk: "_Talk", now: float) -> None:
        if talk.player.tick(now) or now - talk.answered_at >= self.plan.limit_s:
            self._dialog.hang_up(now)
            return
        media = self._dialog.media
        for packet in talk.mouth.tick() if media else ():
            send(self._rtp, packet, media.address if media else self._peer)
        talk.late.append(time.monotonic() - self.due_at)

    def _mind_patience(self, now: float) -> None:
        if self._gave_up or self._dialog.phase not in ("calling", "ringing"):
            return
        waited = now - self._began
        if self.plan.cancel_after is not None and waited >= self.plan.cancel_after:
            self._gave_up = "cancelled"
        elif waited >= self.plan.ring_s:
            self._gave_up = "no_answer"
        if self._gave_up:
            self._dialog.hang_up(now)

    def _read_sip(self, now: float) -> None:
        while (datagram := self._receive(self._sip)) is not None:
            self._dialog.receive(*datagram, now)
            self._after(now)

    def _receive(self, udp: socket.socket) -> tuple[bytes, Address] | None:
        try:
            data, source = udp.recvfrom(65535)
        except BlockingIOError:
            return None
        except OSError:  # an ICMP error came back for something that we sent
            drop_errors(udp)
            if udp is self._sip:
                self._dialog.unreachable()
            return None
        return data, (source[0], source[1])

    def _read_rtp(self, now: float) -> None:
        while (datagram := self._receive(self._rtp)) is not None:
            packet = read_packet(datagram[0])
            if packet is None:
                continue
            if self._talk:
                self._hear(self._talk, packet, datagram[1][0], now)
            else:  # the first frame may overtake the 200
                self._early.append((packet, datagram[1][0], now))

    def _hear(self, talk: "_Talk", packet: Packet, host: str, now: float) -> None:
        """Only the line's own audio: anybody can send to an open port."""
        media = self._dialog.media
        if host == self._peer[0] or (media and host == media.address[0]):
            talk.ear.take(packet, now)

    def _after(self, now: float) -> None:
        """Send what the dialog wants sent, and notice where it has come to."""
        for data, address in self._dialog.out:
            send(self._sip, data, address)
        self._dialog.out.clear()
        if self._dialog.phase != self._phase:
            self._phase = self._dialog.phase
            self._ended_at = now
            self._tell(_SAID[self._phase] + self._by_whom(), now)
        if self._dialog.answered and self._talk is None and self._dialog.media:
            self._talk = _Talk.begin(self.plan, self._dialog.media, now, self._tell_now)
            for packet, host, _ in self._early:
                self._hear(self._talk, packet, host, now)

    def _by_whom(self) -> str:
        dialog = self._dialog
        if dialog.phase != "over":
            return ""
        if dialog.answered:
            return f" (the {dialog.ended_by} hung up)" if dialog.ended_by else ""
        return f": {dialog.status or ''} {dialog.reason}".rstrip()

    def _tell_now(self, what: str) -> None:
        self._tell(what, time.monotonic())

    def _tell(self, what: str, now: float) -> None:
        event = CallEvent(self.index, now - self._began, what)
        self._events.append(event)
        if self._on_event:
            self._on_event(event)

    def result(self) -> CallResult:
        dialog, talk = self._dialog, self._talk
        return CallResult(
            outcome=_outcome(dialog, self._gave_up),
            sip_status=dialog.status or None,
            reason="" if dialog.answered else dialog.reason,
            rang_s=(talk.answered_at if talk else self._ended_at) - self._began,
            connected_s=self._ended_at - talk.answered_at if talk else 0.0,
            spoken_s=talk.mouth.spoken_samples / RATE if talk else 0.0,
            heard=talk.ear.heard() if talk else np.zeros(0, dtype=np.int16),
            ended_by=dialog.ended_by,
            events=tuple(self._events),
            pacing=_pacing(talk.late if talk else []),
        )


@dataclass
class _Talk:
    """The conversation of an answered call."""

    answered_at: float
    mouth: Mouth
    ear: Ear
    player: Player
    late: list[float] = field(default_factory=list)

    @classmethod
    def begin(
        cls, plan: CallPlan, media: sdp.Media, now: float, tell: Callable[[str], None]
    ) -> "_Talk":
        mouth, ear = Mouth.towards(media), Ear(now)
        return cls(now, mouth, ear, Player(plan, mouth, ear, now, tell))


_SAID: Final[dict[Phase, str]] = {
    "calling": "calling",
    "ringing": "the line has the call",
    "up": "answered",
    "leaving": "hanging up",
    "over": "over",
}


def _outcome(dialog: Dialog, gave_up: Outcome | None) -> Outcome:
    status = dialog.status
    if dialog.answered:
        return "answered"
    if not status and not dialog.rang:
        return "unreachable"
    if gave_up:
        return gave_up
    if status in _SIGN_IN:
        return "sign_in_failed"
    if status in _BUSY:
        return "busy"
    return "no_answer" if status in _NO_ANSWER else "refused"


def _pacing(late: list[float]) -> Pacing:
    if not late:
        return Pacing()
    millis = np.array(late) * 1000
    return Pacing(len(late), float(np.percentile(millis, 99)), float(millis.max()))
