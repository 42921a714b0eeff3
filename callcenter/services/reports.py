"""The handling report: what was done, in words or by voice, with photos; for the agency's head.

A ticket is handled when the report is filed, and reported when it has reached the head: a
provider says so, or the head has opened it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.people import Post
from callcenter.domain.ticket import TRANSITIONS, TicketState
from callcenter.services import (
    attachments,
    audit,
    closing,
    escalation,
    history,
    notices,
    sequence,
    wording,
)
from callcenter.services.attachments import Material
from callcenter.services.desk import clean
from callcenter.services.errors import NotFound, Refused
from callcenter.services.recipients import people_for
from callcenter.services.rules import Rules
from callcenter.services.tickets import locked, stop_waiting
from callcenter.store.models import HandlingReport, Notice, OfficerLink, Ticket

KIND = "report-filed"  # no rung of a ladder can be called so
_FILED = "Laporan tiket ini sudah dikirim."
_AGAIN_AFTER = timedelta(minutes=10)
_AHEAD = timedelta(minutes=10)  # a telephone's clock may be a little fast
_BEHIND = timedelta(days=366)  # work may be older than the complaint, but not of another age


def check_open(session: Session, ticket_id: int) -> None:
    """Refused when no report is wanted any more: nothing is decoded for an old link."""
    ticket = session.get(Ticket, ticket_id)
    if ticket is None:
        raise NotFound("Tiket ini tidak ada.")
    if ticket.report is not None:
        raise Refused("report", _FILED)
    if ticket.state is not TicketState.HANDLED and ticket.state not in TRANSITIONS["handle"]:
        raise Refused("state", "Langkah ini tidak berlaku untuk keadaan tiket saat ini.")


def file_report(
    session: Session,
    ticket_id: int,
    *,
    text: str,
    done_at: datetime,
    people: str,
    materials: str,
    photos: Sequence[Material],
    actor: str,
    now: datetime,
    rules: Rules,
    folder: Path,
    voice: Material | None = None,
) -> HandlingReport:
    """File the report, once; the head of the agency is told in the same transaction.

    `photos` and `voice` were looked at before (`photos.developed`, `voice_notes.heard`); `text`
    may be empty where there is a voice. `folder` is where recordings lie. Refused names the
    field. The window is measured by `now`, never by what the officer says in `done_at`.
    """
    ticket = locked(session, ticket_id)
    if ticket.report is not None:
        raise Refused("report", _FILED)
    said = clean(text, 4000, "report")
    if not said and voice is None:
        raise Refused("report", "Tuliskan atau rekam apa yang dikerjakan.")
    report = HandlingReport(
        text=said,
        done_at=_plausible(done_at, now),
        people=_needed("people", people, 300, "Tuliskan siapa yang mengerjakan."),
        materials=clean(materials, 300, "materials"),
        filed_by=actor,
        filed_at=now,
    )
    if ticket.state is not TicketState.HANDLED:  # the work may have been called done before
        history.advance_ticket(session, ticket, "handle", actor=actor, now=now)
        ticket.handled_at = now
        stop_waiting(ticket, now)
    _attach(ticket, photos, voice, actor=actor, now=now, folder=folder)
    ticket.report = report
    history.note(
        session, ticket.complaint_id, "file_report", actor=actor, now=now, ticket_id=ticket.id
    )
    sequence.go_on(session, ticket.complaint, actor=actor, now=now, rules=rules)
    escalation.reschedule(ticket, rules)
    _tell_the_head(session, ticket, report.text, now=now, rules=rules)
    return report


def _attach(
    ticket: Ticket,
    photos: Sequence[Material],
    voice: Material | None,
    *,
    actor: str,
    now: datetime,
    folder: Path,
) -> None:
    """Only once the ticket has moved: who may not report puts nothing on the disk."""
    voices = [voice] if voice else []
    for purpose, materials in ((attachments.REPORT, photos), (attachments.SPOKEN, voices)):
        attachments.attach(ticket, materials, purpose=purpose, actor=actor, now=now, folder=folder)


def opened(session: Session, link_id: int, *, now: datetime, rules: Rules) -> bool:
    """Who was sent the report has it on the screen: that is read, and has arrived.

    Whether it is the first time. A repeat changes nothing, and what another link opens is no
    report of this person's.
    """
    link = session.get_one(OfficerLink, link_id)
    link.first_opened_at = link.first_opened_at or now
    unread = session.scalars(
        select(Notice)
        .where(Notice.link_id == link_id, Notice.kind == KIND, Notice.read_at.is_(None))
        .order_by(Notice.id)
        .with_for_update(of=Notice)
    ).all()
    for notice in unread:
        notice.read_at = now
        if notice.state == "sent":
            notice.state, notice.ask_at = "delivered", None
            notice.delivered_at = notice.delivered_at or now
        notice_arrived(session, notice, now=now, rules=rules)
    return bool(unread)


def send_again(
    session: Session, ticket_id: int, *, actor: str, now: datetime, rules: Rules
) -> None:
    """Send the report to the head once more, over every way; recorded.

    Refused while it is still being sent, and for ten minutes after it was written last.
    """
    ticket = locked(session, ticket_id)
    if ticket.report is None:
        raise NotFound("Tiket ini belum punya laporan penanganan.")
    sent = session.scalars(
        select(Notice).where(Notice.ticket_id == ticket_id, Notice.kind == KIND).order_by(Notice.id)
    ).all()
    if any(notice.state in ("queued", "sending") for notice in sent):
        raise Refused("state", "Laporan ini masih dalam pengiriman.")
    if any(now < notice.created_at + _AGAIN_AFTER for notice in sent):
        raise Refused("state", "Laporan ini baru saja dikirim; tunggu sepuluh menit.")
    again = f":again-{int(now.timestamp())}"
    _tell_the_head(session, ticket, ticket.report.text, now=now, rules=rules, again=again)
    thing = f"ticket:{ticket_id}"
    audit.record(session, actor=actor, action="report_sent_again", thing=thing, now=now)


def notice_arrived(session: Session, notice: Notice, *, now: datetime, rules: Rules) -> None:
    """A notice reached its person; when it was the report, the ticket is reported."""
    if notice.kind != KIND or notice.ticket_id is None:
        return
    ticket = locked(session, notice.ticket_id)
    if ticket.state is not TicketState.HANDLED:
        return
    history.advance_ticket(session, ticket, "report", actor="clock", now=now)
    ticket.reported_at = now
    escalation.reschedule(ticket, rules)
    closing.settle(session, ticket.complaint, actor="clock", now=now, rules=rules)


def _tell_the_head(
    session: Session, ticket: Ticket, text: str, *, now: datetime, rules: Rules, again: str = ""
) -> None:
    session.flush()
    notices.write(
        session,
        ticket=ticket,
        people=people_for(session, ticket, (Post.HEAD,), now=now, rules=rules),
        kind=KIND,
        words=wording.of_report(ticket, text, rules),
        now=now,
        rules=rules,
        again=again,
    )


def _plausible(done_at: datetime, now: datetime) -> datetime:
    if done_at > now + _AHEAD:
        raise Refused("done_at", "Waktu selesai belum terjadi; periksa tanggal dan jamnya.")
    if done_at < now - _BEHIND:
        raise Refused("done_at", "Isi kapan pekerjaan selesai.")
    return done_at


def _needed(field: str, text: str, longest: int, remedy: str) -> str:
    kept = clean(text, longest, field)
    if not kept:
        raise Refused(field, remedy)
    return kept
