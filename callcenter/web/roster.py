"""The duty roster: who of a team is on duty this week, where there is a gap, and swaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from callcenter.services import roster
from callcenter.services.errors import Refused
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, stop_reading, wiring, writing
from callcenter.web.screen import from_local, local_date
from callcenter.web.tickets import own_agency

door = Blueprint("roster", __name__)

_WEEK = timedelta(days=7)
_LONGEST_LIST = timedelta(days=60)


@door.get("/roster")
@needs("see_roster")
def index() -> str:
    """The week of an agency; an officer's own only, whatever is asked for."""
    return _page(_agency(), {})


@door.post("/roster/<agency_key>")
@needs("swap_duty")
def swap(agency_key: str) -> Response | tuple[str, int]:
    """Somebody is on duty for somebody else."""
    key = _agency(agency_key)
    try:
        with writing() as db:
            roster.swap(
                db,
                key,
                out=request.form.get("out") or None,
                into=request.form.get("into", ""),
                starts=_moment("starts"),
                ends=_moment("ends"),
                why=request.form.get("why", ""),
                actor=me().username,
                now=now(),
            )
    except Refused as error:
        stop_reading()
        return _page(key, {error.field: _(error.message)}), 400
    flash(_("Penggantian tersimpan."), "ok")
    return redirect(url_for("roster.index", agency=key))


@door.post("/roster/<agency_key>/<int:swap_id>/cancel")
@needs("swap_duty")
def cancel(agency_key: str, swap_id: int) -> Response:
    """The plan holds again."""
    key = _agency(agency_key)
    try:
        with writing() as db:
            roster.cancel(db, swap_id, key, actor=me().username, now=now())
        flash(_("Penggantian dibatalkan."), "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("roster.index", agency=key))


def _agency(asked: str | None = None) -> str:
    """The agency that this person may look at; 404 for another one."""
    agencies, own = wiring().config.agencies, own_agency()
    if own is not None:
        if asked is not None and asked != own:
            abort(404)
        return own
    wanted = asked if asked is not None else request.args.get("agency", agencies[0].key)
    if wiring().config.agency(wanted) is None:
        abort(404)
    return wanted


def _moment(field: str) -> datetime:
    moment = from_local(request.form.get(field, ""))
    if moment is None:
        raise Refused(field, _("Isi tanggal dan jam."))
    return moment


def _monday() -> date:
    asked = local_date(request.args.get("week", ""))
    zone = wiring().config.programme.zone
    today = now().astimezone(zone).date()
    day = asked if asked and abs(asked - today) < timedelta(days=3660) else today
    return day - timedelta(days=day.weekday())


def _page(agency_key: str, errors: dict[str, str]) -> str:
    rules, zone, monday = wiring().rules, wiring().config.programme.zone, _monday()
    start = datetime.combine(monday, time(0), tzinfo=zone).astimezone(UTC)
    db = reading()
    team = roster.officers(db, agency_key)
    today = roster.on_duty(db, [agency_key], now(), rules).get(agency_key)
    names = {person.key: person.name for person in team}
    return render_template(
        "roster.html",
        agency_key=agency_key,
        agencies=wiring().config.agencies if own_agency() is None else (),
        planned=agency_key in rules.rosters,
        team=team,
        names=names,
        today=[key for key in today if key in names] if today is not None else list(names),
        days=[
            (day, roster.duties(db, agency_key, day, day + timedelta(days=1), rules))
            for day in (start + n * timedelta(days=1) for n in range(7))
        ],
        days_off={row.day: row.name for row in wiring().config.calendar.days_off},
        zone=zone,
        before=monday - _WEEK,
        after=monday + _WEEK,
        swaps=roster.swaps(db, [agency_key], now() - _WEEK, now() + _LONGEST_LIST),
        may_swap=me().may("swap_duty"),
        errors=errors,
        typed=request.form,
    )
