"""The channel `call`: a notice to an officer as a telephone call, where messages do not arrive.

Its call has the notice's own key, so that a step of the ladder which calls by itself and a
notice that falls back to a call are one call. Handing it over is writing it down; sending twice
is harmless for the same reason.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.out_call import Outcome, State
from callcenter.domain.ticket import TicketState
from callcenter.gateways.channel import (
    Anothers,
    Arrival,
    Outgoing,
    Receipt,
    TransportError,
    nobodys,
)
from callcenter.services.out_plans import call_officer
from callcenter.store.models import Notice, Person, Ticket
from callcenter.store.outgoing_models import OutCall
from callcenter.store.session import Store

_PREFIX = "call:"


class CallChannel:
    """Calls the officer; arrived is what was answered with a word."""

    name = "call"

    def __init__(self, store: Store) -> None:
        self._store = store

    def send(self, message: Outgoing) -> Receipt:
        """Plan the call. TransportError (permanent) for a notice that no officer can answer by
        keys, or a telephone that may not be dialled."""
        with self._store.write() as session:
            call = _of_key(session, message.key) or _planned(session, message.key)
            if call is None:
                raise TransportError("this notice is not for a call", permanent=True)
            return _receipt(call)

    def find(
        self, message: Outgoing, since: datetime, anothers: Anothers = nobodys
    ) -> Receipt | None:
        """The call that an earlier attempt has planned."""
        with self._store.read() as session:
            call = _of_key(session, message.key)
            return _receipt(call) if call else None

    def arrival(self, provider_id: str) -> Receipt:
        """Sent until the call is over."""
        with self._store.read() as session:
            call = session.get(OutCall, int(provider_id.removeprefix(_PREFIX)))
            if call is None:
                raise TransportError("no such call", permanent=True)
            return _receipt(call)


def _of_key(session: Session, key: str) -> OutCall | None:
    return session.scalar(select(OutCall).where(OutCall.key == key))


def _planned(session: Session, key: str) -> OutCall | None:
    """A step of the ladder about a ticket that nobody has taken, to an officer of the team."""
    notice = session.scalar(select(Notice).where(Notice.key == key))
    if notice is None or notice.ticket_id is None or notice.person_key is None:
        return None
    ticket = session.get_one(Ticket, notice.ticket_id)
    person = session.get_one(Person, notice.person_key)
    steps = {escalation.step_key for escalation in ticket.escalations}
    about = notice.kind in steps and ticket.state is TicketState.DISPATCHED
    if not about or person.post != "officer":
        return None
    return call_officer(session, ticket.id, person, notice.kind, now=datetime.now(UTC))


def _receipt(call: OutCall) -> Receipt:
    arrival = Arrival.SENT
    if call.state is State.ENDED and call.outcome is not Outcome.NEEDLESS:
        arrival = Arrival.DELIVERED if call.word else Arrival.FAILED
    return Receipt(f"{_PREFIX}{call.id}", arrival)
