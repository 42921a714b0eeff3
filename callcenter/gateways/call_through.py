"""Talking to a citizen without learning the number: the exchange rings both and joins them."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session


class CallThrough(Protocol):
    """Puts an officer through to the reporter of the ticket's complaint."""

    def connect(self, session: Session, ticket_id: int, person_key: str, *, actor: str) -> None:
        """Ring the officer's telephone, then the citizen's. Raises Refused with the remedy."""
