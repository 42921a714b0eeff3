"""The operator's own telephone, on top of every page: sign in, pause, go on, sign out, who calls.

What it shows stands in the database alone, so it looks the same in every window and after every
restart. It carries no number of a citizen but its last digits; the desk shows the whole one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.domain.presence import NO_ANSWER, Phone, State
from callcenter.services import presences
from callcenter.services.errors import NotFound, Refused
from callcenter.store import operator_queries as queries
from callcenter.store.operator_models import OperatorCall, Presence
from callcenter.store.operator_queries import Earlier
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, stop_reading, wiring, writing
from callcenter.web.security import local_path

door = Blueprint("telephone", __name__)

#: The line says every ten seconds that it works: what it wrote long ago is no state of now.
_SILENT = timedelta(seconds=25)

Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Panel:
    """What one operator sees. `known`: whether the line works, so that calls are as written."""

    seen: str
    known: bool
    presence: Presence | None
    rings: OperatorCall | None
    talks: OperatorCall | None
    wrote: OperatorCall | None
    earlier: Earlier | None
    waiting: int
    telephones: tuple[tuple[str, str], ...]
    pauses: dict[str, str]

    @property
    def state(self) -> str:
        """One word: out, talking, rings, wrap_up, paused, away, ready."""
        presence = self.presence
        if presence is None or presence.state is State.OUT:
            return "out"
        if self.talks:
            return "talking"
        if self.rings:
            return "rings"
        if presence.state is State.PAUSED:
            return "paused"
        if presence.wrap_until and presence.wrap_until > now():
            return "wrap_up"
        return "away" if presence.phone is Phone.AWAY else "ready"

    @property
    def dropped(self) -> bool:
        """Whether the line has paused this operator."""
        return self.state == "paused" and self.presence is not None and self.reason == NO_ANSWER

    @property
    def reason(self) -> str:
        """Why the operator pauses, by key."""
        return (self.presence.reason if self.presence else None) or ""


@door.get("/telephone")
@needs("answer_calls")
def panel() -> Answer:
    """The panel alone; 204 where what the page shows is still so."""
    shown = of_me()
    if shown is None:
        abort(404)
    if request.args.get("seen") == shown.seen:
        return Response(status=204)
    return render_template("telephone.html", phone=shown)


@door.post("/telephone/<do>")
@needs("answer_calls")
def act(do: str) -> Answer:
    """in, pause, ready, out: the operator's word."""
    verb = _VERBS.get(do)
    if verb is None:
        abort(404)
    problem = ""
    try:
        with writing() as db:
            verb(db)
    except (Refused, NotFound) as error:
        problem = _(error.message)
    stop_reading()
    if "HX-Request" in request.headers:
        return render_template("telephone.html", phone=of_me(), problem=problem)
    if problem:
        flash(problem, "bad")
    return redirect(local_path(request.form.get("next")) or url_for("inbox.home"))


def _in(db: Session) -> None:
    presences.sign_in(
        db,
        me().id,
        request.form.get("extension", ""),
        known=[operator.user for operator in wiring().config.line.operators],
        actor=me().username,
        now=now(),
    )


def _pause(db: Session) -> None:
    presences.pause(
        db,
        me().id,
        request.form.get("reason", ""),
        known=wiring().config.line.waiting.pauses,
        actor=me().username,
        now=now(),
    )


def _ready(db: Session) -> None:
    presences.ready(db, me().id, actor=me().username, now=now())


def _out(db: Session) -> None:
    presences.sign_out(db, me().id, actor=me().username, now=now())


_VERBS: dict[str, Callable[[Session], None]] = {
    "in": _in,
    "pause": _pause,
    "ready": _ready,
    "out": _out,
}


def on_page() -> Panel | None:
    """The reader's panel; None for who answers no calls, and while the database is away."""
    if not (current_user.is_authenticated and me().may("answer_calls")):
        return None
    try:
        return of_me()
    except SQLAlchemyError:
        return None


def of_me() -> Panel | None:
    """What the signed-in operator's panel shows now; None where there are no telephones."""
    config, db = wiring().config.line, reading()
    if not config.operators:
        return None
    known, newest = line_is_known(db), queries.newest_event(db)
    presence = presences.of(db, me().id)
    rows = queries.open_calls(db) if known else ()
    extension = presence.extension if presence else None
    rings = next((row for row in rows if extension and extension in row.ringing), None)
    talks = next((row for row in rows if row.user_id == me().id and row.answered_at), None)
    latest = queries.latest_talk(db, me().id)
    shown = talks or rings
    taken = {p.extension for p in presences.signed_in(db) if p.user_id != me().id}
    return Panel(
        seen=f"{newest}-{int(known)}",
        known=known,
        presence=presence,
        rings=rings,
        talks=talks,
        wrote=latest if latest and latest.ended_at else None,
        earlier=queries.earlier(db, shown.call) if shown else None,
        waiting=sum(row.answered_at is None for row in rows),
        telephones=tuple(
            (o.user, o.name or o.user) for o in config.operators if o.user not in taken
        ),
        pauses=dict(config.waiting.pauses),
    )


def line_is_known(db: Session) -> bool:
    """Whether the line said lately that it works: only then is somebody in a call for certain."""
    beat = queries.line_beat(db)
    return beat is not None and beat > now() - _SILENT


def telephone_name(extension: str | None) -> str:
    """What a telephone is called in config.yaml."""
    known = {o.user: o.name or o.user for o in wiring().config.line.operators}
    return known.get(extension or "", extension or "")


def pause_name(reason: str | None) -> str:
    """Why somebody pauses, in words."""
    if reason == NO_ANSWER:
        return str(_("Tidak menjawab"))
    return wiring().config.line.waiting.pauses.get(reason or "", reason or "")
