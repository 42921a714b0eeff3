"""The words of notices: short Indonesian sentences, no reporter's name or number in them.

Notices travel through providers and lie on telephones; who reported is confidential (Perpres
76/2013). So names and numbers that people typed into free text are taken out here as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from phonenumbers import Leniency, PhoneNumberMatcher

from callcenter.domain.complaint import Outcome, Urgency
from callcenter.domain.ticket import WaitingReason
from callcenter.domain.window import Step, Until
from callcenter.services.rules import Rules
from callcenter.store.models import Complaint, Ticket
from callcenter.store.places import village
from ivr.numbers import format_number

_EXCERPT = 280  # of the transcript: the rest is behind the link
_FEWEST = 5  # digits: a text with fewer holds no telephone number, and need not be searched
#: A mobile number however it was written or cut short; the library finds all others.
_MOBILE = re.compile(r"(?<!\d)(?:\+?62|0)[\s.()-]*8(?:[\s.()-]*\d){6,12}(?!\d)")


@dataclass(frozen=True, slots=True)
class Words:
    """Subject and body of one notice."""

    subject: str
    body: str


def of_step(step: Step, ticket: Ticket, now: datetime, rules: Rules) -> Words:
    """What a rung of the ladder says."""
    complaint = ticket.complaint
    what = _what(complaint, rules)
    lines = [_opening(step, ticket, now), f"{what}.", *_where(complaint)]
    if ticket.order:
        lines.append(f"Perintah: {discreet(ticket.order, complaint)}")
    if rules.replies and _wants_a_yes(step, ticket):
        lines.append(f"Balas: TERIMA {complaint.public_number}")
    lines += [excerpt(complaint.transcript, complaint), _until(step, ticket, now, rules)]
    return Words(f"{_title(step, ticket)}: {what}", _joined(complaint, lines))


def _wants_a_yes(step: Step, ticket: Ticket) -> bool:
    first = step.after == timedelta(0)
    return ticket.times.accepted_at is None and (first or step.until is Until.ACCEPTED)


def of_report(ticket: Ticket, text: str, rules: Rules) -> Words:
    """The handling report, to the head of the agency."""
    complaint = ticket.complaint
    what = _what(complaint, rules)
    lines = [f"Laporan penanganan dari {ticket.agency.name}.", f"{what}.", *_where(complaint)]
    done = excerpt(text, complaint) or "disampaikan dengan suara, dengarkan lewat tautan."
    lines.append(f"Yang dikerjakan: {done}")
    return Words(f"Laporan penanganan: {what}", _joined(complaint, lines))


def of_waiting_asked(ticket: Ticket, rules: Rules) -> Words:
    """Somebody said by telephone that it has to wait: what for, and until when?"""
    complaint = ticket.complaint
    what = _what(complaint, rules)
    lines = ["Anda menerima tugas ini lewat telepon dan menyatakan perlu menunggu.", f"{what}."]
    lines.append("Isi tanggapan, alasan menunggu, bukti dan tanggal perkiraan lewat tautan.")
    return Words(f"Perlu menunggu: {what}", _joined(complaint, lines))


def of_chase(ticket: Ticket, now: datetime, rules: Rules) -> Words:
    """The head of the agency, or the desk, asks how it stands."""
    complaint = ticket.complaint
    what = _what(complaint, rules)
    answered = ticket.times.answered_at is not None
    lines = ["Anda ditanya: bagaimana perkembangannya?", f"{what}.", *_where(complaint)]
    if answered:
        lines.append("Kerjakan dan kirim laporan penanganannya.")
    else:
        left = ticket.due_at - now
        late = left <= timedelta(0)
        lines.append("Batas waktunya terlewati." if late else f"Sisa waktu {span(left)}.")
    return Words(f"Ditagih: {what}", _joined(complaint, lines))


def of_pin(ticket: Ticket, rules: Rules) -> Words:
    """A PIN was chosen with this person's link."""
    lines = [
        "PIN Anda untuk menutup tiket baru saja dibuat.",
        "Bila bukan Anda, telepon call center.",
    ]
    return Words(
        "PIN baru dibuat", _joined(ticket.complaint, [*lines, f"{_what(ticket.complaint, rules)}."])
    )


def of_wake(ticket: Ticket, rules: Rules) -> Words:
    """The expected day of a waiting ticket has come."""
    complaint = ticket.complaint
    what = _what(complaint, rules)
    lines = ["Masa tunggu berakhir: pekerjaan dilanjutkan.", f"{what}.", *_where(complaint)]
    return Words(f"Masa tunggu berakhir: {what}", _joined(complaint, lines))


