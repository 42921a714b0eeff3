"""Taking out of a complaint who it is about: name and number; what was complained of stays.

Needs a reason and the right of a supervisor; what is gone is gone, so that nothing is left in
drafts or beside them either.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.services import audit, history, speech_drafts
from callcenter.services.desk import clean
from callcenter.services.errors import Refused
from callcenter.services.holding import hold
from callcenter.store.desk_models import DeskDraft
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint

_LONGEST = 300
_PERSONAL = ("reporter_name", "reporter_phone")


def forget_person(
    session: Session, complaint_id: int, *, why: str, actor: str, now: datetime
) -> Complaint:
    """Remove the reporter's name and telephone from the complaint, its call and its messages.

    Texts that people typed freely are theirs to correct; recordings stay until their time ends,
    and with them the exchange's record of the call (`kept`, `exchange_log`).
    """
    complaint = hold(session, complaint_id)
    reason = clean(why, _LONGEST, "forget_why")
    if not reason:
        raise Refused("forget_why", "Tuliskan alasannya.")
    complaint.reporter_name, complaint.reporter_phone = "", None
    if complaint.call is not None:
        complaint.call.caller, complaint.call.caller_raw = None, ""
    for draft in session.scalars(select(DeskDraft).where(DeskDraft.complaint_id == complaint.id)):
        draft.fields = {k: "" if k in _PERSONAL else v for k, v in draft.fields.items()}
    speech_drafts.forget(session, complaint)
    messages = select(InboundMessage).where(InboundMessage.complaint_id == complaint.id)
    for message in session.scalars(messages):
        message.sender = ""
    history.note(session, complaint.id, "forget_person", actor=actor, now=now, why=reason)
    thing, detail = f"complaint:{complaint.id}", {"why": reason}
    audit.record(
        session, actor=actor, action="person_forgotten", thing=thing, now=now, detail=detail
    )
    session.flush()
    return complaint
