"""What the line's own calls are about: read from the database when somebody has answered.

Nobody who does not know the officer's PIN hears anything of the citizen.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import Urgency
from callcenter.domain.out_call import Purpose, State
from callcenter.services import pins
from callcenter.store.models import Complaint, Ticket
from callcenter.store.outgoing_models import OutCall
from callcenter.store.session import Store
from ivr import saying
from ivr.asterisk import Errand
from ivr.conduct import Inquiry
from ivr.flow import Found, Lookup, NotFound
from ivr.menu import Limits
from ivr.menu_out import build_closing_menu, build_officer_menu
from ivr.prompts import PromptBook

Books = Callable[[], Mapping[str, PromptBook]]


@dataclass(frozen=True)
class Errands:
    """Finds out what a call is about. `recordings`: the folder; `secret`: of the PINs."""

    store: Store
    books: Books
    limits: Limits
    recordings: Path
    secret: str

    def of(self, call_id: str) -> Errand | None:
        """What this call is about; None for one that nobody has placed. May raise anything."""
        with self.store.read() as session:
            call = session.scalar(
                select(OutCall).where(OutCall.call_uid == call_id, OutCall.state != State.ENDED)
            )
            if call is None:
                return None
            if call.purpose is Purpose.OFFICER:
                return self._officer(session, call)
            if call.purpose is Purpose.CLOSING:
                return self._closing(session, call)
            return None

    def _officer(self, session: Session, call: OutCall) -> Errand:
        ticket = session.get_one(Ticket, call.ticket_id)
        told = _about_ticket(ticket, self.books()["id"], datetime.now(UTC))
        pin = pins.officer_pin(call.person_key or "", self.secret)
        voice = _voice(ticket.complaint)
        clips = {"citizen": self.recordings / voice} if voice else {}
        return Errand(build_officer_menu(self.limits), _known_by(pin, told), clips)

    def _closing(self, session: Session, call: OutCall) -> Errand:
        complaint = session.get_one(Complaint, call.complaint_id)
        told = saying.closing(complaint.public_number, complaint.category_key, self.books()["id"])
        return Errand(build_closing_menu(self.limits), lambda _: Found(told))


def _known_by(pin: str, told: tuple[str, ...]) -> Inquiry:
    def ask(lookup: Lookup) -> Found | NotFound:
        known = hmac.compare_digest(lookup.pin.encode(), pin.encode())
        return Found(told) if known else NotFound()

    return ask


def _about_ticket(ticket: Ticket, book: PromptBook, now: datetime) -> tuple[str, ...]:
    """Number, agency, kind of complaint, what is left of the window."""
    complaint = ticket.complaint
    urgent = ticket.urgency is Urgency.EMERGENCY
    left = ticket.due_at - now
    return (
        *saying.ticket(urgent, complaint.category_key, left, sounds=book),
        *saying.closing(complaint.public_number, None),
        *saying.agency(ticket.agency_key, book),
    )


def _voice(complaint: Complaint) -> str | None:
    """Where the citizen's own words lie, the last take with speech."""
    takes = complaint.call.recordings if complaint.call else []
    spoken = [r for r in takes if r.kind in ("complaint", "talk") and r.speech_seconds > 0]
    return spoken[-1].path if spoken else None
