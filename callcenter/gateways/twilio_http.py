"""How Twilio is reached: one request per connection, to one host, within a time, never twice.

The twilio package's own client logs numbers, limits only single reads, and cannot say whether
a request that failed was written. This one can; see `attempt`.
"""

from __future__ import annotations

import base64
import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlencode, urlsplit

from twilio.http import HttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]

from callcenter.gateways.attempt import Attempt, within
from callcenter.gateways.channel import TransportError

#: A page of a hundred messages has under 2 MB.
_MOST_BYTES = 4_000_000
_REQUEST_TIMEOUT, _TOO_MANY = 408, 429
#: Refusals by code that say "later", whatever their HTTP status: limits of rate and of queues.
_LATER = frozenset({14107, 20429, 21611, 63018})
_MEANINGS = {
    20404: "Twilio does not know it",
    21211: "the number is not valid",
    21408: "the account may not send to this country",
    21610: "the person has unsubscribed",
    21614: "the number is not a mobile number",
    21617: "the text is too long",
    63016: "the person has not written on WhatsApp for 24 hours",
}


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str]

    def made(self, connection: HTTPConnection, attempt: Attempt) -> tuple[int, str]:
        """Status and text of the answer."""
        try:
            connection.connect()
            attempt.commit()
            connection.request(self.method, self.target, self.body, self.headers)
            with connection.getresponse() as response:
                return response.status, response.read(_MOST_BYTES).decode("utf-8", "replace")
        finally:
            connection.close()


class TwilioHttp(HttpClient):  # type: ignore[misc]  # the package has no types
    """Every request goes to `base`, whatever host its URL names, so the token goes nowhere else."""

    def __init__(self, base: str, seconds: float) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        self._base, self._seconds = urlsplit(base), seconds

    def request(
        self,
        method: str,
        uri: str,
        *,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """The answer, if it is a 2xx; every other outcome is a TransportError."""
        request = _Request(
            method,
            self._target(uri, params or {}),
            urlencode(data).encode() if data else None,
            {**(headers or {}), **_credentials(auth), "Connection": "close"},
        )
        talk = partial(request.made, self._connection())
        status, text = within(self._seconds, "Twilio", talk)
        if not 200 <= status < 300:
            raise refusal(status, text)
        return Response(status, text)

    def _target(self, uri: str, params: Mapping[str, object]) -> str:
        asked = urlsplit(uri)
        query = "&".join(filter(None, (asked.query, urlencode(params))))
        path = self._base.path.rstrip("/") + asked.path
        return f"{path}?{query}" if query else path

    def _connection(self) -> HTTPConnection:
        host, port = self._base.hostname or "", self._base.port
        if self._base.scheme == "http":
            return HTTPConnection(host, port, timeout=self._seconds)
        context = ssl.create_default_context()
        return HTTPSConnection(host, port, timeout=self._seconds, context=context)


def _credentials(auth: tuple[str, str] | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(auth).encode()).decode()}


def refusal(status: int, text: str) -> TransportError:
    """What an answer that is not a 2xx means. Twilio's own words hold numbers and are left out."""
    code = _code(text)
    seen = f"HTTP {status}" + (f", https://www.twilio.com/docs/errors/{code}" if code else "")
    if status == _TOO_MANY or code in _LATER:
        return TransportError(f"Twilio takes no more for the moment ({seen})")
    if status in (401, 403):
        # The account's trouble, not this person's: once it is mended, everything still goes out.
        remedy = "check notices.twilio.account_sid and ADUAN24_TWILIO_AUTH_TOKEN"
        return TransportError(f"Twilio refuses the account ({seen}); {remedy}")
    if 400 <= status < 500 and code:
        meaning = _MEANINGS.get(code, "it will be refused again")
        return TransportError(f"Twilio refused: {meaning} ({seen})", permanent=True)
    if 400 <= status < 500 and status != _REQUEST_TIMEOUT:
        return TransportError(f"This is not Twilio's answer ({seen}); check notices.twilio.api_url")
    return TransportError(f"Twilio failed ({seen})", ambiguous=True)


def _code(text: str) -> int | None:
    """Twilio's number for an error; None when the answer is not from Twilio."""
    try:
        code = json.loads(text)["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return code if isinstance(code, int) and 10_000 <= code <= 99_999 else None
