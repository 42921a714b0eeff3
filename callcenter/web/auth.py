"""Signing in and out, and the language of the screens."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import cast

from flask import Blueprint, Flask, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_login import LoginManager, current_user, login_user, logout_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.services import accounts, audit, presences
from callcenter.services.errors import ServiceError
from callcenter.store.models import User
from callcenter.web.access import PUBLIC, SIGNED_IN, needs
from callcenter.web.context import SignedIn, address, me, now, wiring, writing
from callcenter.web.screen import LANGUAGES
from callcenter.web.security import local_path

door = Blueprint("auth", __name__)

_TOUCH_EVERY_S = 60


@door.get("/sign-in")
@needs(PUBLIC)
def sign_in() -> str | Response:
    """The sign-in page; who is signed in already goes on."""
    if current_user.is_authenticated:
        return redirect(_wanted())
    return _page()


@door.post("/sign-in")
@needs(PUBLIC)
def sign_in_post() -> str | Response | tuple[str, int, dict[str, str]]:
    """Check name and password; the session begins anew, so that a planted one is worthless."""
    username = request.form.get("username", "").strip().lower()
    with writing() as db:
        result = accounts.check_sign_in(
            db,
            username=username,
            password=request.form.get("password", "")[:1000],
            address=address(),
            now=now(),
        )
        person = None if isinstance(result, ServiceError) else SignedIn.of(result)
    if isinstance(result, accounts.SignInThrottled):
        return _throttled(username, result.retry_after_s)
    if person is None:
        return _page(username, _("Nama pengguna atau kata sandi tidak cocok.")), 401, {}
    _begin(person)
    return redirect(_wanted())


def _page(username: str = "", problem: str = "", wait: int = 0) -> str:
    return render_template("sign_in.html", username=username, problem=problem, wait=wait)


def _throttled(username: str, wait: int) -> tuple[str, int, dict[str, str]]:
    until = now() + timedelta(seconds=wait)
    local = until.astimezone(wiring().config.programme.zone).strftime("%H.%M.%S")
    problem = _("Terlalu banyak percobaan. Coba lagi pukul %(time)s WITA.", time=local)
    return _page(username, problem, wait), 429, {"Retry-After": str(wait)}


def _wanted() -> str:
    return local_path(request.values.get("next")) or url_for("inbox.home")


def _begin(person: SignedIn) -> None:
    chosen = session.get("language")
    session.clear()
    session["sid"] = secrets.token_urlsafe(16)
    session["language"] = chosen or person.language
    session["seen"] = int(now().timestamp())
    login_user(person)


@door.post("/sign-out")
@needs(SIGNED_IN)
def sign_out() -> Response:
    """Forget the session, and leave the operators' queue."""
    with writing() as db:
        thing = f"user:{me().id}"
        audit.record(
            db, actor=me().username, action="sign_out", thing=thing, now=now(), address=address()
        )
        presences.leave(db, me().id, actor=me().username, now=now())
    logout_user()
    chosen = session.get("language")
    session.clear()
    session["language"] = chosen
    return redirect(url_for("auth.sign_in"))


@door.post("/language")
@needs(PUBLIC)
def language() -> Response:
    """Show the screens in another language from now on."""
    if request.form.get("language") in LANGUAGES:
        session["language"] = request.form["language"]
    return redirect(local_path(request.form.get("next")) or url_for("inbox.home"))


def load(key: str) -> SignedIn | None:
    """The person behind a session: None once idle too long, disabled, or the version moved on."""
    identity, _dot, version = key.partition(".")
    limit = timedelta(hours=wiring().config.web.session_hours).total_seconds()
    idle = now().timestamp() - cast(float, session.get("seen", 0))
    if idle >= limit or not (identity.isdecimal() and version.isdecimal()):
        return None
    with wiring().store.read() as db:
        return still_valid(db, int(identity), int(version))


def still_valid(db: Session, identity: int, version: int) -> SignedIn | None:
    """The user when active and still at this session version."""
    user = db.get(User, identity)
    if user is None or not user.active or user.session_version != version:
        return None
    return SignedIn.of(user)


def _touch() -> None:
    """A page that a person opened, or typing, keeps the session alive; a list refreshing itself
    does not."""
    if "HX-Request" in request.headers and request.endpoint != "typing.draft":
        return
    if request.endpoint in ("static", "events.stream"):
        return
    if now().timestamp() - cast(float, session.get("seen", 0)) >= _TOUCH_EVERY_S:
        session["seen"] = int(now().timestamp())


def init(app: Flask) -> None:
    """Flask-Login and the idle limit."""
    manager = LoginManager()
    manager.session_protection = None  # binds to IP and browser: phones and offices change both
    manager.user_loader(load)
    manager.init_app(app)

    @app.after_request
    def touch(response: Response) -> Response:
        if "_user_id" in session and current_user.is_authenticated:
            _touch()
        return response
