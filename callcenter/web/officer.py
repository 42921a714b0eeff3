"""The officer's page: a signed link, no password, made for a phone; works without JavaScript.

Opening it changes nothing: messengers fetch links for their previews.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import quote

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask_babel import gettext as _
from flask_wtf.csrf import generate_csrf
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from callcenter.domain.ticket import WaitingReason, verbs_from
from callcenter.services import audit, closing_pins, links, once, pins, reports, wording
from callcenter.services.errors import NotFound, Refused
from callcenter.store import queries
from callcenter.store.models import Person, Recording, Ticket
from callcenter.web import officer_forms
from callcenter.web.access import PUBLIC, needs
from callcenter.web.complaint_files import send as send_file
from callcenter.web.context import address, now, reading, stop_reading, wiring, writing
from callcenter.web.officer_forms import Act
from callcenter.web.recordings import play_as
from callcenter.web.tickets import send_evidence, send_paper, send_photo, send_voice

door = Blueprint("officer", __name__, url_prefix="/p")

Answer = str | AnyResponse | tuple[str | AnyResponse, int]
#: A picture of nothing.
_NOTHING = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@dataclass(frozen=True, slots=True)
class Visit:
    """Who came by which link, to which ticket."""

    token: str
    link_id: int
    ticket: Ticket
    person: Person

    @property
    def actor(self) -> str:
        """The name in history and audit."""
        return f"person:{self.person.key}"

    @property
    def may_act(self) -> bool:
        """The agency's own people act; offices of the regency only look."""
        return self.person.active and self.person.agency_key == self.ticket.agency_key


def visit_of(db: Session, token: str) -> Visit:
    """What the link opens; NotFound, in the same words, for every link that opens nothing."""
    link = links.open_link(db, wiring().links.link_id(token), now())
    ticket, person = db.get(Ticket, link.ticket_id), db.get(Person, link.person_key)
    if ticket is None or person is None or not person.active:
        raise NotFound("Tautan ini tidak berlaku lagi.")
    return Visit(token, link.id, ticket, person)


@door.errorhandler(NotFound)
def gone(_error: NotFound) -> Answer:
    """Wrong, expired or revoked: one page, so that a guesser learns nothing."""
    if _FROM_BOX in request.headers:
        return jsonify(refused={"gone": True}), 404
    return render_template("officer_gone.html"), 404


@door.get("/<token>")
@needs(PUBLIC)
def page(token: str) -> str:
    """The ticket, with what can be done now."""
    visit = visit_of(reading(), token)
    shown = _render(visit)
    if request.method == "GET":
        _write_down(visit, "link_opened")
    return shown


@door.post("/<token>/<verb>")
@needs(PUBLIC)
def act(token: str, verb: str) -> Answer:
    """Do one thing, once; what is not acceptable comes back with what was typed."""
    read_form = _VERBS.get(verb)
    if read_form is None:
        abort(404)
    visit = visit_of(reading(), token)
    if not visit.may_act:
        abort(403)
    try:
        _do_once(visit, verb, read_form)
    except Refused as error:
        stop_reading()
        return _refused(token, verb, error)
    flash(_("Tersimpan. Terima kasih."), "ok")
    if _FROM_BOX in request.headers:
        return jsonify(done=True)
    return redirect(url_for("officer.page", token=token))


#: A form that the page kept and sends by itself: the answer is for a script.
_FROM_BOX = "X-Outbox"


def _do_once(visit: Visit, verb: str, read_form: Callable[[int], Act]) -> None:
    """What the form asks; a repeat does nothing, quietly. Raises Refused."""
    key = once.key_of(request.form.get("once", ""))
    if once.seen(reading(), visit.link_id, key):
        return
    try:
        if verb in _CLOSING and wiring().config.web.closing_pin:
            reports.check_open(reading(), visit.ticket.id)  # no PIN for what cannot be closed
            check_pin(visit)
        perform = read_form(visit.ticket.id)
        with writing() as db:
            if once.first_time(db, visit.link_id, key, verb, now()):
                perform(db, actor=visit.actor, now=now(), rules=wiring().rules)
    except Refused:
        stop_reading()
        if not once.seen(reading(), visit.link_id, key):  # else its twin was quicker
            raise


