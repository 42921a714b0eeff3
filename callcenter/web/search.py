"""Every complaint: one box, filters, views with a name. The address holds all of it, so that it
can be shared; a telephone never stands in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from urllib.parse import parse_qsl

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.domain.people import mask_phone
from callcenter.services import searching
from callcenter.services import views as saved
from callcenter.services.errors import Refused
from callcenter.services.searching import Asked, Known
from callcenter.store import search
from callcenter.store.places import village, villages_by_district
from callcenter.web.access import needs
from callcenter.web.context import address, me, now, reading, wiring, writing
from callcenter.web.inbox import fragment, seen
from callcenter.web.labels import label
from callcenter.web.screen import whole_day

door = Blueprint("search", __name__)

#: Who searches at all; officers find the complaints that their own agency has a ticket of.
ANY = ("work_desk", "see_own_tickets")


def _known() -> Known:
    config = wiring().config
    own = None if me().may("work_desk") else (me().agency_key or "")
    return Known(
        {category.key for category in config.routing}, {a.key for a in config.agencies}, own
    )


@door.get("/complaints")
@needs(*ANY)
def index() -> str | Response:
    """A page of what the address asks for, newest first."""
    known = _known()
    asked = searching.read(request.args, known)
    box = searching.read_box(asked.q)
    if box.telephone and known.own is None:
        return _to_telephone(asked, box.telephone)
    db = reading()
    found = searching.page(db, asked, known, now())
    rows = search.complaints(db, found.ids)
    if asked.same is not None:
        seen(f"complaint:{asked.same}", "searched_by_telephone")
        db = reading()
    own = {} if known.own is None else search.tickets_of(db, found.ids, known.own)
    return fragment(
        "complaints.html",
        "complaints_list.html",
        asked=asked,
        box=box,
        found=found,
        rows=rows,
        own=known.own,
        own_tickets=own,
        cap=search.CAP,
        chips=_chips(asked),
        **_choices(),
    )


@door.post("/complaints/search")
@needs(*ANY)
def ask() -> Response:
    """What was typed and chosen becomes an address without empty parts."""
    known = _known()
    asked = searching.read(request.form, known)
    box = searching.read_box(asked.q)
    if box.telephone and known.own is None:
        return _to_telephone(asked, box.telephone)
    return _to(asked)


def _to(asked: Asked) -> Response:
    return redirect(url_for("search.index", **asked.told()), 303)  # type: ignore[arg-type]


def _to_telephone(asked: Asked, telephone: str) -> Response:
    with writing() as db:
        newest = searching.of_telephone(
            db, telephone, actor=me().username, now=now(), address=address()
        )
    return _to(replace(asked.without("q"), same=newest))


@door.post("/views")
@needs(*ANY)
def keep() -> Response:
    """Keep the search of the page under a name."""
    asked = _asked_in_form()
    try:
        with writing() as db:
            saved.keep(
                db,
                owner=me().username,
                name=request.form.get("name", ""),
                query=asked.query(),
                shared=bool(request.form.get("shared")),
                now=now(),
            )
        flash(_("Tampilan disimpan."), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return _to(asked)


@door.post("/views/<int:view_id>/drop")
@needs(*ANY)
def drop(view_id: int) -> Response:
    """Forget a view of one's own."""
    asked = _asked_in_form()
    with writing() as db:
        saved.drop(db, view_id, owner=me().username)
    flash(_("Tampilan dihapus."), "ok")
    return _to(asked)


def _asked_in_form() -> Asked:
    """The search that the page showed; checked anew, as everything that comes back."""
    given = request.form.get("query", "")[:2000]
    return searching.read(dict(parse_qsl(given)), _known())


def _choices() -> dict[str, object]:
    reader = saved.Reader(me().username, me().role, me().agency_key)
    return {
        "states": list(ComplaintState),
        "channels": searching.CHANNELS,
        "urgencies": list(Urgency),
        "categories": wiring().config.routing,
        "agencies": wiring().config.agencies,
        "districts": villages_by_district(),
        "views": saved.views(reading(), reader) if "HX-Request" not in request.headers else (),
    }


def _chips(asked: Asked) -> list[tuple[str, str]]:
    """What narrows the list, in words, each with the address without it."""
    words = {
        "state": _("Belum selesai")
        if asked.state == searching.OPEN
        else label(asked.state, "state"),
        "category": _category(asked.category),
        "agency": _agency(asked.agency),
        "district": _("Kec. %(name)s", name=asked.district),
        "village": _village(asked.village),
        "channel": label(asked.channel, "channel"),
        "urgency": label(asked.urgency, "urgency"),
        "window": _("Terlambat") if asked.window == "late" else _("Tepat waktu"),
        "since": _("Sejak %(day)s", day=_day(asked.since)),
        "until": _("Sampai %(day)s", day=_day(asked.until)),
        "same": _same(asked.same),
    }
    return [
        (words[part], url_for("search.index", **asked.without(part).told()))  # type: ignore[arg-type]
        for part in asked.narrowed
    ]


def _day(day: date | None) -> str:
    return whole_day(day) if day else ""


def _category(key: str) -> str:
    row = wiring().rules.category(key)
    return row.name if row else ""


def _agency(key: str) -> str:
    row = wiring().config.agency(key)
    return row.name if row else ""


def _village(code: str) -> str:
    found = village(code)
    return found.name if found else ""


def _same(complaint_id: int | None) -> str:
    """`Telepon •••789`: enough to recognise it."""
    telephones = search.telephones_of(reading(), complaint_id or 0)
    if not telephones:
        return str(_("Nomor telepon"))
    return str(_("Telepon %(masked)s", masked=", ".join(map(mask_phone, telephones))))
