"""Operators and citizens write to each other: one thread per complaint, whatever the channel.

What an operator writes is a notice like every other: in the outbox with the transaction, sent
once, by the way by which the citizen came where that is open. What citizens write waits in the
inbox until somebody joins it to a complaint; here it is shown where it belongs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.correspondence import language_of, leaves_at, session_open
from callcenter.services import audit, claims, history, notices, phones
from callcenter.services.desk import clean
from callcenter.services.errors import Refused
from callcenter.services.holding import hold
from callcenter.services.recipients import in_order, last_written
from callcenter.services.rules import Rules
from callcenter.services.wording import Words
from callcenter.store import desk_queries
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint, Notice
from ivr.numbers import format_number

#: With the first line it stays within one message of WhatsApp or ten of SMS (1600 signs).
LONGEST = 1200
FIELD = "reply"
_ONCE = 64
_BY_MESSAGE = ("whatsapp", "sms", "screen")
_OPENING = {"id": "{}, aduan {}:", "ban": "{}, aduan {}:", "en": "{}, complaint {}:"}


@dataclass(frozen=True, slots=True)
class Line:
    """One message of the thread: the citizen's, or ours."""

    at: datetime
    theirs: InboundMessage | None = None
    ours: Notice | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """How a reply would go now: the channel, or why there is none."""

    channel: str | None
    why_not: Refused | None = None


def thread(session: Session, complaint: Complaint) -> list[Line]:
    """What both wrote, in order; also what this number wrote and nobody has joined yet."""
    ours = session.scalars(
        select(Notice).where(
            Notice.complaint_id == complaint.id, Notice.kind.in_(notices.TO_REPORTER)
        )
    )
    theirs = [
        *desk_queries.messages_of(session, complaint.id),
        *desk_queries.waiting_from(session, complaint.reporter_phone),
    ]
    lines = [Line(m.received_at, theirs=m) for m in theirs]
    lines += [Line(n.created_at, ours=n) for n in ours]
    return sorted(lines, key=lambda line: line.at)


def way(session: Session, complaint: Complaint, channels: Collection[str], *, now: datetime) -> Way:
    """The first way that is open to a reply now."""
    mobile = phones.mobile(complaint.reporter_phone)
    if mobile is None:
        return Way(
            None, Refused(FIELD, "Pelapor tidak punya nomor ponsel Indonesia; telepon atau temui.")
        )
    free = session_open(last_written(session, mobile, "whatsapp"), now)
    ways = [c for c in in_order(channels, complaint) if c in _BY_MESSAGE]
    open_ways = [c for c in ways if c != "whatsapp" or free]
    if open_ways:
        return Way(open_ways[0])
    if ways:
        return Way(
            None,
            Refused(
                FIELD,
                "WhatsApp hanya menerima balasan dalam 24 jam sejak warga menulis; telepon warga.",
            ),
        )
    return Way(None, Refused(FIELD, "Belum ada jalur pesan ke warga (notices.channels)."))


def reply(
    session: Session,
    complaint_id: int,
    text: str,
    *,
    once: str,
    actor: str,
    now: datetime,
    rules: Rules,
    channels: Collection[str],
) -> bool:
    """Write to whoever reported; whether it is new.

    Harmless to repeat: a form (`once`) writes one message. Conflict while somebody else has the
    complaint on the desk.
    """
    complaint = hold(session, complaint_id)
    if not (once.isascii() and once.isalnum() and len(once) <= _ONCE):
        raise Refused(FIELD, "Muat ulang halaman, lalu kirim lagi.")
    known = select(Notice.id).where(Notice.key == notices.reply_key(complaint_id, once))
    if session.scalar(known) is not None:
        return False
    claims.check(session, complaint_id, actor=actor, now=now, lasts=rules.claim_lasts)
    said = clean(text, LONGEST, FIELD)
    if not said:
        raise Refused(FIELD, "Tulis balasannya.")
    found = way(session, complaint, channels, now=now)
    if found.why_not is not None:
        raise found.why_not
    wrote = last_written(session, phones.mobile(complaint.reporter_phone))
    notices.reply(
        session,
        complaint,
        _words(complaint, said, rules),
        once=once,
        actor=actor,
        now=now,
        not_before=leaves_at(wrote, now, rules.night),
    )
    history.note(session, complaint.id, "reply", actor=actor, now=now)
    thing = f"complaint:{complaint.id}"
    audit.record(session, actor=actor, action="reply_written", thing=thing, now=now)
    return True


def language(complaint: Complaint) -> str:
    """The language in which the citizen is written to: the one chosen on the telephone."""
    return language_of(complaint.call.path if complaint.call else ())


def _words(complaint: Complaint, said: str, rules: Rules) -> Words:
    number = format_number(complaint.public_number)
    opening = _OPENING[language(complaint)].format(rules.programme_name, number)
    return Words("Balasan operator", f"{opening}\n{said}")


def greeting(session: Session, sender: str | None, *, now: datetime, phone: str) -> str:
    """The first answer to a citizen's message; nothing to who wrote within the last day, so that
    two people may talk."""
    if session_open(last_written(session, sender), now):
        return ""
    return (
        "Pesan Anda kami terima dan dibaca operator. "
        f"Keadaan darurat, atau lebih cepat: telepon {phone}."
    )
