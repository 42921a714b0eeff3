"""Who sits at which telephone, who talks, who waits: for supervisors."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from callcenter.services import presences
from callcenter.store import operator_queries as queries
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, writing
from callcenter.web.telephone import line_is_known

door = Blueprint("operators", __name__)


@door.get("/operators")
@needs("see_operators")
def index() -> str:
    """Every operator, and every caller who waits or talks."""
    db = reading()
    known = line_is_known(db)
    rows = queries.open_calls(db) if known else ()
    part = "operators_list.html"
    return render_template(
        part if "HX-Request" in request.headers else "operators.html",
        part=part,
        known=known,
        people=queries.presences(db),
        talking={row.user_id: row for row in rows if row.answered_at and row.user_id},
        waiting=[row for row in rows if not row.answered_at],
        ringing={extension for row in rows for extension in row.ringing},
    )


@door.post("/operators/<int:user_id>/out")
@needs("see_operators")
def send_out(user_id: int) -> Response:
    """Somebody went home and left the telephone signed in."""
    with writing() as db:
        presences.leave(db, user_id, actor=me().username, now=now())
    flash(_("Operator sudah keluar dari antrean."), "ok")
    return redirect(url_for("operators.index"))
