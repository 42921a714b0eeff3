"""The handling report as a paper: letterhead, number, window, work, timeline, signatures, photos.

It shows what was known when the report was filed, so that a copy that is made later is the same.
Who complained is not in it (Perpres 76/2013).
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import Urgency
from callcenter.domain.window import Standing, standing
from callcenter.gateways.channel import Enclosure
from callcenter.services import attachments, camera, wording
from callcenter.services.errors import NotFound
from callcenter.services.papers import typeset
from callcenter.services.rules import Rules
from callcenter.store.models import Agency, Attachment, HandlingReport, History, Person, Ticket
from ivr.numbers import format_number

log = logging.getLogger("aduan24.paper")

_MONTHS = [
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
]
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
#: A half page's width at 300 dots per inch: a mail stays small.
_PRINTED = 1000
_VERBS = {
    "start": "Mulai dikerjakan",
    "wait": "Pekerjaan menunggu",
    "prolong": "Masa tunggu diperpanjang",
    "wake": "Masa tunggu berakhir",
}
_PASSED = "Jangka waktu 24 jam terlewati"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """An agency as its papers name it; `logo` is a PNG, a JPEG or an SVG."""

    government: str
    name: str
    address: str
    programme: str
    town: str
    head_title: str
    head_name: str
    head_nip: str
    logo: Path | None


@dataclass(frozen=True, slots=True)
class Desk:
    """What the paper needs beside the database."""

    letterheads: Mapping[str, Letterhead]
    rules: Rules
    folder: Path

    def letterhead(self, agency: Agency) -> Letterhead:
        """The agency's own; a plain one for an agency that has left the configuration."""
        plain = Letterhead(
            "", agency.name, "", self.rules.programme_name, "", "Pimpinan", "", "", None
        )
        return self.letterheads.get(agency.key, plain)


@dataclass(frozen=True, slots=True)
class Paper:
    """A report, ready to be set: what the template prints, and the pictures by name."""

    name: str
    filed_at: datetime
    facts: dict[str, Any]
    pictures: dict[str, bytes]


def enclosure(session: Session, ticket_id: int, desk: Desk) -> Enclosure:
    """The report of a ticket as a file. NotFound when there is none."""
    paper = paper_of(session, ticket_id, desk)
    return Enclosure(paper.name, "application/pdf", _set(paper))


def paper_of(session: Session, ticket_id: int, desk: Desk) -> Paper:
    """What the report of a ticket says. NotFound when there is none."""
    ticket = session.get(Ticket, ticket_id)
    if ticket is None or ticket.report is None:
        raise NotFound("Tiket ini belum punya laporan penanganan.")
    report = ticket.report
    photos = [a for a in ticket.attachments if a.purpose == attachments.REPORT]
    pictures = {f"{p.id}.jpg": data for p in photos if (data := _printed(desk.folder, p))}
    head = desk.letterhead(ticket.agency)
    facts = _Facts(session, ticket, report, desk.rules).all(head, _logo(head, pictures))
    facts["photos"] = [
        _photo(n, p, f"{p.id}.jpg" in pictures, desk.rules) for n, p in enumerate(photos, 1)
    ]
    name = f"laporan-{ticket.complaint.public_number}-{ticket.agency_key}.pdf"
    return Paper(name, report.filed_at, facts, pictures)


def _set(paper: Paper) -> bytes:
    """As PDF; a coat of arms that cannot be drawn is left out."""
    try:
        return typeset("report.typ", paper.facts, paper.pictures, paper.filed_at)
    except RuntimeError:
        if paper.facts["letterhead"]["logo"] is None:
            raise
        log.error("programme.logo cannot be drawn; the report was set without it")
        plain = {**paper.facts, "letterhead": {**paper.facts["letterhead"], "logo": None}}
        return typeset("report.typ", plain, paper.pictures, paper.filed_at)


def number_of(report: HandlingReport, ticket: Ticket, rules: Rules) -> str:
    """`0012/LP-24JAM/PUPR/III/2026`: the number under which the report is kept."""
    filed = report.filed_at.astimezone(rules.zone)
    month = _ROMAN[filed.month - 1]
    return f"{report.id:04d}/LP-24JAM/{ticket.agency_key.upper()}/{month}/{filed.year}"


def _logo(head: Letterhead, pictures: dict[str, bytes]) -> str | None:
    """The coat of arms among the pictures; a file that is gone costs the arms, not the paper."""
    if head.logo is None or not head.logo.is_file():
        return None
    name = f"logo{head.logo.suffix.lower()}"
    pictures[name] = head.logo.read_bytes()
    return name


def _printed(folder: Path, photo: Attachment) -> bytes | None:
    """The photo in the size of print; None when the file is gone or is not what was kept."""
    try:
        data = (folder / photo.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != photo.sha256:
            return None
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            picture.thumbnail((_PRINTED, _PRINTED))
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=80)
    except OSError:
        return None
    return out.getvalue()


def _photo(number: int, photo: Attachment, there: bool, rules: Rules) -> dict[str, Any]:
    taken = camera.taken(photo.exif, rules.zone)
    words = []
    if taken.at:
        words.append(f"Diambil {_moment(taken.at, rules)}")
    if taken.place:
        words.append(f"letak {taken.place[0]:.5f}, {taken.place[1]:.5f}")
    return {
        "file": f"{photo.id}.jpg" if there else None,
        "caption": f"Foto {number}",
        "taken": ", ".join(words),
    }


