"""What reaches the desk by other ways than the telephone: people who come, letters, comments,
messages. Each becomes a complaint like every other, with its source, or says why it is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState
from callcenter.domain.position import at
from callcenter.services import audit, history, media, numbers, phones
from callcenter.services.desk import clean
from callcenter.services.errors import Conflict, NotFound, Refused
from callcenter.services.holding import hold
from callcenter.services.receipts import ReceiptRules, write_receipt
from callcenter.services.turns import take_turn
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint

#: Where a complaint that an operator takes down comes from.
SOURCES = ("walk_in", "letter", "facebook", "whatsapp", "sms")
STRANGER = "stranger"
_LONGEST_TEXT = 20_000
_LONGEST_WHY = 300
_LONGEST_NAME = 120
_OLDEST = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who came or wrote, as it was typed; empty where nothing was said."""

    name: str = ""
    phone: str = ""


NOBODY = Reporter()


def take_down(
    session: Session,
    *,
    source: str,
    text: str,
    came_at: datetime,
    reference: str,
    actor: str,
    now: datetime,
    reporter: Reporter = NOBODY,
    receipts: ReceiptRules | None = None,
) -> Complaint:
    """A complaint from the counter: `text` as it was said or written, `reference` where it stands
    (a letter's number, an address on the web). Who has a mobile gets number and PIN by message."""
    if source not in SOURCES:
        raise Refused("source", "Pilih asal aduan.")
    if not now - _OLDEST <= came_at <= now + timedelta(minutes=5):
        raise Refused("came_at", "Isi waktu aduan diterima, paling lama setahun yang lalu.")
    said = clean(text, _LONGEST_TEXT, "text")
    if not said:
        raise Refused("text", "Tulis isi aduan.")
    why = clean(reference, _LONGEST_WHY, "reference")
    phone = phones.normalise(reporter.phone)
    if reporter.phone.strip() and phone is None:
        raise Refused("reporter_phone", "Nomor telepon tidak dikenali; contoh 0812 3456 7890.")
    name = clean(reporter.name, _LONGEST_NAME, "reporter_name")
    complaint = _file(session, source, said, min(came_at, now), actor=actor, now=now, why=why)
    complaint.reporter_name, complaint.reporter_phone = name, phone
    _receipt(session, complaint, now, receipts)
    return complaint


def from_message(
    session: Session,
    message_id: int,
    *,
    actor: str,
    now: datetime,
    receipts: ReceiptRules | None = None,
) -> Complaint:
    """A complaint of a citizen's message; Conflict when somebody was first."""
    message = _waiting(session, message_id)
    complaint = _file(
        session, message.channel, message.body, message.received_at, actor=actor, now=now
    )
    complaint.reporter_phone = message.sender or None
    _settle(session, message, complaint, actor=actor, now=now)
    _receipt(session, complaint, now, receipts)
    return complaint


def _receipt(
    session: Session, complaint: Complaint, now: datetime, receipts: ReceiptRules | None
) -> None:
    if receipts is not None:
        write_receipt(session, complaint, now=now, rules=receipts)


def join(session: Session, message_id: int, number: str, *, actor: str, now: datetime) -> Complaint:
    """The message belongs to the complaint with this public number."""
    message = _waiting(session, message_id)
    digits = "".join(c for c in number[:40] if c.isascii() and c.isdigit())
    complaint = session.scalar(select(Complaint).where(Complaint.public_number == digits))
    if complaint is None:
        raise Refused("number", "Nomor aduan ini tidak ada; delapan angka.")
    hold(session, complaint.id)
    _settle(session, message, complaint, actor=actor, now=now)
    history.note(session, complaint.id, "message", actor=actor, now=now)
    return complaint


def put_aside(session: Session, message_id: int, *, why: str, actor: str, now: datetime) -> None:
    """The message is no complaint, for a reason; it is kept."""
    message = _waiting(session, message_id)
    reason = clean(why, _LONGEST_WHY, "why")
    if not reason:
        raise Refused("why", "Tuliskan alasannya.")
    _settle(session, message, None, actor=actor, now=now, why=reason)


def _waiting(session: Session, message_id: int) -> InboundMessage:
    take_turn(session, "inbound messages")
    message = session.get(InboundMessage, message_id, with_for_update=True)
    if message is None or message.result != STRANGER:
        raise NotFound("Pesan ini tidak ada.")
    if message.settled_at is not None:
        raise Conflict("Pesan ini sudah diurus orang lain.")
    return message


def _settle(
    session: Session,
    message: InboundMessage,
    complaint: Complaint | None,
    *,
    actor: str,
    now: datetime,
    why: str = "",
) -> None:
    message.complaint_id = complaint.id if complaint else None
    if complaint is not None:
        _pin(message, complaint)
        media.give_to(session, message, complaint, now)
    message.settled_at, message.settled_by, message.settled_why = now, actor, why
    thing = f"message:{message.id}"
    audit.record(session, actor=actor, action="message_settled", thing=thing, now=now)
    session.flush()


def _pin(message: InboundMessage, complaint: Complaint) -> None:
    """A location that was sent is the complaint's, unless an operator has set one."""
    pin = at(message.latitude, message.longitude)
    if pin is not None and complaint.position is None:
        complaint.latitude, complaint.longitude = pin.latitude, pin.longitude


def _file(
    session: Session,
    source: str,
    text: str,
    came_at: datetime,
    *,
    actor: str,
    now: datetime,
    why: str = "",
) -> Complaint:
    complaint = Complaint(
        public_number=numbers.free(session, now),
        state=ComplaintState.RECEIVED,
        channel=source,
        received_at=came_at,
        transcript=text,
    )
    session.add(complaint)
    session.flush()
    change = ("", ComplaintState.RECEIVED.value)
    history.note(session, complaint.id, "receive", actor=actor, now=now, change=change, why=why)
    thing = f"complaint:{complaint.id}"
    audit.record(session, actor=actor, action="complaint_taken_down", thing=thing, now=now)
    return complaint
