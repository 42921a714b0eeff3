"""What is typed at the desk is kept while it is typed; who has a complaint on the desk.

Asked by the desk's script. Answers are JSON; a refusal says who was first.
"""

from __future__ import annotations

from flask import Blueprint, Response, flash, jsonify, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as Answer

from callcenter.services import claims, drafts
from callcenter.services.drafts import Hand, Written
from callcenter.services.errors import Conflict
from callcenter.web.access import needs
from callcenter.web.context import me, now, wiring, writing
from callcenter.web.screen import wita_clock

door = Blueprint("typing", __name__)


@door.post("/complaints/<int:complaint_id>/draft")
@needs("work_desk")
def draft(complaint_id: int) -> tuple[Response, int]:
    """Keep the text: 200 with its version, or 409 with who was first; then it is kept beside."""
    with writing() as db:
        written = drafts.keep(
            db,
            complaint_id,
            request.form,
            version=max(0, request.form.get("draft", 0, type=int)),
            hand=hand(),
            lasts=wiring().rules.claim_lasts,
            instead=request.form.get("instead") == "1",
        )
    return jsonify(_told(written)), 200 if written.won else 409


def hand() -> Hand:
    """Who types, in the tab that the page says."""
    tab = request.form.get("tab", "")
    return Hand(me().username, tab if tab.isalnum() else "-", now())


def _told(written: Written) -> dict[str, object]:
    return {
        "version": written.version,
        "by": written.by.actor,
        "tab": written.by.tab,
        "at": wita_clock(written.by.at),
        "mine": written.by.actor == me().username,
    }


@door.post("/complaints/<int:complaint_id>/claim")
@needs("work_desk")
def claim(complaint_id: int) -> tuple[Response, int]:
    """A sign of work: 200 while the complaint is still this operator's, else 409 with whose."""
    with writing() as db:
        found = claims.take(
            db, complaint_id, actor=me().username, now=now(), lasts=wiring().rules.claim_lasts
        )
        by, at = (found.by, found.taken_at) if found else (me().username, now())
    mine = by == me().username
    return jsonify({"by": by, "at": wita_clock(at), "mine": mine}), 200 if mine else 409


@door.post("/complaints/<int:complaint_id>/take-over")
@needs("work_desk")
def take_over(complaint_id: int) -> Answer:
    """Take it from who has it."""
    try:
        with writing() as db:
            claims.take_over(db, complaint_id, actor=me().username, now=now())
        flash(_("Aduan ini sekarang di meja Anda."), "ok")
    except Conflict as error:
        flash(_(error.message), "bad")
    return redirect(url_for("desk.complaint", complaint_id=complaint_id))


@door.post("/complaints/<int:complaint_id>/let-go")
@needs("work_desk")
def let_go(complaint_id: int) -> Answer:
    """Put it back into the inbox; what was typed stays with it."""
    with writing() as db:
        claims.let_go(db, complaint_id, actor=me().username, now=now())
    return redirect(url_for("inbox.home"))
