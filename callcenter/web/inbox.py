"""What came in: the inbox and the calls."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.domain import emergency_words
from callcenter.services import audit, call_counts
from callcenter.store import desk_queries, queries
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint
from callcenter.web.access import SIGNED_IN, needs
from callcenter.web.context import address, me, now, reading, wiring, writing

door = Blueprint("inbox", __name__)


@door.app_context_processor
def _helpers() -> dict[str, object]:
    return {"waiting_badge": badge}


def fragment(page: str, part: str, **values: object) -> str:
    """The whole page, or only its list when the list refreshes itself."""
    return render_template(part if "HX-Request" in request.headers else page, part=part, **values)


def before() -> int | None:
    """The keyset cursor `?before=`; nonsense is the first page."""
    return request.args.get("before", type=int)


@door.get("/")
@needs(SIGNED_IN)
def home() -> str | Response:
    """The inbox for those who work the desk; the tickets for everybody else."""
    if not me().may("work_desk"):
        return redirect(url_for("tickets.index"))
    tab = request.args.get("tab", "new")
    if tab not in (*queries.INBOX_TABS, "messages", "silent"):
        tab = "new"
    db = reading()
    silent = queries.calls(db, silent=True, before=before()) if tab == "silent" else []
    rows = queries.inbox(db, tab) if tab in queries.INBOX_TABS else []
    counts = queries.inbox_counts(db)
    since = now() - wiring().rules.claim_lasts
    return fragment(
        "inbox.html",
        "inbox_list.html",
        tab=tab,
        rows=rows,
        silent=silent,
        counts=counts,
        owners=desk_queries.owners(db, [row.id for row in rows], since),
        messages=_messages(db) if tab == "messages" else [],
    )


def _messages(db: Session) -> list[tuple[InboundMessage, list[str], Complaint | None]]:
    """Waiting messages with the emergency words in them and the sender's latest complaint.

    What sounds like an emergency is on top, then the oldest.
    """
    words = wiring().config.desk.emergency_words
    rows = desk_queries.messages(db)
    latest = desk_queries.latest_of(db, {row.sender for row in rows if row.sender})
    found = [(row, emergency_words.found(row.body, words), latest.get(row.sender)) for row in rows]
    return sorted(found, key=lambda each: not each[1])


@door.get("/inbox/waiting")
@needs("work_desk")
def waiting() -> str:
    """The badge alone: an open page asks for it again when something has changed."""
    return render_template("waiting_badge.html")


def badge() -> desk_queries.Waiting | None:
    """How much waits, for who works at the desk; None while the database is away."""
    if not (current_user.is_authenticated and me().may("work_desk")):
        return None
    try:
        return desk_queries.waiting(reading())
    except SQLAlchemyError:
        return None


@door.get("/calls")
@needs("see_calls")
def calls() -> str:
    """Every call, newest first."""
    db = reading()
    rows = queries.calls(db, before=before())
    return fragment(
        "calls.html",
        "calls_list.html",
        rows=rows,
        size=queries.PAGE,
        counts=call_counts.latest(db),
    )


@door.get("/calls/<int:call_id>")
@needs("see_calls")
def call(call_id: int) -> str:
    """One call: its recordings and the way it took."""
    found = queries.call(reading(), call_id)
    if found is None:
        abort(404)
    page = render_template("call.html", call=found)
    seen(f"call:{call_id}", "call_seen")
    return page


def seen(thing: str, action: str) -> None:
    """Write down that a person looked at a citizen's data (UU 27/2022)."""
    if request.method != "GET" or "HX-Request" in request.headers:
        return
    with writing() as db:
        audit.record(
            db, actor=me().username, action=action, thing=thing, now=now(), address=address()
        )