def of_clock(jumped: timedelta) -> Words:
    """The machine's time has jumped, and what follows from it."""
    way = "maju" if jumped > timedelta(0) else "mundur"
    lines = [
        f"Jam server melompat {way} {span(abs(jumped))}.",
        "Pengingat dan eskalasi otomatis ditahan, supaya tidak ada instansi yang dianggap "
        "terlambat karena jam yang salah.",
        "Betulkan jam server. Kalau jamnya sekarang benar, jalankan: aduan24 time trust",
    ]
    return Words("Jam server diragukan", "\n".join(lines))


def of_clock_trusted() -> Words:
    """The time is right again."""
    return Words("Jam server benar", "Pengingat dan eskalasi otomatis berjalan lagi.")


_WAITS_FOR = {
    WaitingReason.PROCUREMENT: "pengadaan",
    WaitingReason.MATERIAL: "material",
    WaitingReason.BUDGET: "anggaran",
    WaitingReason.EQUIPMENT: "alat",
}


def of_waiting(ticket: Ticket, rules: Rules, number: str = "") -> Words:
    """To the citizen: the work waits, for what, and until when. Anybody may read it.

    `number`: whose complaint it is for whoever reported the same; else the ticket's.
    """
    reason, until = ticket.waiting_reason, ticket.waiting_until
    waits_for = _WAITS_FOR[reason] if reason else "persiapan"
    lines = [
        f"{rules.programme_name}: aduan {format_number(number or ticket.complaint.public_number)}.",
        f"Pekerjaan menunggu {waits_for}.",
    ]
    if until is not None:
        lines.append(f"Perkiraan dilanjutkan: {until.astimezone(rules.zone):%d-%m-%Y}.")
    lines.append(f"Tanya perkembangannya: telepon {rules.phone}, tekan 2.")
    return Words("Pekerjaan menunggu", "\n".join(lines))


def of_merged(number: str, rules: Rules) -> Words:
    """To a citizen: others reported the same, and all of them will hear of it."""
    lines = [
        f"{rules.programme_name}: aduan {format_number(number)}.",
        "Hal yang sama sudah dilaporkan dan ditangani bersama-sama.",
        "Nomor Anda tetap berlaku, dan hasilnya dikabarkan kepada Anda.",
        f"Tanya perkembangannya: telepon {rules.phone}, tekan 2.",
    ]
    return Words("Aduan ditangani bersama", "\n".join(lines))


def of_outcome(number: str, outcome: Outcome | None, rules: Rules) -> Words:
    """To a citizen whose report is handled with another's: that one is closed."""
    how = {
        Outcome.SOLVED: "Sudah ditangani dan dinyatakan selesai.",
        Outcome.UNCONFIRMED: "Sudah ditangani.",
    }
    lines = [
        f"{rules.programme_name}: aduan {format_number(number)}.",
        how.get(outcome or Outcome.UNCONFIRMED, "Sudah ditangani."),
        f"Bila menurut Anda belum selesai, telepon {rules.phone}.",
    ]
    return Words("Hasil aduan", "\n".join(lines))


def of_ping_pong(ticket: Ticket, rules: Rules) -> Words:
    """A complaint that agencies send to and fro."""
    complaint = ticket.complaint
    what = _what(complaint, rules)
    names = ", ".join(t.agency.name for t in complaint.tickets if t.returned_at)
    lines = [
        f"Aduan ini sudah {sum(t.returned_at is not None for t in complaint.tickets)} kali "
        f"dikembalikan: {names}.",
        "Tetapkan instansi yang berwenang.",
        f"{what}.",
        *_where(complaint),
        f"Alasan terakhir: {discreet(ticket.return_reason, complaint)}",
    ]
    return Words(f"Aduan bolak-balik: {what}", _joined(complaint, lines))


def _title(step: Step, ticket: Ticket) -> str:
    if step.missed:
        return "TERLAMBAT"
    if step.after == timedelta(0):
        return "DARURAT" if ticket.urgency is Urgency.EMERGENCY else "Tiket baru"
    return {
        Until.ACCEPTED: "Belum diterima",
        Until.RESPONDED: "Pengingat",
        Until.HANDLED: "Belum ditangani",
        Until.REPORTED: "Laporan belum ada",
        Until.NEVER: "Pemberitahuan",
    }[step.until]


