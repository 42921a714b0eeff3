"""The forms of the officer's page: fields in, one service call each.

Each function reads a form and looks at its files, which takes time and may refuse; what it gives
back does the rest, inside the transaction.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from functools import partial
from typing import Protocol

from flask import request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from callcenter.domain.ticket import WaitingReason
from callcenter.services import evidence, photos, reports, tickets, voice_notes, waiting
from callcenter.services.attachments import Material
from callcenter.services.errors import Refused
from callcenter.services.rules import Rules
from callcenter.web.context import reading, wiring
from callcenter.web.screen import from_local, local_date

_MAX_FILES = 8


class Act(Protocol):
    """One service call, ready but for its transaction."""

    def __call__(self, session: Session, *, actor: str, now: datetime, rules: Rules) -> object:
        """Do it. Raises Refused."""


def _text(name: str) -> str:
    return request.form.get(name, "").strip()


def _needed(name: str, remedy: str) -> str:
    value = _text(name)
    if not value:
        raise Refused(name, remedy)
    return value


def accept(ticket_id: int) -> Act:
    """One tap: it is ours, we are on it."""
    return partial(tickets.accept, ticket_id=ticket_id)


def respond(ticket_id: int) -> Act:
    """The first substantive answer; stops the 24-hour window."""
    text = _needed("response", _("Tuliskan tanggapan Anda."))
    return partial(tickets.respond, ticket_id=ticket_id, text=text)


def return_(ticket_id: int) -> Act:
    """Not ours, and why."""
    reason = _needed("reason", _("Tuliskan alasan mengembalikan."))
    return partial(tickets.return_, ticket_id=ticket_id, reason=reason)


def start(ticket_id: int) -> Act:
    """Work begins, or goes on after waiting."""
    return partial(tickets.start, ticket_id=ticket_id)


def wait(ticket_id: int) -> Act:
    """The handling pauses until a day, with reason, evidence and approver."""
    reason = _text("waiting_reason")
    if reason not in set(WaitingReason):
        raise Refused("waiting_reason", _("Pilih apa yang ditunggu."))
    until, approver = _expected(), _needed("approver", _("Tuliskan siapa yang menyetujui."))
    note, proofs = _text("evidence"), _evidence()
    if not (note or proofs):
        raise Refused("evidence", _("Tuliskan nomor surat atau pesanan, atau lampirkan buktinya."))
    return partial(
        waiting.wait,
        ticket_id=ticket_id,
        reason=WaitingReason(reason),
        note=note,
        until=until,
        approver=approver,
        files=proofs,
        folder=wiring().config.storage.recordings,
    )


def _expected() -> datetime:
    """The morning of the expected day, in the programme's zone."""
    day = local_date(_text("until"))
    if day is None:
        raise Refused("until", _("Pilih tanggal perkiraan pekerjaan berlanjut."))
    zone = wiring().config.programme.zone
    return datetime.combine(day, time(8, 0), tzinfo=zone).astimezone(UTC)


def report(ticket_id: int) -> Act:
    """What was done, when, by whom, with photos or by voice: goes to the head of the agency."""
    done_at = from_local(_text("done_at"))
    if done_at is None:
        raise Refused("done_at", _("Isi kapan pekerjaan selesai."))
    reports.check_open(reading(), ticket_id)  # before anything is decoded
    return partial(
        reports.file_report,
        ticket_id=ticket_id,
        text=_text("report"),
        done_at=done_at,
        people=_needed("people", _("Tuliskan siapa yang mengerjakan.")),
        materials=_text("materials"),
        photos=_photos(),
        voice=_voice(),
        folder=wiring().config.storage.recordings,
    )


def _files(field: str) -> list[bytes]:
    files = [f for f in request.files.getlist(field) if f.filename]
    if len(files) > _MAX_FILES:
        raise Refused(field, _("Paling banyak %(n)d berkas.", n=_MAX_FILES))
    return [f.read() for f in files]


def _evidence() -> list[Material]:
    return [evidence.looked_at(data) for data in _files(evidence.FIELD)]


def _photos() -> list[Material]:
    return [photos.developed(data) for data in _files("photos")]


def _voice() -> Material | None:
    """The report as it was spoken; None where nothing was recorded."""
    file = request.files.get("voice")
    data = file.read() if file else b""
    return voice_notes.heard(data) if data else None
