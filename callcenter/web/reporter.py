"""One person by their number: every complaint, call and message of theirs; the number is masked."""

from __future__ import annotations

from flask import Blueprint, render_template

from callcenter.services import desk
from callcenter.store import desk_queries
from callcenter.web.access import needs
from callcenter.web.context import reading
from callcenter.web.desk_page import phones_of
from callcenter.web.inbox import seen

door = Blueprint("reporter", __name__)


@door.get("/complaints/<int:complaint_id>/person")
@needs("work_desk")
def history(complaint_id: int) -> str:
    """What else this person brought, and how they were served; written down who looked."""
    db = reading()
    found = desk.find(db, complaint_id)
    phones = phones_of(found)
    page = render_template(
        "person.html",
        c=found,
        known_by=min(phones, default=None),
        past=desk_queries.past_of(db, phones, but=complaint_id),
        rows=desk_queries.earlier_of(db, phones, but=complaint_id, limit=desk_queries.PAST)[0],
    )
    seen(f"complaint:{complaint_id}", "person_history_seen")
    return page
