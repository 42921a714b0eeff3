"""Two complaints about one thing: merged, or one follows the other; and taking that back.

Merged, a complaint has no work of its own: its lead's tickets are its tickets, its number stays
valid, and its reporter hears what the lead's reporter hears. Taken back it is what it was before.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from callcenter.domain.complaint import ENDED, ComplaintState
from callcenter.services import audit, followers, history, notices, wording
from callcenter.services.desk import clean
from callcenter.services.errors import Refused
from callcenter.services.followers import FOLLOWS, MERGED
from callcenter.services.holding import hold
from callcenter.services.rules import Rules
from callcenter.store.assist_models import ComplaintLink
from callcenter.store.models import Complaint
from ivr.numbers import format_number


def merge(
    session: Session,
    complaint_id: int,
    *,
    lead_id: int,
    why: str,
    actor: str,
    now: datetime,
    rules: Rules,
) -> ComplaintLink:
    """The complaint goes on as its lead; only before it was sent to an agency itself."""
    complaint, lead = _both(session, complaint_id, lead_id)
    before = complaint.state
    reason = _checked(session, complaint, lead, why)
    told = f"{format_number(lead.public_number)}: {reason}"
    history.advance_complaint(session, complaint, "merge", actor=actor, now=now, why=told)
    link = _linked(
        session, complaint, lead, kind=MERGED, why=reason, before=before, actor=actor, now=now
    )
    words = wording.of_merged(complaint.public_number, rules)
    what = f"merged:{link.id}"
    notices.tell_reporter(session, complaint, words, what=what, now=now, rules=rules)
    return link


def follow(
    session: Session, complaint_id: int, *, lead_id: int, why: str, actor: str, now: datetime
) -> ComplaintLink:
    """The complaint keeps its own work, and its reporter hears of the lead's outcome as well."""
    complaint, lead = _both(session, complaint_id, lead_id)
    if complaint.state in ENDED:
        raise Refused("state", "Langkah ini tidak berlaku untuk keadaan aduan saat ini.")
    reason = _checked(session, complaint, lead, why)
    told = f"{format_number(lead.public_number)}: {reason}"
    history.note(session, complaint.id, "follow", actor=actor, now=now, why=told)
    return _linked(
        session,
        complaint,
        lead,
        kind=FOLLOWS,
        why=reason,
        before=complaint.state,
        actor=actor,
        now=now,
    )


def part(
    session: Session, complaint_id: int, *, link_id: int, why: str, actor: str, now: datetime
) -> Complaint:
    """Take it back: the complaint is in the state in which it was merged, and known for itself."""
    complaint = hold(session, complaint_id)
    link = followers.standing(session, complaint_id)
    if link is None or link.id != link_id:
        raise Refused("state", "Gabungan ini sudah dipisahkan.")
    reason = clean(why, 300, "why")
    if not reason:
        raise Refused("why", "Tuliskan alasannya.")
    link.open_for, link.ended_by, link.ended_at, link.ended_why = None, actor, now, reason
    told = f"{format_number(link.lead.public_number)}: {reason}"
    change = ("", "")
    if link.kind == MERGED:
        change = (complaint.state.value, link.state_before.value)
        complaint.state = link.state_before
    history.note(session, complaint.id, "part", actor=actor, now=now, change=change, why=told)
    thing = f"complaint:{complaint.id}"
    detail = {"lead": link.lead_id, "kind": link.kind}
    audit.record(
        session, actor=actor, action="complaint_parted", thing=thing, now=now, detail=detail
    )
    return complaint


def _both(session: Session, complaint_id: int, lead_id: int) -> tuple[Complaint, Complaint]:
    """Both held, always in the same order: two who merge crosswise do not wait for each other."""
    if complaint_id == lead_id:
        raise Refused("lead_id", "Aduan tidak bisa digabung dengan dirinya sendiri.")
    held = {number: hold(session, number) for number in sorted((complaint_id, lead_id))}
    return held[complaint_id], held[lead_id]


def _checked(session: Session, complaint: Complaint, lead: Complaint, why: str) -> str:
    reason = clean(why, 250, "why")
    if not reason:
        raise Refused("why", "Tuliskan alasannya.")
    if followers.standing(session, complaint.id):
        raise Refused("state", "Aduan ini sudah digabung atau mengikuti aduan lain.")
    if followers.standing(session, lead.id):
        raise Refused("lead_id", "Aduan tujuan sendiri digabung; pilih aduan utamanya.")
    if followers.of(session, complaint.id):
        raise Refused("state", "Aduan lain digabung ke aduan ini; gabungkan sebaliknya.")
    if lead.state in ENDED:
        raise Refused("lead_id", "Aduan tujuan sudah selesai; teruskan aduan ini sendiri.")
    return reason


def _linked(
    session: Session,
    complaint: Complaint,
    lead: Complaint,
    *,
    kind: str,
    why: str,
    before: ComplaintState,
    actor: str,
    now: datetime,
) -> ComplaintLink:
    link = ComplaintLink(
        complaint=complaint,
        lead=lead,
        open_for=complaint.id,
        kind=kind,
        why=why,
        state_before=before,
        made_by=actor,
        made_at=now,
    )
    session.add(link)
    session.flush()
    told = f"{format_number(complaint.public_number)}: {why}"
    history.note(session, lead.id, "joined", actor=actor, now=now, why=told)
    action = f"complaint_{kind}"
    thing, detail = f"complaint:{complaint.id}", {"lead": lead.id}
    audit.record(session, actor=actor, action=action, thing=thing, now=now, detail=detail)
    return link
