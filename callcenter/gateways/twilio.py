"""Notices by WhatsApp and SMS, through Twilio's messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from twilio.base.exceptions import TwilioException  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from callcenter.config.schema import Twilio
from callcenter.gateways.channel import (
    Anothers,
    Arrival,
    Outgoing,
    Receipt,
    TransportError,
    nobodys,
)
from callcenter.gateways.plain import plain
from callcenter.gateways.twilio_http import TwilioHttp

_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
#: Twilio refuses longer bodies with 21617; it counts as UTF-16 does.
_LONGEST = 1600
#: Three dots: a single "…" would force the whole SMS into an alphabet of half the length.
_CUT = "..."
#: A trial account puts this before every text.
_TRIAL = "Sent from your Twilio trial account - "
#: How far Twilio's clock and ours may differ.
_MARGIN = timedelta(minutes=2)
_PAGE = 100
_ARRIVALS = {
    "delivered": Arrival.DELIVERED,
    "read": Arrival.READ,
    "failed": Arrival.FAILED,
    "undelivered": Arrival.FAILED,
    "canceled": Arrival.FAILED,
}


class TwilioMessages:
    """WhatsApp or SMS; each request takes at most `seconds` in all and is made once."""

    def __init__(
        self, name: str, settings: Twilio, auth_token: str, *, seconds: float = 10.0
    ) -> None:
        sender = {"whatsapp": settings.whatsapp_from, "sms": settings.sms_from}.get(name)
        if sender is None:
            raise ValueError(f"notices.twilio.{name}_from: is not set")
        self.name = name
        self._prefix = "whatsapp:" if name == "whatsapp" else ""
        self._sender = self._prefix + sender
        self._seconds = seconds
        http = TwilioHttp(settings.api_url, seconds)
        self._messages = Client(settings.account_sid, auth_token, http_client=http).messages

    def send(self, message: Outgoing) -> Receipt:
        """Hand it to Twilio. TransportError as the protocol says; no text of it holds a number."""
        if not _NUMBER.fullmatch(message.to):
            raise TransportError("not a number in international form", permanent=True)
        to, body = self._prefix + message.to, body_of(message.text)
        with _understanding():
            return _receipt(self._messages.create(to=to, from_=self._sender, body=body))

    def find(
        self, message: Outgoing, since: datetime, anothers: Anothers = nobodys
    ) -> Receipt | None:
        """The message with this text, to this person, created since (less a margin of clocks).

        The newest that is not another notice's: two to one person may have the same text.
        Ask only after a timeout's worth of patience: Twilio may still be taking the message.
        """
        if not _NUMBER.fullmatch(message.to):
            return None  # `send` never let it out
        try:
            with _understanding():
                return self._search(message, since - _MARGIN, anothers)
        except TransportError as error:
            words = f"what was sent cannot be listed: {error}"
            raise TransportError(words, ambiguous=True) from None

    def _search(self, message: Outgoing, since: datetime, anothers: Anothers) -> Receipt | None:
        """Newest first. Not by Twilio's own DateSent: a message in the queue has none yet."""
        to, body = self._prefix + message.to, body_of(message.text)
        patience = monotonic() + 3 * self._seconds
        page = self._messages.page(to=to, from_=self._sender, page_size=_PAGE)
        while page is not None:
            rows = list(page)
            recent = [row for row in rows if row.date_created is None or row.date_created >= since]
            for row in recent:
                if row.to == to and row.body in (body, _TRIAL + body):
                    receipt = _receipt(row)
                    if not anothers(receipt.provider_id):
                        return receipt
            if rows and not recent:
                return None
            if monotonic() > patience:
                raise TransportError("the list does not end", ambiguous=True)
            page = page.next_page()
        return None

    def arrival(self, provider_id: str) -> Receipt:
        """How far it got. TransportError: permanent when Twilio has no such message."""
        if not _SID.fullmatch(provider_id):
            raise TransportError("not a message of Twilio's", permanent=True)
        with _understanding():
            return _receipt(self._messages(provider_id).fetch())


def body_of(text: str) -> str:
    """The text as Twilio takes it: at most 1600 units of UTF-16, a link in the last line whole."""
    text = plain(text)
    if _units(text) <= _LONGEST:
        return text
    head, _, last = text.rpartition("\n")
    tail = f"\n{last}"
    if "://" not in last:
        head, tail = text, ""
    return _shortened(head, _LONGEST - _units(_CUT + tail)) + _CUT + tail


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _shortened(text: str, units: int) -> str:
    """At most so many units, between two words where there are words."""
    cut = text.encode("utf-16-le")[: 2 * max(units, 0)].decode("utf-16-le", "ignore")
    between = max(cut.rfind(" "), cut.rfind("\n"))
    return (cut[:between] if between > len(cut) - 80 else cut).rstrip()


def _receipt(made: Any) -> Receipt:
    """ValueError when the answer names no message: then nobody knows what Twilio did."""
    if not _SID.fullmatch(made.sid):
        raise ValueError("no message id")
    return Receipt(made.sid, _ARRIVALS.get(made.status, Arrival.SENT))


@contextmanager
def _understanding() -> Iterator[None]:
    """An answer of the wrong shape is no answer; what the package raises on it is not repeated."""
    try:
        yield
    except (TwilioException, LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise TransportError("Twilio's answer makes no sense", ambiguous=True) from None
