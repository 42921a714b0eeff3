"""Silent calls by telephone, and the flag that two people set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask import Blueprint, flash, redirect, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.services import silence as service
from callcenter.services.errors import Refused
from callcenter.store import queries
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, wiring, writing
from callcenter.web.inbox import fragment

door = Blueprint("silence", __name__)

_SHOWN = timedelta(days=30)


@door.get("/silent")
@needs("see_calls")
def index() -> str:
    """Telephones with silent calls, the latest first."""
    db = reading()
    return fragment(
        "silent.html",
        "silent_list.html",
        rows=queries.silent_callers(db, since=now() - _SHOWN),
        limited=service.limited_callers(db, now(), wiring().config.line.silent_calls),
        most=wiring().config.line.silent_calls,
    )


@door.post("/silent/<int:call_id>/prank")
@needs("flag_pranks")
def propose(call_id: int) -> Response:
    """The telephone of this call plays pranks, one person thinks."""
    return _do(
        lambda db: service.propose_prank(db, call_id, actor=me().username, now=now()),
        _("Ditandai. Orang kedua harus menyetujui."),
    )


@door.post("/silent/<int:call_id>/prank/confirm")
@needs("flag_pranks")
def confirm(call_id: int) -> Response:
    """The second person thinks so too."""
    return _do(
        lambda db: service.confirm_prank(db, call_id, actor=me().username, now=now()),
        _("Nomor ditandai iseng."),
    )


@door.post("/silent/<int:call_id>/prank/lift")
@needs("flag_pranks")
def lift(call_id: int) -> Response:
    """It does not play pranks, or no more."""
    return _do(
        lambda db: service.lift_prank(db, call_id, actor=me().username, now=now()),
        _("Tanda dicabut."),
    )


def _do(verb: Callable[[Session], object], words: str) -> Response:
    try:
        with writing() as db:
            verb(db)
        flash(words, "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("silence.index"))
