"""Officers answer by message: a reply is kept, acted upon once, and answered with one message.

The row of the message and what it did are one transaction; the provider's id is unique, so that a
message that is delivered twice acts once and is answered with the same words. Who is no officer
of the ticket's agency changes nothing, and learns nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from callcenter.domain.position import Position
from callcenter.domain.replies import Reply, Said, understood
from callcenter.domain.ticket import FINAL
from callcenter.services import audit, correspondence, media, reports, tickets, wording
from callcenter.services.errors import Refused
from callcenter.services.media import Found
from callcenter.services.rules import Rules
from callcenter.services.turns import take_turn
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint, Person, Ticket
from ivr.numbers import format_number, is_valid

_LONGEST = 4000
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)  # strictly: a number decides who acts
HELP = (
    "Tidak dimengerti. Balas dengan salah satu:\n"
    "TERIMA nomor-aduan\n"
    "JAWAB nomor-aduan tanggapan\n"
    "SELESAI nomor-aduan apa yang dikerjakan\n"
    "TOLAK nomor-aduan alasan\n"
    "Nomor aduan: 8 angka, ada di pesan tiket."
)
_NOT_YOURS = "Nomor aduan ini tidak ada pada instansi Anda, atau tiketnya sudah selesai."


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as the provider delivers it; `sender` is a number as it writes them (E.164)."""

    provider_id: str
    channel: str
    sender: str
    body: str
    media: int = 0
    files: tuple[Found, ...] = ()
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class ReplyRules:
    """What answering needs besides the rules: where files lie, and which number citizens call."""

    rules: Rules
    folder: Path
    phone: str


def take(session: Session, message: Inbound, *, now: datetime, rules: ReplyRules) -> str:
    """Keep the message, do what it asks for, and say what to answer.

    Harmless to repeat: a known provider id does nothing, and gets the same answer again.
    """
    take_turn(session, "inbound messages")
    known = session.scalar(
        select(InboundMessage).where(InboundMessage.provider_id == message.provider_id)
    )
    if known is not None:
        return known.answer
    sender = message.sender if _E164.fullmatch(message.sender) else None
    officers = _officers(session, sender)
    greeting = correspondence.greeting(session, sender, now=now, phone=rules.phone)
    kept = InboundMessage(
        provider_id=message.provider_id,
        channel=message.channel,
        sender=sender or "",
        body="".join(c for c in message.body if c.isprintable() or c == "\n")[:_LONGEST],
        media=message.media,
        latitude=message.position.latitude if message.position else None,
        longitude=message.position.longitude if message.position else None,
        received_at=now,
    )
    session.add(kept)
    session.flush()
    media.note(session, kept.id, message.files, now=now)
    if officers:
        _act(session, kept, officers, now=now, rules=rules)
    else:
        kept.result = "stranger"
        kept.answer = greeting
    return kept.answer


def _officers(session: Session, sender: str | None) -> Sequence[Person]:
    """The people of agencies who have this number; one telephone may be several people's."""
    if sender is None:
        return ()
    return session.scalars(
        select(Person)
        .where(
            Person.active,
            Person.agency_key.is_not(None),
            or_(Person.whatsapp == sender, Person.phone == sender),
        )
        .order_by(Person.key)
    ).all()


def _act(
    session: Session,
    kept: InboundMessage,
    officers: Sequence[Person],
    *,
    now: datetime,
    rules: ReplyRules,
) -> None:
    kept.person_key = officers[0].key
    said = understood(kept.body)
    if said is None or not is_valid(said.number):
        kept.result, kept.answer = "help", HELP
        return
    ticket = _ticket(session, said.number, {person.agency_key for person in officers})
    if ticket is None:
        kept.result, kept.answer = "refused", _NOT_YOURS
        return
    person = next(p for p in officers if p.agency_key == ticket.agency_key)
    kept.person_key, kept.ticket_id, kept.verb = person.key, ticket.id, said.reply.value
    try:
        with session.begin_nested():
            _do(session, ticket.id, said, person, now=now, rules=rules)
    except Refused as refused:
        kept.result, kept.answer = "refused", refused.message
        return
    kept.result, kept.answer = "done", _done(said, ticket, rules.rules)
    audit.record(
        session,
        actor=f"person:{person.key}",
        action="reply_taken",
        thing=f"ticket:{ticket.id}",
        now=now,
        detail={"message": kept.id, "verb": said.reply.value},
    )


def _ticket(session: Session, number: str, agencies: set[str | None]) -> Ticket | None:
    """The newest ticket of the complaint that one of these agencies still has."""
    return session.scalar(
        select(Ticket)
        .join(Complaint, Ticket.complaint_id == Complaint.id)
        .where(
            Complaint.public_number == number,
            Ticket.agency_key.in_(agencies),
            Ticket.state.not_in(FINAL),
        )
        .order_by(Ticket.id.desc())
        .limit(1)
    )


def _do(
    session: Session,
    ticket_id: int,
    said: Said,
    person: Person,
    *,
    now: datetime,
    rules: ReplyRules,
) -> None:
    actor = f"person:{person.key}"
    match said.reply:
        case Reply.ACCEPT:
            tickets.accept(session, ticket_id, actor=actor, now=now, rules=rules.rules)
        case Reply.RETURN:
            tickets.return_(
                session, ticket_id, reason=said.text, actor=actor, now=now, rules=rules.rules
            )
        case Reply.RESPOND:
            tickets.respond(
                session, ticket_id, text=said.text, actor=actor, now=now, rules=rules.rules
            )
        case Reply.REPORT:
            reports.file_report(
                session,
                ticket_id,
                text=said.text,
                done_at=now,
                people=person.name,
                materials="",
                photos=(),
                actor=actor,
                now=now,
                rules=rules.rules,
                folder=rules.folder,
            )


def _done(said: Said, ticket: Ticket, rules: Rules) -> str:
    number = format_number(said.number)
    match said.reply:
        case Reply.ACCEPT:
            due = wording.local(ticket.due_at, rules)
            return (
                f"Tiket {number} Anda terima. Tanggapi sebelum {due}: "
                f"JAWAB {said.number} isi tanggapan."
            )
        case Reply.RETURN:
            return f"Tiket {number} dikembalikan ke operator."
        case Reply.RESPOND:
            return f"Tanggapan untuk {number} tercatat. Setelah dikerjakan: SELESAI {said.number}."
        case Reply.REPORT:
            return f"Laporan penanganan {number} dikirim ke pimpinan. Terima kasih."
