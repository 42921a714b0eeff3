"""The counter: what is taken down by hand, and what citizens wrote in messages."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.services import counter as service
from callcenter.services.errors import Conflict, Refused
from callcenter.services.receipts import ReceiptRules
from callcenter.store.models import Complaint
from callcenter.web.access import needs
from callcenter.web.context import me, now, wiring, writing
from callcenter.web.screen import from_local, to_local
from ivr.numbers import format_number

door = Blueprint("counter", __name__)

_BY_HAND = ("walk_in", "letter", "facebook")


@door.get("/complaints/new")
@needs("work_desk")
def blank() -> str:
    """The form for who stands at the counter, for a letter, for a comment."""
    return _page({"came_at": to_local(now()), "source": "walk_in"}, {})


@door.post("/complaints/new")
@needs("work_desk")
def take_down() -> Response | tuple[str, int]:
    """File it, and go on at the desk; its number and PIN are for the person who came."""
    form = request.form
    try:
        came_at = from_local(form.get("came_at", ""))
        if came_at is None:
            raise Refused("came_at", _("Isi waktu aduan diterima, paling lama setahun yang lalu."))
        with writing() as db:
            complaint = service.take_down(
                db,
                source=form.get("source", ""),
                text=form.get("text", ""),
                came_at=came_at,
                reference=form.get("reference", ""),
                actor=me().username,
                now=now(),
                reporter=service.Reporter(
                    form.get("reporter_name", ""), form.get("reporter_phone", "")
                ),
                receipts=_receipts(),
            )
    except Refused as error:
        return _page(dict(form), {error.field: _(error.message)}), 400
    return _to_desk(complaint)


def _page(form: dict[str, str], errors: dict[str, str]) -> str:
    return render_template("counter.html", form=form, errors=errors, sources=_BY_HAND)


@door.post("/inbox/messages/<int:message_id>/complaint")
@needs("work_desk")
def from_message(message_id: int) -> Response:
    """The message becomes a complaint of its own."""
    return _do(
        lambda db: service.from_message(
            db, message_id, actor=me().username, now=now(), receipts=_receipts()
        ),
        None,
    )


def _receipts() -> ReceiptRules | None:
    """What a receipt says; None where citizens get none."""
    return wiring().receipt_rules if wiring().config.notices.receipts else None


@door.post("/inbox/messages/<int:message_id>/join")
@needs("work_desk")
def join(message_id: int) -> Response:
    """The message belongs to a complaint that there is."""
    number = request.form.get("number", "")
    return _do(
        lambda db: service.join(db, message_id, number, actor=me().username, now=now()),
        _("Pesan digabungkan ke aduan ini."),
    )


@door.post("/inbox/messages/<int:message_id>/aside")
@needs("work_desk")
def put_aside(message_id: int) -> Response:
    """The message is no complaint."""
    why = request.form.get("why", "")
    return _do(
        lambda db: service.put_aside(db, message_id, why=why, actor=me().username, now=now()),
        _("Pesan disisihkan dengan alasannya."),
    )


def _do(verb: Callable[[Session], Complaint | None], words: str | None) -> Response:
    try:
        with writing() as db:
            complaint = verb(db)
    except (Refused, Conflict) as error:
        flash(_(error.message), "bad")
        return redirect(url_for("inbox.home", tab="messages"))
    if words is None and complaint is not None:
        return _to_desk(complaint)
    flash(words or "", "ok")
    if complaint is None:
        return redirect(url_for("inbox.home", tab="messages"))
    return redirect(url_for("desk.complaint", complaint_id=complaint.id))


def _to_desk(complaint: Complaint) -> Response:
    number = complaint.public_number
    flash(
        _(
            "Aduan tercatat. Untuk pelapor: nomor %(number)s, PIN %(pin)s.",
            number=format_number(number),
            pin=wiring().pin_of(number),
        ),
        "ok",
    )
    return redirect(url_for("desk.complaint", complaint_id=complaint.id))
