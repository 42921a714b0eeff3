"""The handling report: what was done, with photos; it goes to the head of the agency.

A ticket is handled when the report is filed, and reported when it has reached the head.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from callcenter.domain.people import Post
from callcenter.domain.ticket import TicketState
from callcenter.services import closing, escalation, history, notices, photos, wording
from callcenter.services.desk import clean
from callcenter.services.errors import Refused
from callcenter.services.recipients import people_for
from callcenter.services.rules import Rules
from callcenter.services.tickets import let_complaint_follow, locked
from callcenter.store.models import Attachment, HandlingReport, Notice, Ticket

KIND = "report-filed"  # no rung of a ladder can be called so
_AHEAD = timedelta(minutes=10)  # a telephone's clock may be a little fast
_BEHIND = timedelta(days=366)  # work may be older than the complaint, but not of another age


def file_report(
    session: Session,
    ticket_id: int,
    *,
    text: str,
    done_at: datetime,
    people: str,
    materials: str,
    photos: list[bytes],
    actor: str,
    now: datetime,
    rules: Rules,
    folder: Path,
) -> HandlingReport:
    """File the report, once; the head of the agency is told in the same transaction.

    `photos` are image files as they came; `folder` is where recordings lie. Refused names the
    field. The window is measured by `now`, never by what the officer says in `done_at`.
    """
    ticket = locked(session, ticket_id)
    if ticket.report is not None:
        raise Refused("report", "Laporan tiket ini sudah dikirim.")
    report = HandlingReport(
        text=_needed("report", text, 4000, "Tuliskan apa yang dikerjakan."),
        done_at=_plausible(done_at, now),
        people=_needed("people", people, 300, "Tuliskan siapa yang mengerjakan."),
        materials=clean(materials, 300, "materials"),
        filed_by=actor,
        filed_at=now,
    )
    history.advance_ticket(session, ticket, "handle", actor=actor, now=now)
    _attach(ticket, photos, folder, actor=actor, now=now)  # only now: no disk for who may not
    ticket.handled_at, ticket.report = now, report
    history.note(
        session, ticket.complaint_id, "file_report", actor=actor, now=now, ticket_id=ticket.id
    )
    let_complaint_follow(session, ticket.complaint, actor=actor, now=now)
    escalation.reschedule(ticket, rules)
    _tell_the_head(session, ticket, report.text, now=now, rules=rules)
    return report


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
    session: Session, ticket: Ticket, text: str, *, now: datetime, rules: Rules
) -> None:
    session.flush()
    notices.write(
        session,
        ticket=ticket,
        people=people_for(session, ticket, (Post.HEAD,)),
        kind=KIND,
        words=wording.of_report(ticket, text, rules),
        now=now,
        rules=rules,
    )


def _attach(ticket: Ticket, files: list[bytes], folder: Path, *, actor: str, now: datetime) -> None:
    """Photos are on disk before the row is written; the same photo twice is one."""
    known = {attachment.sha256 for attachment in ticket.attachments}
    for data in files:
        photo = photos.keep(data, folder, now)
        if photo.sha256 in known:
            continue
        known.add(photo.sha256)
        ticket.attachments.append(
            Attachment(
                purpose="report",
                path=photo.path,
                sha256=photo.sha256,
                media_type="image/jpeg",
                bytes=photo.bytes,
                exif=photo.exif,
                added_by=actor,
                added_at=now,
            )
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
