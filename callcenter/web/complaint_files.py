"""Files of a complaint: added at the desk, seen there and by the agencies that have its tickets."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as Answer

from callcenter.services import audit, complaint_files, evidence, media
from callcenter.services.errors import NotFound, Refused
from callcenter.store.desk_models import ComplaintFile
from callcenter.store.inbound_models import InboundMessage, MessageFile
from callcenter.web import files
from callcenter.web.access import needs
from callcenter.web.context import address, me, now, reading, wiring, writing
from callcenter.web.tickets import ANY, visible

door = Blueprint("files", __name__)

_MOST = 8  # at once


@door.post("/complaints/<int:complaint_id>/files")
@needs("work_desk")
def add(complaint_id: int) -> Answer:
    """Add photos and PDFs; they are looked at before the transaction."""
    try:
        found = [f.read() for f in request.files.getlist(evidence.FIELD) if f.filename]
        if len(found) > _MOST:
            raise Refused(evidence.FIELD, _("Paling banyak %(n)d berkas.", n=_MOST))
        materials = [evidence.looked_at(data) for data in found]
        with writing() as db:
            complaint_files.add(
                db,
                complaint_id,
                materials,
                actor=me().username,
                now=now(),
                folder=wiring().config.storage.recordings,
            )
        flash(_("Lampiran tersimpan."), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("desk.complaint", complaint_id=complaint_id))


@door.get("/complaints/<int:complaint_id>/files/<int:file_id>")
@needs("work_desk")
def at_desk(complaint_id: int, file_id: int) -> Response:
    """A file, for the desk."""
    return send(complaint_id, file_id, me().username)


@door.get("/tickets/<int:ticket_id>/files/<int:file_id>")
@needs(*ANY)
def of_ticket(ticket_id: int, file_id: int) -> Response:
    """A file, for who may see one of the complaint's tickets."""
    return send(visible(ticket_id).complaint_id, file_id, me().username)


@door.get("/inbox/messages/<int:message_id>/files/<int:file_id>")
@needs("work_desk")
def of_message(message_id: int, file_id: int) -> Response:
    """A file that came with a message, before and after it is a complaint's."""
    found = reading().get(MessageFile, file_id)
    if found is None or found.message_id != message_id or found.state != media.KEPT:
        abort(404)
    return _sent(found, f"message_file:{found.id}", me().username)


@door.post("/inbox/messages/<int:message_id>/files/<int:file_id>/again")
@needs("work_desk")
def fetch_again(message_id: int, file_id: int) -> Answer:
    """Try once more to fetch what was given up."""
    try:
        with writing() as db:
            media.again(db, file_id, actor=me().username, now=now())
        flash(_("Lampiran diambil lagi."), "ok")
    except (NotFound, Refused) as error:
        flash(_(error.message), "bad")
    message = reading().get(InboundMessage, message_id)
    if message is not None and message.complaint_id is not None:
        return redirect(url_for("desk.complaint", complaint_id=message.complaint_id))
    return redirect(url_for("inbox.home", tab="messages"))


def send(complaint_id: int, file_id: int, actor: str) -> Response:
    """The file of a complaint, to who may see it."""
    found = reading().get(ComplaintFile, file_id)
    if found is None or found.complaint_id != complaint_id:
        abort(404)
    return _sent(found, f"complaint_file:{found.id}", actor)


def _sent(found: ComplaintFile | MessageFile, thing: str, actor: str) -> Response:
    """Photos are shown, voices and films played, papers saved; written down who got it."""
    folder = wiring().config.storage.recordings
    response = files.send(folder, found.path, sha256=found.sha256, media_type=found.media_type)
    if found.media_type == "application/pdf":
        name = f'attachment; filename="lampiran-{found.id}.pdf"'
        response.headers["Content-Disposition"] = name
    if files.plays_from_start():
        with writing() as db:
            audit.record(
                db, actor=actor, action="file_seen", thing=thing, now=now(), address=address()
            )
    return response
