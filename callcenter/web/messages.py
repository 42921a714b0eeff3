"""The outbox on screen: who was told what, by which way, and whether it arrived."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from callcenter.services import notices
from callcenter.services.errors import Refused
from callcenter.store import queries
from callcenter.store.models import Notice
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, wiring, writing
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


@door.post("/messages/<int:notice_id>/resend")
@needs("resend_messages")
def resend(notice_id: int) -> Response:
    """Try a message that failed once more, over every way."""
    try:
        with writing() as db:
            notices.resend(db, notice_id, actor=me().username, now=now())
        flash(_("Pesan dikirim ulang."), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("messages.index"))


def link_of(notice: Notice) -> str | None:
    """The officer's page that the notice opens; None outside the sample set-up."""
    if not wiring().config.sample or notice.link_id is None:
        return None
    return f"/p/{wiring().links.token(notice.link_id)}"
