"""One complaint: found, or held until the end of the transaction."""

from __future__ import annotations

from sqlalchemy.orm import Session

from callcenter.services.errors import NotFound
from callcenter.store.models import Complaint


def find(session: Session, complaint_id: int) -> Complaint:
    """The complaint; NotFound when there is none."""
    complaint = session.get(Complaint, complaint_id)
    if complaint is None:
        raise NotFound("Aduan ini tidak ada.")
    return complaint


def hold(session: Session, complaint_id: int) -> Complaint:
    """The complaint, locked until the end of the transaction; NotFound when there is none.

    Whoever changes a complaint or one of its tickets holds the complaint first. Rows that only
    refer to it (history, notices) may still be written meanwhile, so nobody waits in a circle.
    """
    complaint = session.get(Complaint, complaint_id, with_for_update={"key_share": True})
    if complaint is None:
        raise NotFound("Aduan ini tidak ada.")
    return complaint
