"""A way to reach a person: what every channel promises to the delivery of notices.

A channel sends one message and says what it knows. It never repeats anything by itself: whether
to try again is decided by `services.delivery`, which wrote the attempt down first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that goes along where a channel carries files; `name` is plain ASCII."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to be sent.

    `key` is the notice's idempotency key (printable ASCII, at most 160 characters); `to` the
    address on the channel (E.164, e-mail, or a name for the screen); `text` is complete, with
    the link in it.
    """

    key: str
    to: str
    name: str
    subject: str
    text: str
    files: tuple[Enclosure, ...] = ()


class Arrival(StrEnum):
    """What a provider knows of a message it took."""

    SENT = "sent"  # taken, not yet known to have arrived
    DELIVERED = "delivered"  # arrived, or as certain as this channel ever gets
    READ = "read"  # arrived, and the provider says that it was read
    FAILED = "failed"  # taken, and then not delivered for good


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider took the message; `provider_id` names it there (at most 80 characters)."""

    provider_id: str
    arrival: Arrival


class TransportError(Exception):
    """The message was not sent, or nobody knows.

    `permanent`: this address or account will refuse it again; try another way. `ambiguous`: the
    provider may have taken it (a timeout, a 5xx): look before sending it again. Neither: it was
    certainly not taken, and may be tried again later. The message holds no number of a person.
    """

    def __init__(self, message: str, *, permanent: bool = False, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.permanent, self.ambiguous = permanent, ambiguous


#: Whether the message with this provider's id is known to be that of another notice.
Anothers = Callable[[str], bool]


def nobodys(_provider_id: str) -> bool:
    """No message is another's."""
    return False


class Channel(Protocol):
    """One way to send."""

    name: str  # whatsapp, sms, email, screen

    def send(self, message: Outgoing) -> Receipt:
        """Hand the message over, within seconds. Raises TransportError."""

    def find(
        self, message: Outgoing, since: datetime, anothers: Anothers = nobodys
    ) -> Receipt | None:
        """What became of an earlier attempt whose answer was lost; None: it was not taken.

        A message that is `anothers` is not this one, however equal its text. Raises
        TransportError (ambiguous) when that cannot be known now.
        """

    def arrival(self, provider_id: str) -> Receipt:
        """What is known by now of a message that was taken. Raises TransportError."""