#: What ends the work: by whom is confirmed with a PIN.
_CLOSING = frozenset({"report"})


def check_pin(visit: Visit) -> None:
    """The officer's PIN, or the first one, chosen now. Raises Refused; a wrong one is counted."""
    pin, again = request.form.get("pin", ""), request.form.get("pin_again", "")
    key, secret, actor = visit.person.key, wiring().secret_key, visit.actor
    chosen, ticket_id = visit.person.pin_seal is not None, visit.ticket.id
    with writing() as db:
        if chosen:
            wrong = closing_pins.check(db, key, pin, secret=secret, actor=actor, now=now())
        else:
            wrong = closing_pins.choose(
                db,
                ticket_id,
                key,
                pin,
                again,
                secret=secret,
                actor=actor,
                now=now(),
                rules=wiring().rules,
            )
    if wrong is not None:
        raise wrong


@door.post("/<token>/call")
@needs(PUBLIC)
def call(token: str) -> Answer:
    """Talk to the citizen: the exchange rings both, nobody learns the other's number."""
    through = wiring().call_through
    if through is None:
        abort(404)
    visit = visit_of(reading(), token)
    if not visit.may_act:
        abort(403)
    actor, ticket_id, key = visit.actor, visit.ticket.id, visit.person.key
    try:
        with writing() as db:
            through.connect(db, ticket_id, key, actor=actor)
            audit.record(
                db,
                actor=actor,
                action="citizen_called",
                thing=f"ticket:{ticket_id}",
                now=now(),
                address=address(),
            )
        flash(_("Telepon Anda sebentar lagi berdering."), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("officer.page", token=token))


def _refused(token: str, verb: str, error: Refused) -> Answer:
    message = _(error.message)
    if _FROM_BOX in request.headers:
        return jsonify(refused={"field": error.field, "message": message}), 400
    return _render(visit_of(reading(), token), verb, {error.field: message}), 400


@door.get("/<token>/key")
@needs(PUBLIC)
def key(token: str) -> Answer:
    """A form's token, fresh: what waited for a network was typed in another session."""
    visit_of(reading(), token)
    return jsonify(csrf_token=generate_csrf())


@door.get("/worker.js")
@needs(PUBLIC)
def worker() -> Response:
    """What opens the pages without a network; it stands here because it may rule over /p/ only."""
    return send_from_directory(
        Path(__file__).parent / "static", "officer-worker.js", mimetype="text/javascript", max_age=0
    )


_VERBS: dict[str, Callable[[int], Act]] = {
    "accept": officer_forms.accept,
    "respond": officer_forms.respond,
    "return": officer_forms.return_,
    "start": officer_forms.start,
    "wait": officer_forms.wait,
    "report": officer_forms.report,
}


@door.get("/<token>/recordings/<int:recording_id>.wav")
@needs(PUBLIC)
def clip(token: str, recording_id: int) -> Response:
    """The citizen's complaint in their own voice, and why it is not solved; name and village
    stay with the operators."""
    visit = visit_of(reading(), token)
    found = next((r for r in _heard(visit.ticket) if r.id == recording_id), None)
    if found is None:
        abort(404)
    return play_as(found, visit.actor)


@door.get("/<token>/photos/<int:photo_id>.jpg")
@needs(PUBLIC)
def photo(token: str, photo_id: int) -> Response:
    """A photo of this ticket's report."""
    return send_photo(visit_of(reading(), token).ticket.id, photo_id)


@door.get("/<token>/voices/<int:voice_id>")
@needs(PUBLIC)
def voice(token: str, voice_id: int) -> Response:
    """The report as it was spoken."""
    visit = visit_of(reading(), token)
    return send_voice(visit.ticket.id, voice_id, visit.actor)


@door.get("/<token>/evidence/<int:evidence_id>")
@needs(PUBLIC)
def evidence(token: str, evidence_id: int) -> Response:
    """What proves that the work has to wait."""
    visit = visit_of(reading(), token)
    return send_evidence(visit.ticket.id, evidence_id, visit.actor)


@door.get("/<token>/files/<int:file_id>")
@needs(PUBLIC)
def given(token: str, file_id: int) -> Response:
    """What the citizen gave along."""
    visit = visit_of(reading(), token)
    return send_file(visit.ticket.complaint_id, file_id, visit.actor)


