"""The signalling of one outgoing call (RFC 3261): no sockets, and the time is an argument.

Feed it datagrams with `receive` and the passing of time with `tick`; send what lies in `out`.
`now` is seconds of a monotonic clock.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from ivr.caller import sdp
from ivr.caller.digest import Keyring
from ivr.caller.sip import (
    Account,
    Address,
    BadMessage,
    Headers,
    Message,
    Target,
    build,
    is_ip,
    parameter,
    parse,
    uri_address,
    uri_of,
)

T1: Final = 0.5  # RFC 3261, section 17.1.1.1
T2: Final = 4.0
TIMER_B: Final = 64 * T1
BYE_PATIENCE: Final = 8.0  # a person has hung up by then; the RFC would wait 32 s
ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"

Phase = Literal["calling", "ringing", "up", "leaving", "over"]
EndedBy = Literal["line", "caller", ""]


@dataclass
class _Repeat:
    """A request that is sent again until it is answered."""

    message: bytes
    at: float
    wait: float
    longest: float
    give_up: float


@dataclass(frozen=True)
class _Leg:
    """The other side of the dialog, learned from its 2xx (RFC 3261, section 12.1.2)."""

    to: str
    uri: str
    routes: tuple[str, ...]
    hop: Address

    @property
    def tag(self) -> str:
        return parameter(self.to, "tag")


class Dialog:
    """One call: INVITE until BYE.

    `phase` says where it is, `status` and `reason` the last final answer (or why there was none),
    `media` the agreed audio once it is up, `ended_by` who hung up.
    """

    def __init__(
        self,
        target: Target,
        peer: Address,
        local: Address,
        offer: bytes,
        *,
        caller: str,
        account: Account | None = None,
    ) -> None:
        self.phase: Phase = "calling"
        self.status = 0
        self.reason = ""
        self.media: sdp.Media | None = None
        self.answered = self.rang = False
        self.ended_by: EndedBy = ""
        self.cause = ""
        self.out: list[tuple[bytes, Address]] = []
        self._target, self._peer, self._offer = target, peer, offer
        host = f"[{local[0]}]" if ":" in local[0] else local[0]
        self._here = f"{host}:{local[1]}"
        domain = target.host if account else host
        self._from = f"<sip:{caller}@{domain}>;tag={secrets.token_hex(8)}"
        self._contact = f"<sip:{caller}@{self._here}>"
        self._call_id = f"{secrets.token_hex(12)}@{host}"
        self._cseq = self._invite_cseq = 0
        self._branch = ""
        self._leg: _Leg | None = None
        self._ack = b""
        self._repeat: _Repeat | None = None
        self._cancel_wanted = self._cancel_sent = False
        self._keyring = Keyring(account)

    # -- what the caller does ---------------------------------------------------------------

    def invite(self, now: float) -> None:
        """Place the call, or place it again with credentials."""
        self._cseq += 1
        self._invite_cseq = self._cseq
        self._branch = _new_branch()
        headers = [
            *self._common("INVITE", self._branch, f"<{self._target.uri}>", self._cseq),
            ("Contact", self._contact),
            ("Allow", ALLOW),
            ("Content-Type", "application/sdp"),
            *self._keyring.credentials("INVITE", self._target.uri),
        ]
        request = build(f"INVITE {self._target.uri} SIP/2.0", headers, self._offer)
        self._send_until_answered(request, self._peer, now, longest=TIMER_B, patience=TIMER_B)

    def hang_up(self, now: float) -> None:
        """BYE if it is up, CANCEL if it rings; before any answer the CANCEL waits for one."""
        if self.phase == "up" and self._leg:
            self.phase, self.ended_by = "leaving", "caller"
            self._bye(self._leg, now)
        elif self.phase in ("calling", "ringing") and not self._cancel_wanted:
            self._cancel_wanted, self.ended_by = True, "caller"
            if self.phase == "ringing":
                self._cancel(now)

    def tick(self, now: float) -> None:
        """Send again what is due; give up what nobody answered."""
        repeat = self._repeat
        if repeat is None or now < min(repeat.at, repeat.give_up):
            return
        if now >= repeat.give_up:
            if not self.status:
                self.reason = "no answer to the INVITE"
            self._finish()
            return
        repeat.wait = min(repeat.wait * 2, repeat.longest)
        repeat.at += repeat.wait
        self.out.append((repeat.message, self._leg.hop if self._leg else self._peer))

    def unreachable(self) -> None:
        """The network says that nobody listens there (ICMP)."""
        if self.phase == "calling":
            self.reason = "nobody listens at that address and port"
            self._finish()

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """One datagram. Garbage and other people's dialogs are dropped or refused politely."""
        try:
            message = parse(data)
            if message.method:
                self._on_request(message, source)
            elif message.get("call-id") == self._call_id:
                self._on_response(message, source, now)
        except BadMessage:
            return

    # -- answers to our requests ------------------------------------------------------------

    def _on_response(self, message: Message, source: Address, now: float) -> None:
        number, method = message.cseq
        if method == "INVITE" and number != self._invite_cseq:
            self._acknowledge_old(message)
        elif method == "INVITE":
            self._on_invite_answer(message, source, now)
        elif method == "BYE" and message.status >= 200 and self.phase == "leaving":
            if message.status in (401, 407) and self._leg and self._keyring.accept(message):
                self._bye(self._leg, now)
            else:
                self._finish()
        elif method == "CANCEL" and message.status >= 200 and self._repeat:
            self._repeat.at = self._repeat.give_up  # heard; now the INVITE's 487 must come

    def _on_invite_answer(self, message: Message, source: Address, now: float) -> None:
        if message.status < 200:
            self._on_provisional(now)
        elif message.status < 300:
            self._on_accepted(message, source, now)
        else:
            self._on_refused(message, now)

    def _on_provisional(self, now: float) -> None:
        if self.phase != "calling":
            return
        self.phase, self._repeat, self.rang = "ringing", None, True
        if self._cancel_wanted:
            self._cancel(now)

    def _on_accepted(self, message: Message, source: Address, now: float) -> None:
        leg = self._read_leg(message, source)
        if self._leg and leg.tag != self._leg.tag:  # a forking proxy reached two phones
            self._send_ack(leg)
            self._request("BYE", leg)
            return
        if self._leg:
            self.out.append((self._ack, self._leg.hop))
            return
        if self.phase == "over":
            return
        self._leg, self._repeat, self.status, self.reason = leg, None, message.status, "OK"
        self._ack = self._send_ack(leg)
        self.phase = "up"
        self._agree(message, now)

    def _agree(self, message: Message, now: float) -> None:
        """Take the answer's media; hang up what came too late or cannot be heard."""
        try:
            self.media = sdp.read_answer(message.body)
        except BadMessage as error:
            self.status, self.reason = 488, str(error)
        self.answered = self.media is not None and not self._cancel_wanted
        if not self.answered:
            self.hang_up(now)

    def _on_refused(self, message: Message, now: float) -> None:
        self._acknowledge_old(message)
        if self.phase in ("up", "leaving", "over"):
            return
        asked = message.status in (401, 407) and not self._cancel_wanted
        if asked and self._keyring.accept(message):
            self.phase = "calling"
            self.invite(now)
            return
        self.status, self.reason = message.status, message.reason
        self._finish()

    def _acknowledge_old(self, message: Message) -> None:
        """The ACK of a refusal is hop by hop: its branch, its To (RFC 3261, 17.1.1.3)."""
        if message.status < 300:
            return
        headers = self._common("ACK", message.branch, message.get("to"), message.cseq[0])
        self.out.append((build(f"ACK {self._target.uri} SIP/2.0", headers), self._peer))

    def _read_leg(self, message: Message, source: Address) -> _Leg:
        uri = uri_of(message.get("contact"))
        if uri_address(uri) is None:
            uri = self._target.uri
        routes = tuple(reversed(message.all("record-route")))
        hop = uri_address(uri_of(routes[0]) if routes else uri)
        return _Leg(message.get("to"), uri, routes, _reachable(hop, source))

    # -- requests of the other side ---------------------------------------------------------

    def _on_request(self, message: Message, source: Address) -> None:
        if message.method == "ACK":
            return
        if not self._is_ours(message):
            self._reply(message, source, "481 Call/Transaction Does Not Exist")
            return
        handler = _HANDLERS.get(message.method)
        if handler:
            handler(self, message, source)
        else:
            self._reply(message, source, "405 Method Not Allowed", [("Allow", ALLOW)])

    def _is_ours(self, message: Message) -> bool:
        return (
            self._leg is not None
            and message.get("call-id") == self._call_id
            and parameter(message.get("from"), "tag") == self._leg.tag
            and parameter(message.get("to"), "tag") == parameter(self._from, "tag")
        )

    def _on_bye(self, message: Message, source: Address) -> None:
        self._reply(message, source, "200 OK")
        if self.phase in ("up", "leaving"):
            self.ended_by = self.ended_by or "line"
            self.cause = message.get("reason")[:80]
            self._finish()

    def _on_reinvite(self, message: Message, source: Address) -> None:
        """Same session again; the audio may go to another address from now on."""
        if message.body:
            try:
                self.media = sdp.read_answer(message.body)
            except BadMessage:
                self._reply(message, source, "488 Not Acceptable Here")
                return
        headers = [("Contact", self._contact), ("Content-Type", "application/sdp")]
        self._reply(message, source, "200 OK", headers, self._offer)

    def _on_update(self, message: Message, source: Address) -> None:
        """A session refresh, with or without a new address for the audio (RFC 3311)."""
        (self._on_reinvite if message.body else self._on_harmless)(message, source)

    def _on_harmless(self, message: Message, source: Address) -> None:
        self._reply(message, source, "200 OK", [("Allow", ALLOW)])

    def _reply(
        self, message: Message, source: Address, line: str, more: Headers = (), body: bytes = b""
    ) -> None:
        headers = [("Via", via) for via in message.all("via")]
        headers += [(name, message.get(name.lower())) for name in ("From", "To", "Call-ID", "CSeq")]
        self.out.append((build(f"SIP/2.0 {line}", [*headers, *more], body), source))

    # -- our requests -----------------------------------------------------------------------

    def _common(self, method: str, branch: str, to: str, cseq: int) -> list[tuple[str, str]]:
        return [
            ("Via", f"SIP/2.0/UDP {self._here};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", self._from),
            ("To", to),
            ("Call-ID", self._call_id),
            ("CSeq", f"{cseq} {method}"),
            ("User-Agent", "aduan24-caller"),
        ]

    def _send_until_answered(
        self, request: bytes, hop: Address, now: float, *, longest: float, patience: float
    ) -> None:
        self.out.append((request, hop))
        self._repeat = _Repeat(request, now + T1, T1, longest, now + patience)

    def _cancel(self, now: float) -> None:
        """CANCEL is the INVITE's shadow: same branch, same number (RFC 3261, section 9.1)."""
        if self._cancel_sent:
            return
        self._cancel_sent = True
        headers = self._common("CANCEL", self._branch, f"<{self._target.uri}>", self._invite_cseq)
        request = build(f"CANCEL {self._target.uri} SIP/2.0", headers)
        self._send_until_answered(request, self._peer, now, longest=T2, patience=BYE_PATIENCE)

    def _bye(self, leg: _Leg, now: float) -> None:
        request = self._request("BYE", leg)
        self._repeat = _Repeat(request, now + T1, T1, T2, now + BYE_PATIENCE)

    def _request(self, method: str, leg: _Leg) -> bytes:
        self._cseq += 1
        return self._send_in_dialog(method, leg, self._cseq)

    def _send_ack(self, leg: _Leg) -> bytes:
        return self._send_in_dialog("ACK", leg, self._invite_cseq)

    def _send_in_dialog(self, method: str, leg: _Leg, cseq: int) -> bytes:
        headers = self._common(method, _new_branch(), leg.to, cseq)
        headers += [("Route", route) for route in leg.routes]
        headers += self._keyring.credentials(method, leg.uri)
        request = build(f"{method} {leg.uri} SIP/2.0", headers)
        self.out.append((request, leg.hop))
        return request

    def _finish(self) -> None:
        self.phase, self._repeat = "over", None


_HANDLERS: Final[dict[str, Callable[[Dialog, Message, Address], None]]] = {
    "BYE": Dialog._on_bye,
    "INVITE": Dialog._on_reinvite,
    "UPDATE": Dialog._on_update,
    "INFO": Dialog._on_harmless,
    "OPTIONS": Dialog._on_harmless,
}


def _new_branch() -> str:
    return "z9hG4bK" + secrets.token_hex(8)


def _reachable(hop: Address | None, source: Address) -> Address:
    """Where the next request goes; back to the sender unless it gave a plain address.

    Names are not looked up: that would hold up every other call, at a stranger's wish.
    """
    return hop if hop and is_ip(hop[0]) else source
