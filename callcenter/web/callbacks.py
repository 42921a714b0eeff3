"""Who is to be called back: the list, the number of one, and what came of the call."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.domain.call_back import Outcome
from callcenter.services import callbacks as service
from callcenter.services import out_calls, presences
from callcenter.services.errors import NotFound, Refused
from callcenter.store import queries
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, stop_reading, wiring, writing
from callcenter.web.inbox import before, fragment, seen

door = Blueprint("callbacks", __name__)


@door.get("/call-backs")
@needs("call_back")
def index() -> str:
    """Open ones, who asked first; or those that have come to an end."""
    tab = "done" if request.args.get("tab") == "done" else "open"
    db = reading()
    return fragment(
        "call_backs.html",
        "call_backs_list.html",
        tab=tab,
        rows=queries.call_backs(db, open_only=tab == "open", before=before()),
        counts=queries.call_back_counts(db),
        forbidden=_forbidden(),
        size=queries.PAGE,
    )


@door.get("/call-backs/<int:call_back_id>")
@needs("call_back")
def entry(call_back_id: int) -> str:
    """One person: the whole number, which is written down, and every try."""
    page = _page(call_back_id)
    seen(f"call_back:{call_back_id}", "call_back_seen")
    return page


@door.post("/call-backs/<int:call_back_id>/called")
@needs("call_back")
def called(call_back_id: int) -> Response | tuple[str, int]:
    """The operator has called, and says what came of it."""
    outcome = request.form.get("outcome", "")
    if outcome not in set(Outcome):
        return _page(call_back_id, _("Pilih hasil teleponnya.")), 400
    try:
        with writing() as db:
            service.called(
                db,
                call_back_id,
                Outcome(outcome),
                actor=me().username,
                now=now(),
                forbidden=wiring().config.no_call_backs,
            )
    except Refused as error:
        stop_reading()
        return _page(call_back_id, _(error.message)), 409
    flash(_("Tercatat."), "ok")
    return redirect(url_for("callbacks.index"))


@door.post("/call-backs/<int:call_back_id>/call")
@needs("call_back")
def call(call_back_id: int) -> Response | tuple[str, int]:
    """One click: the operator's telephone rings, then the citizen's."""
    config = wiring().config
    if config.line.calls_out is None:
        abort(404)
    own = me().username
    try:
        with writing() as db:
            out_calls.call_back_now(
                db,
                call_back_id,
                operator=_telephone(db),
                actor=own,
                now=now(),
                forbidden=config.no_call_backs,
                never=config.line.calls_out.never,
            )
    except NotFound:
        abort(404)
    except Refused as error:
        stop_reading()
        return _page(call_back_id, _(error.message)), 409
    flash(_("Telepon Anda sebentar lagi berdering."), "ok")
    return redirect(url_for("callbacks.entry", call_back_id=call_back_id))


def _telephone(db: Session) -> str:
    """Where the operator sits; else the telephone of the same name; else whoever is free."""
    presence = presences.of(db, me().id)
    if presence is not None and presence.extension:
        return presence.extension
    known = {operator.user for operator in wiring().config.line.operators}
    return me().username if me().username in known else ""


def _page(call_back_id: int, problem: str = "") -> str:
    found = queries.call_back(reading(), call_back_id)
    if found is None:
        abort(404)
    return render_template(
        "call_back.html",
        b=found,
        outcomes=list(Outcome),
        errors={"outcome": problem} if problem else {},
        forbidden=_forbidden(),
        dials=wiring().config.line.calls_out is not None,
    )


def _forbidden() -> bool:
    """Whether citizens are not to be called at this hour."""
    return wiring().config.no_call_backs.covers(now())
