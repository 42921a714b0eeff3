"""The tickets: who must answer, how long they still have, and who is late."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from callcenter.domain.chasing import CHASEABLE
from callcenter.domain.ticket import WaitingReason, verbs_from
from callcenter.services import attachments, audit
from callcenter.services import tickets as service
from callcenter.services.errors import Refused
from callcenter.store import queries
from callcenter.store.models import Attachment, Ticket
from callcenter.web import files
from callcenter.web.access import needs
from callcenter.web.context import address, me, now, reading, wiring, writing
from callcenter.web.inbox import before, fragment, seen
from callcenter.web.recordings import play_file, reasons_of

door = Blueprint("tickets", __name__)

#: Who sees tickets at all; officers see those of their own agency.
ANY = ("see_all_tickets", "see_own_tickets")


def own_agency() -> str | None:
    """The only agency whose tickets this person may see; None for all of them."""
    if me().may("see_all_tickets"):
        return None
    return me().agency_key or ""


@door.get("/tickets")
@needs(*ANY)
def index() -> str:
    """Tickets by remaining time; an officer's own agency only, whatever is asked for."""
    tab = request.args.get("tab", "")
    tab = tab if tab in queries.TICKET_TABS else "unanswered"
    own = own_agency()
    asked = request.args.get("agency", "")
    agency = own if own is not None else (asked if wiring().config.agency(asked) else None)
    db = reading()
    return fragment(
        "tickets.html",
        "tickets_list.html",
        own=own,
        agency_key=agency,
        agencies=wiring().config.agencies,
        rows=queries.tickets(db, tab=tab, agency_key=agency, before=before()),
        size=queries.PAGE,
        **tabs(tab, agency),
    )


def tabs(tab: str, agency_key: str | None) -> dict[str, object]:
    """What the tabs above every list of tickets show."""
    db = reading()
    return {
        "tab": tab,
        "counts": queries.ticket_counts(db, agency_key),
        "waits": queries.waiting_count(db, agency_key),
        "late": queries.late_unanswered(db, now(), agency_key),
    }


def visible(ticket_id: int) -> Ticket:
    """The ticket, when this person may see it; else there is none."""
    found = queries.ticket(reading(), ticket_id, own_agency())
    if found is None:
        abort(404)
    return found


@door.get("/tickets/<int:ticket_id>")
@needs(*ANY)
def ticket(ticket_id: int) -> str:
    """One ticket with its window, ladder, answer and report."""
    page = show(ticket_id)
    seen(f"ticket:{ticket_id}", "ticket_seen")
    return page


@door.post("/tickets/<int:ticket_id>/accept")
@needs("accept_ticket")
def accept(ticket_id: int) -> AnyResponse:
    """The agency's own people accept at the console what they accept by link or by message."""
    visible(ticket_id)
    try:
        with writing() as db:
            service.accept(db, ticket_id, actor=me().username, now=now(), rules=wiring().rules)
        flash(_("Tiket diterima."), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("tickets.ticket", ticket_id=ticket_id))


def show(ticket_id: int, errors: dict[str, str] | None = None) -> str:
    """The ticket's page, with what was typed and refused; only its live part when it refreshes."""
    found = visible(ticket_id)
    part = "ticket_body.html" if "HX-Request" in request.headers else "ticket.html"
    verbs = verbs_from(found.state) if me().may("mark_waiting") else frozenset()
    return render_template(
        part,
        t=found,
        here=url_for("tickets.ticket", ticket_id=ticket_id),
        rows=queries.ticket_history(reading(), ticket_id),
        sent_to=queries.report_notices(reading(), ticket_id),
        can_accept=me().may("accept_ticket") and "accept" in verbs_from(found.state),
        pins=queries.with_pins(reading(), found.agency_key) if me().may("forget_pins") else [],
        can_chase=me().may("chase") and found.state in CHASEABLE,
        can_wait=bool(verbs & {"wait", "prolong"}),
        reasons=list(WaitingReason),
        said=reasons_of(found.complaint_id),
        reason_url=lambda r: url_for("recordings.play", recording_id=r.id),
        errors=errors or {},
        typed=request.form,
        photo_url=lambda p: url_for("tickets.photo", ticket_id=ticket_id, photo_id=p.id),
        voice_url=lambda v: url_for("tickets.voice", ticket_id=ticket_id, voice_id=v.id),
        evidence_url=lambda e: url_for("tickets.evidence", ticket_id=ticket_id, evidence_id=e.id),
        file_url=lambda f: url_for("files.of_ticket", ticket_id=ticket_id, file_id=f.id),
        paper_url=url_for("tickets.paper", ticket_id=ticket_id),
    )


