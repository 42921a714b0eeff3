"""The PINs of an agency's people: who has one, and taking a forgotten one away."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from callcenter.services import closing_pins
from callcenter.services.errors import NotFound
from callcenter.store import queries
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, writing
from callcenter.web.tickets import visible

door = Blueprint("people", __name__)


@door.post("/tickets/<int:ticket_id>/pins/<key>/forget")
@needs("forget_pins")
def forget(ticket_id: int, key: str) -> Response:
    """The person chooses a PIN anew at the next report."""
    agency_key = visible(ticket_id).agency_key
    if key not in {person.key for person in queries.with_pins(reading(), agency_key)}:
        raise NotFound("Orang ini tidak ada.")
    with writing() as db:
        closing_pins.forget(db, key, actor=me().username, now=now())
    flash(_("PIN dihapus; dibuat lagi saat laporan berikutnya."), "ok")
    return redirect(url_for("tickets.ticket", ticket_id=ticket_id))