def _opening(step: Step, ticket: Ticket, now: datetime) -> str:
    agency = ticket.agency.name
    late = f"{agency} belum menanggapi dan jangka waktunya terlewati."
    if step.missed and ticket.times.answered_at:
        return f"{agency} menanggapi setelah jangka waktunya terlewati."
    if step.missed:
        return late
    if step.after == timedelta(0):
        return f"Tiket baru untuk {agency}."
    left = f"{agency} belum menanggapi. Sisa waktu {span(ticket.due_at - now)}."
    return {
        Until.ACCEPTED: f"Tiket untuk {agency} belum diterima oleh siapa pun.",
        # Never the words of the step at the end: what was sent is looked up by its text.
        Until.RESPONDED: left if now < ticket.due_at else f"Pengingat: {late}",
        Until.HANDLED: f"{agency} sudah menanggapi, tetapi belum menangani. Selesaikan dan kirim "
        "laporan penanganan, atau catat apa yang ditunggu.",
        Until.REPORTED: f"{agency} sudah menangani, tetapi laporan penanganan belum sampai "
        "ke pimpinan.",
        Until.NEVER: f"Pemberitahuan tentang tiket {agency}.",
    }[step.until]


def _until(step: Step, ticket: Ticket, now: datetime, rules: Rules) -> str:
    if step.until in (Until.HANDLED, Until.REPORTED):
        return ""  # the answer was given
    due = local(ticket.due_at, rules)
    return f"Jawab sebelum {due}." if now < ticket.due_at else f"Batas waktunya {due}."


def _what(complaint: Complaint, rules: Rules) -> str:
    category = rules.category(complaint.category_key)
    place = village(complaint.village_code or "")
    name = category.name if category else "Aduan"
    return f"{name}, {place.name}" if place else name


def place_of(complaint: Complaint) -> str:
    """`Kawan, Kec. Bangli`; empty without a village."""
    place = village(complaint.village_code or "")
    return f"{place.name}, Kec. {place.district}" if place else ""


def _where(complaint: Complaint) -> list[str]:
    place = place_of(complaint)
    lines = [f"Tempat: {place}"] if place else []
    if complaint.place_note:
        lines.append(f"Patokan: {discreet(complaint.place_note, complaint)}")
    if complaint.position is not None:
        lines.append(f"Koordinat: {complaint.position}")
    return lines


def _joined(complaint: Complaint, lines: list[str]) -> str:
    lines = [*lines, f"Nomor aduan {format_number(complaint.public_number)}"]
    return "\n".join(line for line in lines if line.strip())


def excerpt(text: str, complaint: Complaint) -> str:
    """The beginning of a text, on one line, without the reporter."""
    flat = " ".join(discreet(text, complaint).split())
    return flat if len(flat) <= _EXCERPT else flat[:_EXCERPT].rsplit(" ", 1)[0] + " …"


def discreet(text: str, complaint: Complaint) -> str:
    """The text without telephone numbers and without the reporter's name."""
    if sum(map(str.isdigit, text)) >= _FEWEST:
        text = _without_numbers(text)
    name = complaint.reporter_name.split()
    if sum(map(len, name)) < 3:  # an initial would take letters out of other words
        return text
    spelled = r"\s+".join(map(re.escape, name))
    return re.sub(rf"(?<!\w){spelled}(?!\w)", "pelapor", text, flags=re.IGNORECASE)


def _without_numbers(text: str) -> str:
    numbers = {m.raw_string for m in PhoneNumberMatcher(text, "ID", leniency=Leniency.VALID)}
    for number in sorted(numbers, key=len, reverse=True):
        text = text.replace(number, "•••")
    return _MOBILE.sub("•••", text)


def local(moment: datetime, rules: Rules) -> str:
    """A moment as the programme's zone shows it: `03-03-2026 10.00 WITA`."""
    return f"{moment.astimezone(rules.zone):%d-%m-%Y %H.%M} WITA"


def span(left: timedelta) -> str:
    """`3 jam 12 menit`; nothing is shorter than no minutes."""
    minutes = max(0, int(left.total_seconds() // 60))
    return f"{minutes // 60} jam {minutes % 60} menit" if minutes >= 60 else f"{minutes} menit"


def clock_face(seconds: float) -> str:
    """`1.07`: minutes and seconds of a recording."""
    return f"{int(seconds) // 60}.{int(seconds) % 60:02d}"