@door.get("/tickets/<int:ticket_id>/photos/<int:photo_id>.jpg")
@needs(*ANY)
def photo(ticket_id: int, photo_id: int) -> Response:
    """A photo of the handling report."""
    visible(ticket_id)
    return send_photo(ticket_id, photo_id)


@door.get("/tickets/<int:ticket_id>/voices/<int:voice_id>")
@needs(*ANY)
def voice(ticket_id: int, voice_id: int) -> Response:
    """The report as the officer spoke it."""
    visible(ticket_id)
    return send_voice(ticket_id, voice_id, me().username)


@door.get("/tickets/<int:ticket_id>/evidence/<int:evidence_id>")
@needs(*ANY)
def evidence(ticket_id: int, evidence_id: int) -> Response:
    """What proves that the work has to wait."""
    visible(ticket_id)
    return send_evidence(ticket_id, evidence_id, me().username)


@door.get("/tickets/<int:ticket_id>/report.pdf")
@needs(*ANY)
def paper(ticket_id: int) -> Response:
    """The handling report as a paper."""
    visible(ticket_id)
    return send_paper(ticket_id, me().username)


def send_photo(ticket_id: int, photo_id: int) -> Response:
    """The file of a photo that belongs to this ticket."""
    found = reading().get(Attachment, photo_id)
    if found is None or found.ticket_id != ticket_id or found.media_type != "image/jpeg":
        abort(404)
    folder = wiring().config.storage.recordings
    return files.send(folder, found.path, sha256=found.sha256, media_type="image/jpeg")


def send_voice(ticket_id: int, voice_id: int, actor: str) -> Response:
    """A spoken report of this ticket, with the playback written down."""
    found = reading().get(Attachment, voice_id)
    if found is None or found.ticket_id != ticket_id or found.purpose != attachments.SPOKEN:
        abort(404)
    return play_file(found, found.media_type, actor, f"attachment:{found.id}")


def send_evidence(ticket_id: int, evidence_id: int, actor: str) -> Response:
    """A file that proves a waiting, to be saved and not shown: a PDF may hold anything."""
    found = reading().get(Attachment, evidence_id)
    if found is None or found.ticket_id != ticket_id or found.purpose != attachments.EVIDENCE:
        abort(404)
    folder = wiring().config.storage.recordings
    response = files.send(folder, found.path, sha256=found.sha256, media_type=found.media_type)
    ending = found.path.rsplit(".", 1)[-1]
    name = f"bukti-{ticket_id}-{found.id}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    with writing() as db:
        audit.record(
            db,
            actor=actor,
            action="evidence_seen",
            thing=f"attachment:{found.id}",
            now=now(),
            address=address(),
        )
    return response


def send_paper(ticket_id: int, actor: str) -> Response:
    """The handling report as PDF, with the export written down. NotFound without a report."""
    made = wiring().paper(reading(), ticket_id)
    with writing() as db:
        thing = f"ticket:{ticket_id}"
        audit.record(
            db, actor=actor, action="report_exported", thing=thing, now=now(), address=address()
        )
    response = Response(made.data, mimetype=made.media_type)
    response.headers["Content-Disposition"] = f'inline; filename="{made.name}"'
    return response
