"""The handling reports: whether each has reached and been read by the head of the agency."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from callcenter.services import chasing
from callcenter.services import reports as service
from callcenter.services.errors import Refused
from callcenter.store import queries
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, wiring, writing
from callcenter.web.inbox import before, fragment
from callcenter.web.tickets import ANY, own_agency, tabs, visible

door = Blueprint("reports", __name__)


@door.get("/reports")
@needs(*ANY)
def index() -> str:
    """Reports, newest first; `unread=1` leaves those out that were read."""
    own, asked = own_agency(), request.args.get("agency", "")
    agency = own if own is not None else (asked if wiring().config.agency(asked) else None)
    unread = request.args.get("unread") == "1"
    rows = queries.reports(reading(), agency_key=agency, unread=unread, before=before())
    return fragment(
        "reports.html",
        "reports_list.html",
        rows=rows,
        sent_to=queries.notices_of_reports(reading(), [row.ticket_id for row in rows]),
        unread=unread,
        own=own,
        agency_key=agency,
        agencies=wiring().config.agencies,
        size=queries.PAGE,
        **tabs("reports", agency),
    )


@door.post("/tickets/<int:ticket_id>/report/again")
@needs("send_reports_again")
def again(ticket_id: int) -> Response:
    """Send the report to the head once more."""
    visible(ticket_id)
    try:
        with writing() as db:
            service.send_again(db, ticket_id, actor=me().username, now=now(), rules=wiring().rules)
        flash(_("Laporan dikirim ulang ke pimpinan."), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("tickets.ticket", ticket_id=ticket_id))


@door.post("/tickets/<int:ticket_id>/chase")
@needs("chase")
def chase(ticket_id: int) -> Response:
    """Ask the officer how it stands."""
    visible(ticket_id)
    try:
        with writing() as db:
            told = chasing.chase(
                db, ticket_id, actor=me().username, now=now(), rules=wiring().rules
            )
            names = ", ".join(person.name for person in told)
        flash(_("Ditagih: %(who)s.", who=names), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("tickets.ticket", ticket_id=ticket_id))