class _Facts:
    """What the template prints, in the template's own names."""

    def __init__(
        self, session: Session, ticket: Ticket, report: HandlingReport, rules: Rules
    ) -> None:
        self._session, self._ticket, self._report, self._rules = session, ticket, report, rules
        self._complaint = ticket.complaint

    def all(self, head: Letterhead, logo: str | None) -> dict[str, Any]:
        number = number_of(self._report, self._ticket, self._rules)
        return {
            "title": f"Laporan penanganan aduan {number}",
            "heading": "LAPORAN PENANGANAN ADUAN",
            "number": number,
            "letterhead": {**asdict(head), "logo": logo},
            "to": {"post": head.head_title, "name": head.head_name},
            "place_and_day": ", ".join(filter(None, (head.town, self._day(self._report.filed_at)))),
            "facts": self._case(),
            "window": self._window(),
            "complaint": wording.discreet(self._complaint.transcript, self._complaint) or "–",
            "order": wording.discreet(self._ticket.order, self._complaint),
            "done": self._done(),
            "timeline": list(self._timeline()),
            "signatures": self._signatures(head),
            "footer": f"Nomor aduan {format_number(self._complaint.public_number)}. "
            f"Dibuat oleh sistem {head.programme} dari catatan per "
            f"{_moment(self._report.filed_at, self._rules)} WITA.",
        }

    def _case(self) -> list[tuple[str, str]]:
        category = self._rules.category(self._complaint.category_key)
        urgent = self._ticket.urgency is Urgency.EMERGENCY
        rows = [
            ("Nomor aduan", format_number(self._complaint.public_number)),
            ("Perihal", category.name if category else "Aduan"),
            ("Tingkat", "Darurat" if urgent else "Laporan"),
            ("Tempat", wording.place_of(self._complaint)),
            ("Patokan", wording.discreet(self._complaint.place_note, self._complaint)),
        ]
        return [(name, value) for name, value in rows if value]

    def _window(self) -> dict[str, Any]:
        times = self._ticket.times
        late = standing(times, self._report.filed_at) is Standing.MISSED
        answered = times.answered_at or self._report.filed_at
        took = wording.span(answered - times.dispatched_at)
        words = f"Dijawab {took} setelah aduan diteruskan."
        if late:
            words += f" Batasnya {_moment(times.due_at, self._rules)} WITA."
        return {"late": late, "verdict": "Terlambat." if late else "Tepat waktu.", "words": words}

    def _done(self) -> dict[str, Any]:
        voice = next((a for a in self._ticket.attachments if a.purpose == "spoken"), None)
        words = ""
        if voice is not None:
            long = f" ({wording.clock_face(voice.seconds)})" if voice.seconds else ""
            words = f"Laporan lisan{long} tersimpan dan dapat didengar lewat tautan laporan."
        rows = [
            ("Selesai pada", f"{_moment(self._report.done_at, self._rules)} WITA"),
            ("Pelaksana", self._report.people),
            ("Bahan dan alat", self._report.materials or "–"),
        ]
        return {
            "text": wording.discreet(self._report.text, self._complaint),
            "voice": words,
            "facts": rows,
        }

    def _timeline(self) -> Iterator[dict[str, Any]]:
        ticket, report = self._ticket, self._report
        rows: list[tuple[datetime | None, str, str]] = [
            (self._complaint.received_at, "Aduan diterima", ""),
            (ticket.dispatched_at, f"Diteruskan ke {ticket.agency.name}", ""),
            (ticket.accepted_at, "Tugas diterima", self._name(ticket.accepted_by)),
            (ticket.responded_at, "Ditanggapi", ticket.agency.name),
            *self._changes(),
            (report.done_at, "Pekerjaan selesai", ""),
            (report.filed_at, "Laporan dikirim ke pimpinan", self._name(report.filed_by)),
        ]
        if standing(ticket.times, report.filed_at) is Standing.MISSED:
            rows.append((ticket.due_at, _PASSED, ""))
        happened = [(at, what, who) for at, what, who in rows if at]
        for at, what, who in sorted(happened, key=lambda row: row[0]):
            late = what == _PASSED
            yield {"at": _moment(at, self._rules), "what": what, "who": who, "late": late}

    def _changes(self) -> Iterator[tuple[datetime, str, str]]:
        """What happened between the answer and the report."""
        rows = select(History).where(
            History.ticket_id == self._ticket.id,
            History.verb.in_(_VERBS),
            History.at <= self._report.filed_at,
        )
        for row in self._session.scalars(rows.order_by(History.id)):
            yield row.at, _VERBS[row.verb], self._name(row.actor)

    def _signatures(self, head: Letterhead) -> list[dict[str, str]]:
        filed_by = self._name(self._report.filed_by) or self._report.people
        return [
            {"above": "Yang melaporkan,", "post": "Tim Reaksi Cepat", "name": filed_by, "nip": ""},
            {
                "above": "Mengetahui,",
                "post": head.head_title,
                "name": head.head_name,
                "nip": head.head_nip,
            },
        ]

    def _name(self, actor: str | None) -> str:
        kind, _, key = (actor or "").partition(":")
        if kind == "person":
            person = self._session.get(Person, key)
            return person.name if person else ""
        return "" if kind == "clock" else (actor or "")

    def _day(self, moment: datetime) -> str:
        local = moment.astimezone(self._rules.zone)
        return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def _moment(moment: datetime, rules: Rules) -> str:
    local = moment.astimezone(rules.zone)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H.%M}"
