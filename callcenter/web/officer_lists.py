"""The team's own list and the head's, on a telephone: behind the PIN, because a link may be
forwarded and was given for one ticket."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, abort, flash, redirect, render_template, session, url_for
from flask_babel import gettext as _

from callcenter.domain.chasing import CHASEABLE, may_chase
from callcenter.services import chasing, links
from callcenter.services.errors import NotFound, Refused
from callcenter.store import queries
from callcenter.web.access import PUBLIC, needs
from callcenter.web.context import now, reading, stop_reading, wiring, writing
from callcenter.web.officer import Answer, Visit, check_pin, gone, visit_of

door = Blueprint("lists", __name__, url_prefix="/p")
door.register_error_handler(NotFound, gone)

_OPEN = "officer_list"
#: Who may ask an officer how a ticket stands.
_CHASING_POSTS = frozenset({"head", "secretary"})


def _visit(token: str) -> Visit:
    visit = visit_of(reading(), token)
    if not visit.may_act:
        abort(403)  # offices of the regency have the console
    return visit


def _mark(visit: Visit) -> str:
    """What the session holds once this person's PIN was given; another PIN ends it."""
    return f"{visit.person.key}:{(visit.person.pin_seal or '')[:16]}"


def _is_open(visit: Visit) -> bool:
    found = session.get(_OPEN)
    if not isinstance(found, list) or len(found) != 2 or found[0] != _mark(visit):
        return False
    hours = timedelta(hours=wiring().config.web.session_hours).total_seconds()
    return bool(now().timestamp() < float(found[1]) + hours)


@door.get("/<token>/tickets")
@needs(PUBLIC)
def index(token: str) -> str:
    """Everything that the agency has to do, by remaining time; the PIN comes first."""
    visit = _visit(token)
    return _list(visit) if _is_open(visit) else _pin_form(visit)


def _pin_form(visit: Visit, problem: str = "") -> str:
    return render_template(
        "officer_pin.html",
        token=visit.token,
        has_pin=visit.person.pin_seal is not None,
        errors={"pin": problem} if problem else {},
    )


def _list(visit: Visit) -> str:
    db, agency = reading(), visit.person.agency_key
    parts = [
        (tab, queries.tickets(db, tab=tab, agency_key=agency)) for tab in ("unanswered", "answered")
    ]
    chased = chasing.last_chased(db, [ticket.id for _tab, rows in parts for ticket in rows])
    may = visit.person.post in _CHASING_POSTS
    return render_template(
        "officer_list.html",
        token=visit.token,
        person=visit.person,
        agency=visit.ticket.agency,
        parts=parts,
        chased=chased,
        can_chase=lambda t: may and t.state in CHASEABLE and may_chase(chased.get(t.id), now()),
    )


@door.post("/<token>/unlock")
@needs(PUBLIC)
def unlock(token: str) -> Answer:
    """The PIN, or the first one, chosen now; then the list."""
    visit = _visit(token)
    try:
        check_pin(visit)
    except Refused as error:
        stop_reading()
        return _pin_form(_visit(token), _(error.message)), 400
    stop_reading()
    session[_OPEN] = [_mark(_visit(token)), int(now().timestamp())]
    return redirect(url_for("lists.index", token=token))


@door.get("/<token>/tickets/<int:ticket_id>")
@needs(PUBLIC)
def ticket(token: str, ticket_id: int) -> Answer:
    """Another ticket of the agency, by a link of this person's own."""
    visit = _visit(token)
    if not _is_open(visit):
        return redirect(url_for("lists.index", token=token))
    _own(visit, ticket_id)
    key, lifetime = visit.person.key, wiring().rules.link_lifetime
    with writing() as db:
        link = links.link_for(db, ticket_id=ticket_id, person_key=key, now=now(), lifetime=lifetime)
        link_id = link.id
    return redirect(url_for("officer.page", token=wiring().links.token(link_id)))


@door.post("/<token>/tickets/<int:ticket_id>/chase")
@needs(PUBLIC)
def chase(token: str, ticket_id: int) -> Answer:
    """One tap: the officer is asked."""
    visit = _visit(token)
    if not _is_open(visit):
        return redirect(url_for("lists.index", token=token))
    if visit.person.post not in _CHASING_POSTS:
        abort(403)
    _own(visit, ticket_id)
    try:
        with writing() as db:
            told = chasing.chase(db, ticket_id, actor=visit.actor, now=now(), rules=wiring().rules)
            names = ", ".join(person.name for person in told)
        flash(_("Ditagih: %(who)s.", who=names), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("lists.index", token=token))


def _own(visit: Visit, ticket_id: int) -> None:
    """NotFound for a ticket of another agency."""
    if queries.ticket(reading(), ticket_id, visit.person.agency_key) is None:
        raise NotFound("Tiket ini tidak ada.")
