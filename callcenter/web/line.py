"""Switching the line: normal, an announcement first, emergencies only. Asked twice, recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from callcenter.domain.line_mode import LineMode
from callcenter.domain.room import RoomLevel, level_of
from callcenter.services import line_mode
from callcenter.services.errors import Refused
from callcenter.services.room import Room, measure
from callcenter.store import queries
from callcenter.web.access import needs
from callcenter.web.context import address, me, now, reading, wiring, writing
from callcenter.web.screen import from_local

door = Blueprint("line", __name__)
log = structlog.get_logger(__name__)

Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the form says, checked."""

    mode: LineMode
    until: datetime | None
    note: str


@door.get("/line")
@needs("switch_line")
def page() -> str:
    """How the line stands, who switched it, and the form."""
    return _page({})


@door.post("/line")
@needs("switch_line")
def switch() -> Answer:
    """Show what would be switched; with `confirmed` switch it."""
    try:
        wish = _wish()
        if not request.form.get("confirmed"):
            return render_template("line_confirm.html", wish=wish, form=request.form)
        with writing() as db:
            line_mode.switch(
                db,
                wish.mode,
                actor=me().username,
                now=now(),
                until=wish.until,
                note=wish.note,
                address=address(),
            )
    except Refused as error:
        return _page({error.field: _(error.message)}), 400
    _tell_the_line()
    return redirect(url_for("line.page"))


def _wish() -> _Wish:
    mode, until = request.form.get("mode", ""), request.form.get("until", "").strip()
    if mode not in set(LineMode):
        raise Refused("mode", "Pilih keadaan saluran.")
    ends = from_local(until) if until else None
    if until and (ends is None or ends <= now()):
        raise Refused("until", "Pilih waktu berakhir yang akan datang.")
    return _Wish(LineMode(mode), ends, request.form.get("note", "").strip()[:300])


def _tell_the_line() -> None:
    """At once; if that fails the clock does it, as soon as it can."""
    try:
        wiring().entry.mode_file.publish(wiring().store)
        flash(_("Saluran sudah dialihkan."), "ok")
    except OSError:
        log.error("line_not_told", exc_info=True)
        flash(_("Tersimpan. Saluran mengikuti begitu disk bisa ditulisi."), "warn")


def _room() -> tuple[Room, RoomLevel | None] | None:
    """How much room there is now, whatever the alarms say; None where it cannot be measured."""
    storage = wiring().config.storage
    try:
        room = measure(storage.folders)
    except OSError:
        log.error("disk_not_measured", exc_info=True)
        return None
    return room, level_of(room.free, storage.room)


def _page(errors: dict[str, str]) -> str:
    db = reading()
    switched = line_mode.current(db)
    return render_template(
        "line.html",
        switched=switched,
        mode=switched.in_force(now()),
        modes=list(LineMode),
        rows=queries.line_switches(db),
        room=_room(),
        room_alarms=queries.alarms(db, "room"),
        errors=errors,
        form=request.form,
    )
