"""What Twilio keeps of our calls: its list of recordings, and their audio."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from twilio.base.exceptions import TwilioException  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from callcenter.config.schema import Twilio
from callcenter.gateways.account import CallFacts, Kept
from callcenter.gateways.channel import TransportError
from callcenter.gateways.download import Downloader, Opened, open_public
from callcenter.gateways.twilio_http import TwilioHttp

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_PAGE, _MOST = 100, 10_000


class TwilioRecordings:
    """The account's recordings. `hosts`: where Twilio may send us for the audio."""

    def __init__(
        self,
        settings: Twilio,
        auth_token: str,
        hosts: tuple[str, ...],
        *,
        seconds: float = 10.0,
        open_other: Opened = open_public,
    ) -> None:
        http = TwilioHttp(settings.api_url, seconds)
        self._client = Client(settings.account_sid, auth_token, http_client=http)
        pair = f"{settings.account_sid}:{auth_token}".encode()
        credentials = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        api = settings.api_url.rstrip("/")
        self._downloader = Downloader(api, credentials, hosts, open_other=open_other)
        self._folder = f"{api}/2010-04-01/Accounts/{settings.account_sid}/Recordings"

    def recordings(self, since: datetime) -> Iterator[Kept]:
        """Those that were finished since then, newest first. Raises TransportError."""
        with _understanding():
            found = self._client.recordings.stream(
                date_created_after=since, limit=_MOST, page_size=_PAGE
            )
            for recording in found:
                if recording.status == "completed" and _SID.fullmatch(recording.sid):
                    yield _kept(recording)

    def call(self, call_sid: str) -> CallFacts | None:
        """What Twilio knows of a call; None when it does not know it. Raises TransportError."""
        try:
            with _understanding():
                return _facts(self._client.calls(call_sid).fetch())
        except TransportError as error:
            if error.permanent:
                return None
            raise

    def fetch(self, recording_sid: str, to: Path) -> None:
        """The audio (WAV) of a recording. Raises TransportError."""
        self._downloader.fetch(f"{self._folder}/{recording_sid}.wav", to)


def _kept(recording: Any) -> Kept:
    at = recording.start_time or recording.date_created
    return Kept(recording.sid, str(recording.call_sid), at, "Dial" in str(recording.source))


def _facts(call: Any) -> CallFacts:
    """ValueError when the answer says of no time that the call began."""
    started = call.start_time or call.date_created
    if not isinstance(started, datetime):
        raise ValueError("no time")
    return CallFacts(str(call._from), str(call.to), started, call.end_time, str(call.status))


@contextmanager
def _understanding() -> Iterator[None]:
    """An answer of the wrong shape is no answer; what the package raises on it is not repeated."""
    try:
        yield
    except (TwilioException, LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise TransportError("Twilio's answer makes no sense") from None
