"""Files of a provider, fetched safely: the credentials go to its API and nowhere else.

A redirect is followed only to the hosts that were named, by HTTPS, at an address that the
internet can reach, and never past `most_bytes`.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from ipaddress import ip_address, ip_network
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from callcenter.gateways.attempt import Attempt, within
from callcenter.gateways.channel import TransportError

_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BLOCK = 64 * 1024
Opened = Callable[[str, int, float], HTTPConnection]


def open_public(host: str, port: int, seconds: float) -> HTTPConnection:
    """A TLS connection to a host of the internet; the address that was looked at is the one used.

    Raises TransportError when the name leads to an address of a private network.
    """
    address = public_address(host, port)
    connection = HTTPSConnection(host, port, timeout=seconds, context=ssl.create_default_context())
    dial = partial(socket.create_connection, (address, port), seconds)
    connection._create_connection = lambda *_: dial()  # type: ignore[attr-defined]  # no second look-up
    return connection


def public_address(host: str, port: int, look_up: Callable[..., Any] = socket.getaddrinfo) -> str:
    """An address of `host`. Raises TransportError unless all of them are public."""
    found = {str(entry[4][0]) for entry in look_up(host, port, type=socket.SOCK_STREAM)}
    if not found or not all(map(_is_public, found)):
        raise TransportError(f"{host} is not a host of the internet", permanent=True)
    return sorted(found)[0]


#: Addresses that stand for others: of them nobody knows where they lead (RFC 6052, RFC 3056).
_GATES = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"))


def _is_public(address: str) -> bool:
    found = ip_address(address.partition("%")[0])
    through = any(found in gate for gate in _GATES if gate.version == found.version)
    return found.is_global and not found.is_multicast and not through


@dataclass(frozen=True)
class Downloader:
    """Fetches from `api` (its base address) with `headers`, and from `hosts` without them.

    `hosts` are names or patterns such as `*.example.com`, from the configuration's `setting`.
    `seconds` is for the whole of it.
    """

    api: str
    headers: dict[str, str]
    hosts: tuple[str, ...]
    most_bytes: int = 100_000_000
    seconds: float = 60.0
    open_other: Opened = open_public
    setting: str = "line.twilio.recording_hosts"

    def fetch(self, url: str, to: Path) -> int:
        """Write the file to `to`, whole or not at all; its bytes. Raises TransportError."""
        draft = to.with_name(f".{to.name}.{token_hex(4)}")
        try:
            size = within(self.seconds, "Twilio", partial(self._fetched, url, draft))
            draft.replace(to)
        finally:
            draft.unlink(missing_ok=True)
        return size

    def _fetched(self, url: str, draft: Path, _attempt: Attempt) -> int:
        for _ in range(_MOST_REDIRECTS + 1):
            connection, headers = self._reach(urlsplit(url))
            try:
                connection.request("GET", _target(url), headers=headers)
                with connection.getresponse() as response:
                    if response.status not in _REDIRECTS:
                        return self._saved(response, draft)
                    url = urljoin(url, response.headers.get("Location", ""))
            finally:
                connection.close()
        raise TransportError("too many redirects", permanent=True)

    def _reach(self, parts: SplitResult) -> tuple[HTTPConnection, dict[str, str]]:
        """How a URL is reached, and what may be said there."""
        api, host = urlsplit(self.api), parts.hostname or ""
        if (parts.scheme, parts.netloc) == (api.scheme, api.netloc):
            kind = HTTPSConnection if api.scheme == "https" else HTTPConnection
            return kind(host, parts.port, timeout=self.seconds), self.headers
        if parts.scheme != "https" or parts.port not in (None, 443) or "@" in parts.netloc:
            raise TransportError(f"a redirect to {parts.scheme}: refused", permanent=True)
        if not _named(host, self.hosts):
            raise TransportError(
                f"a redirect to {host}, which {self.setting} does not name",
                permanent=True,
            )
        return self.open_other(host, 443, self.seconds), {}

    def _saved(self, response: HTTPResponse, draft: Path) -> int:
        if response.status != 200:
            missing = response.status in (404, 410)
            raise TransportError(f"HTTP {response.status}", permanent=missing)
        size = 0
        with draft.open("wb") as out:
            while block := response.read(_BLOCK):
                size += len(block)
                if size > self.most_bytes:
                    raise TransportError(f"over {self.most_bytes} bytes", permanent=True)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        return size


def _named(host: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in patterns)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
