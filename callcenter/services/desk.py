"""The operator's desk: a recorded voice becomes a correct complaint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.domain.position import read
from callcenter.services import audit, claims, drafts, followers, history, phones
from callcenter.services.errors import Conflict, Refused
from callcenter.services.holding import find, hold
from callcenter.services.rules import Rules
from callcenter.store.models import Complaint
from callcenter.store.places import village

__all__ = ["DeskForm", "clean", "confirm_rejection", "find", "hold", "propose_rejection", "save"]

_WORKABLE = frozenset(
    {ComplaintState.RECEIVED, ComplaintState.TRANSCRIBED, ComplaintState.CATEGORISED}
)


@dataclass(frozen=True, slots=True)
class DeskForm:
    """What the operator typed; empty strings where nothing was typed yet."""

    transcript: str = ""
    category_key: str = ""
    village_code: str = ""
    place_note: str = ""
    urgency: str = Urgency.REPORT.value
    reporter_name: str = ""
    reporter_phone: str = ""
    position: str = ""


def save(
    session: Session,
    complaint_id: int,
    form: DeskForm,
    *,
    actor: str,
    now: datetime,
    rules: Rules,
    version: int | None = None,
    draft: int | None = None,
    tab: str = "",
) -> Complaint:
    """Keep what was typed and let the state follow: transcribed, then categorised.

    Conflict when `version` is no longer the stored one, when somebody typed after `draft` (the
    version of `services.drafts`), or while somebody else has it on the desk: nothing is
    overwritten.
    """
    complaint = hold(session, complaint_id)
    claims.check(session, complaint_id, actor=actor, now=now, lasts=rules.claim_lasts)
    if version is not None and complaint.version != version:
        raise Conflict("Aduan ini baru saja diubah orang lain. Muat ulang, lalu simpan lagi.")
    _apply(complaint, form, rules)
    if draft is not None:
        hand = drafts.Hand(actor, tab, now)
        drafts.settle(session, complaint_id, version=draft, hand=hand)
    if complaint.state in _WORKABLE:
        if complaint.transcript:
            _step(session, complaint, "transcribe", ComplaintState.RECEIVED, actor=actor, now=now)
        if complaint.category_key and complaint.village_code:
            _step(
                session, complaint, "categorise", ComplaintState.TRANSCRIBED, actor=actor, now=now
            )
    audit.record(
        session, actor=actor, action="complaint_saved", thing=f"complaint:{complaint.id}", now=now
    )
    session.flush()
    return complaint


def _step(
    session: Session,
    complaint: Complaint,
    verb: str,
    source: ComplaintState,
    *,
    actor: str,
    now: datetime,
) -> None:
    if complaint.state is source:
        history.advance_complaint(session, complaint, verb, actor=actor, now=now)


def _apply(complaint: Complaint, form: DeskForm, rules: Rules) -> None:
    if form.category_key and rules.category(form.category_key) is None:
        raise Refused("category_key", "Kategori ini tidak ada; pilih dari daftar.")
    if form.village_code and village(form.village_code) is None:
        raise Refused("village_code", "Desa ini tidak ada di Bangli; pilih dari daftar.")
    if form.reporter_phone and phones.normalise(form.reporter_phone) is None:
        raise Refused("reporter_phone", "Nomor telepon tidak dikenali; contoh 0812 3456 7890.")
    position = read(form.position)
    if form.position.strip() and position is None:
        raise Refused("position", "Koordinat tidak dikenali; contoh -8.45410, 115.35440.")
    if position is not None and not rules.bounds.hold(position):
        raise Refused("position", "Koordinat ini di luar wilayah; periksa lintang dan bujurnya.")
    if form.urgency not in set(Urgency):
        raise Refused("urgency", "Pilih laporan atau darurat.")
    complaint.transcript = clean(form.transcript, 20_000, "transcript")
    complaint.category_key = form.category_key or None
    complaint.village_code = form.village_code or None
    complaint.latitude = position.latitude if position else None
    complaint.longitude = position.longitude if position else None
    complaint.place_note = clean(form.place_note, 300, "place_note")
    complaint.urgency = Urgency(form.urgency)
    complaint.reporter_name = clean(form.reporter_name, 120, "reporter_name")
    complaint.reporter_phone = phones.normalise(form.reporter_phone)


def clean(text: str, longest: int, field: str) -> str:
    """What a person typed without characters that nobody sees; Refused when it is too long.

    Lines stay lines, every other blank (a tab, a pasted no-break space) becomes a space.
    """
    blanks = (" " if c.isspace() and c != "\n" else c for c in text.replace("\r\n", "\n"))
    kept = "".join(c for c in blanks if c.isprintable() or c == "\n").strip()
    if len(kept) > longest:
        raise Refused(field, f"Terlalu panjang: paling banyak {longest} tanda.")
    return kept


def propose_rejection(
    session: Session, complaint_id: int, *, reason: str, actor: str, now: datetime
) -> Complaint:
    """First half of *not actionable*: a reason; a second person has to confirm it."""
    complaint = hold(session, complaint_id)
    if complaint.state not in _WORKABLE:
        raise Refused("state", "Aduan yang sudah diteruskan tidak bisa ditolak.")
    reason = clean(reason, 300, "reason")
    if not reason:
        raise Refused("reason", "Tuliskan alasannya.")
    complaint.reject_reason, complaint.reject_proposed_by = reason, actor
    history.note(session, complaint.id, "propose_reject", actor=actor, now=now, why=reason)
    return complaint


def confirm_rejection(
    session: Session, complaint_id: int, *, actor: str, now: datetime
) -> Complaint:
    """Second half: somebody other than the proposer agrees. Nothing is deleted."""
    complaint = hold(session, complaint_id)
    if complaint.reject_proposed_by is None:
        raise Refused("state", "Belum ada usulan untuk menolak aduan ini.")
    if complaint.reject_proposed_by == actor:
        raise Refused("actor", "Orang kedua yang harus menyetujui penolakan.")
    if followers.of(session, complaint.id):
        raise Refused("state", "Aduan lain digabung ke aduan ini; pisahkan dulu.")
    why = complaint.reject_reason
    history.advance_complaint(session, complaint, "reject", actor=actor, now=now, why=why)
    complaint.returned_at = None
    claims.done(session, complaint_id, now=now)
    return complaint