@door.get("/<token>/report.pdf")
@needs(PUBLIC)
def paper(token: str) -> Response:
    """The report as a paper to print and sign."""
    visit = visit_of(reading(), token)
    made = send_paper(visit.ticket.id, visit.actor)
    _read(visit)
    return made


@door.get("/<token>/seen.svg")
@needs(PUBLIC)
def seen(token: str) -> Response:
    """Loaded by who really shows the page; a messenger that fetches it for a preview does not."""
    _read(visit_of(reading(), token))
    return Response(_NOTHING, mimetype="image/svg+xml")


def _read(visit: Visit) -> None:
    """The report was read, if this person was sent one; written once."""
    link_id, rules = visit.link_id, wiring().rules
    with writing() as db:
        if reports.opened(db, link_id, now=now(), rules=rules):
            thing = f"ticket:{visit.ticket.id}"
            audit.record(
                db,
                actor=visit.actor,
                action="report_read",
                thing=thing,
                now=now(),
                address=address(),
            )


def _telephone_pin(person: Person) -> str:
    """By which the line knows this officer when it calls; empty where it calls nobody."""
    if wiring().config.line.calls_out is None or person.post != "officer":
        return ""
    return pins.officer_pin(person.key, wiring().secret_key)


def _map_url(ticket: Ticket) -> str:
    """A map at the pin, else at the village and the landmark; empty where nobody said a place."""
    complaint, config = ticket.complaint, wiring().config
    if complaint.position is not None:
        return config.web.map_url.format(place=quote(str(complaint.position)))
    place = wording.place_of(complaint)
    if not place:
        return ""
    landmark = wording.discreet(complaint.place_note, complaint)
    words = ", ".join(filter(None, (landmark, place, config.programme.regency)))
    return config.web.map_url.format(place=quote(words))


def _complaint_clips(ticket: Ticket) -> list[Recording]:
    call = ticket.complaint.call
    return [r for r in call.recordings if r.kind == "complaint"] if call else []


def _heard(ticket: Ticket) -> list[Recording]:
    """What an agency may hear of the citizen."""
    said = queries.spoken_reasons(reading(), ticket.complaint_id)
    return [*_complaint_clips(ticket), *said]


def _render(visit: Visit, verb: str = "", errors: dict[str, str] | None = None) -> str:
    ticket = visit.ticket
    told = queries.report_notices(reading(), ticket.id)
    return render_template(
        "officer.html",
        t=ticket,
        telephone_pin=_telephone_pin(visit.person),
        person=visit.person,
        token=visit.token,
        clips=_complaint_clips(ticket),
        said=queries.spoken_reasons(reading(), ticket.complaint_id),
        reason_url=lambda r: url_for("officer.clip", token=visit.token, recording_id=r.id),
        verbs=verbs_from(ticket.state) if visit.may_act else frozenset(),
        tried=verb,
        has_list=visit.may_act,
        asks_pin=wiring().config.web.closing_pin,
        has_pin=visit.person.pin_seal is not None,
        calls=visit.may_act
        and wiring().call_through is not None
        and ticket.complaint.reporter_phone is not None,
        map_url=_map_url(ticket),
        once=token_urlsafe,
        errors=errors or {},
        typed=request.form,
        reasons=list(WaitingReason),
        is_head=visit.person.post == "head",
        photo_url=lambda p: url_for("officer.photo", token=visit.token, photo_id=p.id),
        voice_url=lambda v: url_for("officer.voice", token=visit.token, voice_id=v.id),
        evidence_url=lambda e: url_for("officer.evidence", token=visit.token, evidence_id=e.id),
        file_url=lambda f: url_for("officer.given", token=visit.token, file_id=f.id),
        paper_url=url_for("officer.paper", token=visit.token),
        sent_to=told,
        is_told=any(notice.link_id == visit.link_id for notice in told),
    )


def _write_down(visit: Visit, action: str) -> None:
    actor, thing = visit.actor, f"ticket:{visit.ticket.id}"
    with writing() as db:
        audit.record(db, actor=actor, action=action, thing=thing, now=now(), address=address())
