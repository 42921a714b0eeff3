"""Files of messages as Twilio keeps them."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import urlsplit

from callcenter.config.schema import Twilio
from callcenter.gateways.channel import TransportError
from callcenter.gateways.download import Downloader, Opened, open_public

#: `Messages/MM.../Media/ME...`, below the account; nothing else is ever asked for.
_ADDRESS = re.compile(r"Messages/(?:SM|MM)[0-9a-f]{32}/Media/ME[0-9a-f]{32}", re.ASCII)


def address_in(url: str, account_sid: str) -> str:
    """What a webhook's MediaUrl names below our account; empty for any other address."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    address = path.removeprefix(f"/2010-04-01/Accounts/{account_sid}/")
    return address if _ADDRESS.fullmatch(address) else ""


class TwilioMedia:
    """The files of our account's messages; a job's time is enough for each."""

    def __init__(
        self,
        settings: Twilio,
        auth_token: str,
        *,
        seconds: float = 25.0,
        open_other: Opened = open_public,
    ) -> None:
        pair = f"{settings.account_sid}:{auth_token}".encode()
        api = settings.api_url.rstrip("/")
        self._downloader = Downloader(
            api,
            {"Authorization": "Basic " + base64.b64encode(pair).decode()},
            settings.media_hosts,
            most_bytes=settings.media_mb * 1_000_000,
            seconds=seconds,
            open_other=open_other,
            setting="notices.twilio.media_hosts",
        )
        self._folder = f"{api}/2010-04-01/Accounts/{settings.account_sid}"

    def fetch(self, address: str, to: Path) -> int:
        """Write the file to `to`; its bytes. Raises TransportError."""
        if not _ADDRESS.fullmatch(address):
            raise TransportError("not an address of Twilio's", permanent=True)
        return self._downloader.fetch(f"{self._folder}/{address}", to)
