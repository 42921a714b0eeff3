"""Complaints about one thing: who follows which, and telling all of them what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, object_session

from callcenter.domain.complaint import ComplaintState
from callcenter.services import notices
from callcenter.services.rules import Rules
from callcenter.services.wording import Words
from callcenter.store.assist_models import ComplaintLink
from callcenter.store.models import Complaint

MERGED, FOLLOWS = "merged", "follows"


def of(session: Session, lead_id: int) -> Sequence[ComplaintLink]:
    """The standing links to this lead, with their complaints, the oldest first."""
    return session.scalars(
        select(ComplaintLink)
        .where(ComplaintLink.lead_id == lead_id, ComplaintLink.open_for.is_not(None))
        .options(joinedload(ComplaintLink.complaint))
        .order_by(ComplaintLink.id)
    ).all()


def standing(session: Session, complaint_id: int) -> ComplaintLink | None:
    """The standing link of this complaint to its lead, or None."""
    found = select(ComplaintLink).where(ComplaintLink.open_for == complaint_id)
    return session.scalars(found.options(joinedload(ComplaintLink.lead))).one_or_none()


def lead_of(complaint: Complaint) -> Complaint | None:
    """The lead of a merged complaint; None for every other one."""
    session = object_session(complaint)
    if complaint.state is not ComplaintState.MERGED or session is None:
        return None
    link = standing(session, complaint.id)
    return link.lead if link else None


def tell(
    session: Session,
    lead_id: int,
    words: Callable[[str], Words],
    *,
    what: str,
    now: datetime,
    rules: Rules,
) -> None:
    """News of the lead to everybody who reported the same, by day; `words` of a public number."""
    for link in of(session, lead_id):
        told = words(link.complaint.public_number)
        key = f"{what}:of:{lead_id}"
        notices.tell_reporter(session, link.complaint, told, what=key, now=now, rules=rules)
