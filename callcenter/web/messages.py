"""The outbox on screen: who was told what, by which way, and whether it arrived."""

from __future__ import annotations

from flask import Blueprint, request

from callcenter.store import queries
from callcenter.store.models import Notice
from callcenter.web.access import needs
from callcenter.web.context import reading, wiring
from callcenter.web.inbox import before, fragment, seen

door = Blueprint("messages", __name__)

_STATES = ("queued", "sending", "sent", "delivered", "dead")


@door.get("/messages")
@needs("see_messages")
def index() -> str:
    """Notices, newest first. Only an exercise shows the officers' links: they are keys."""
    state = request.args.get("state", "")
    state = state if state in _STATES else ""
    rows = queries.messages(reading(), state=state or None, before=before())
    page = fragment(
        "messages.html",
        "messages_list.html",
        rows=rows,
        state=state,
        states=_STATES,
        link_of=link_of,
        size=queries.PAGE,
    )
    seen("messages", "messages_seen")
    return page


def link_of(notice: Notice) -> str | None:
    """The officer's page that the notice opens; None outside the sample set-up."""
    if not wiring().config.sample or notice.link_id is None:
        return None
    return f"/p/{wiring().links.token(notice.link_id)}"
