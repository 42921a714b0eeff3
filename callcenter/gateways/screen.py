"""Notices on the terminal: the channel that needs no provider."""

from __future__ import annotations

import hashlib
import re
import sys
from datetime import datetime

from callcenter.domain.people import mask_phone
from callcenter.gateways.channel import (
    Anothers,
    Arrival,
    Outgoing,
    Receipt,
    TransportError,
    nobodys,
)
from callcenter.gateways.plain import one_line, plain

#: `up` shows a worker's lines that begin with this, and no others.
_MARK = "✉ "
#: +62 812-..., 0812-..., 62812..., 0366...; not in a link, no date, not a complaint's eight digits.
_PHONE = re.compile(
    r"(?<![\w./=&?-])"
    r"(?:\+[1-9](?:[ -]?\d){6,14}|08\d{1,2}(?:[ -]?\d){6,9}|62\d{8,13}|0[1-9]\d{7,12})(?!\w)"
)


class Screen:
    """Prints each notice as one block on standard output, without telephone numbers."""

    name = "screen"

    def send(self, message: Outgoing) -> Receipt:
        """Print it. TransportError when there is no terminal to print to."""
        try:
            _print(_block(message))
        except (OSError, ValueError, AttributeError):  # broken pipe, closed, no standard output
            raise TransportError("standard output takes no text") from None
        digest = hashlib.sha256(message.key.encode()).hexdigest()
        return self.arrival(f"screen:{digest[:32]}")

    def find(
        self, message: Outgoing, since: datetime, anothers: Anothers = nobodys
    ) -> Receipt | None:
        """Always None: nobody knows what a terminal showed, and printing it again is harmless."""
        return None

    def arrival(self, provider_id: str) -> Receipt:
        """What was printed has arrived."""
        return Receipt(provider_id, Arrival.DELIVERED)


def _block(message: Outgoing) -> str:
    """Every line with its mark: a text cannot look like a line of another program."""
    head = f"{one_line(message.name, 120)}: {one_line(message.subject, 200)}"
    lines = [head, *(line for line in plain(message.text).split("\n") if line.strip())]
    return "".join(f"{_MARK}{_PHONE.sub(_masked, line)}\n" for line in lines)


def _masked(found: re.Match[str]) -> str:
    return mask_phone(found[0])


def _print(block: str) -> None:
    """In one piece, so that two notices never mix; what the terminal cannot show becomes `?`."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(block.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
