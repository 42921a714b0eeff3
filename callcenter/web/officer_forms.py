"""The forms of the officer's page: fields in, one service call each."""

from __future__ import annotations

from datetime import UTC, datetime, time

from flask import request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from callcenter.domain.ticket import WaitingReason
from callcenter.services import reports, tickets
from callcenter.services.errors import Refused
from callcenter.web.context import now, wiring
from callcenter.web.screen import from_local, local_date

_MAX_PHOTOS = 8


def _text(name: str) -> str:
    return request.form.get(name, "").strip()


def _needed(name: str, remedy: str) -> str:
    value = _text(name)
    if not value:
        raise Refused(name, remedy)
    return value


def accept(db: Session, ticket_id: int, actor: str) -> None:
    """One tap: it is ours, we are on it."""
    tickets.accept(db, ticket_id, actor=actor, now=now(), rules=wiring().rules)


def respond(db: Session, ticket_id: int, actor: str) -> None:
    """The first substantive answer; stops the 24-hour window."""
    text = _needed("response", _("Tuliskan tanggapan Anda."))
    tickets.respond(db, ticket_id, text=text, actor=actor, now=now(), rules=wiring().rules)


def return_(db: Session, ticket_id: int, actor: str) -> None:
    """Not ours, and why."""
    reason = _needed("reason", _("Tuliskan alasan mengembalikan."))
    tickets.return_(db, ticket_id, reason=reason, actor=actor, now=now(), rules=wiring().rules)


def start(db: Session, ticket_id: int, actor: str) -> None:
    """Work begins, or goes on after waiting."""
    tickets.start(db, ticket_id, actor=actor, now=now(), rules=wiring().rules)


def wait(db: Session, ticket_id: int, actor: str) -> None:
    """The handling pauses until a day, with reason, evidence and approver."""
    reason = _text("waiting_reason")
    if reason not in set(WaitingReason):
        raise Refused("waiting_reason", _("Pilih apa yang ditunggu."))
    tickets.wait(
        db,
        ticket_id,
        reason=WaitingReason(reason),
        note=_needed("evidence", _("Tuliskan buktinya, misalnya nomor surat atau pesanan.")),
        until=_expected(),
        approver=_needed("approver", _("Tuliskan siapa yang menyetujui.")),
        actor=actor,
        now=now(),
        rules=wiring().rules,
    )


def _expected() -> datetime:
    """The morning of the expected day, in the programme's zone."""
    day = local_date(_text("until"))
    if day is None:
        raise Refused("until", _("Pilih tanggal perkiraan pekerjaan berlanjut."))
    zone = wiring().config.programme.zone
    return datetime.combine(day, time(8, 0), tzinfo=zone).astimezone(UTC)


def report(db: Session, ticket_id: int, actor: str) -> None:
    """What was done, when, by whom, with photos: goes to the head of the agency."""
    done_at = from_local(_text("done_at"))
    if done_at is None:
        raise Refused("done_at", _("Isi kapan pekerjaan selesai."))
    reports.file_report(
        db,
        ticket_id,
        text=_needed("report", _("Tuliskan apa yang dikerjakan.")),
        done_at=done_at,
        people=_needed("people", _("Tuliskan siapa yang mengerjakan.")),
        materials=_text("materials"),
        photos=_photos(),
        actor=actor,
        now=now(),
        rules=wiring().rules,
        folder=wiring().config.storage.recordings,
    )


def _photos() -> list[bytes]:
    files = [f for f in request.files.getlist("photos") if f.filename]
    if len(files) > _MAX_PHOTOS:
        raise Refused("photos", _("Paling banyak %(n)d foto.", n=_MAX_PHOTOS))
    return [f.read() for f in files]
