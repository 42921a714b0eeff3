"""Who may open which door: every view carries a mark, and a view without one never starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, abort, current_app, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from callcenter.web.context import me

View = TypeVar("View", bound=Callable[..., Any])

#: Marks that are not rights of `domain.people`.
PUBLIC = "public"  # no sign-in: sign-in itself, health, officers' signed links
SIGNED_IN = "signed_in"  # any role


def needs(*rights: str) -> Callable[[View], View]:
    """Mark a view: the reader needs one of `rights`, or PUBLIC, or SIGNED_IN."""

    def mark(view: View) -> View:
        view.needs = rights  # type: ignore[attr-defined]
        return view

    return mark


def rights_of(app: Flask, endpoint: str) -> tuple[str, ...]:
    """The mark of an endpoint; empty when there is none."""
    if endpoint == "static":
        return (PUBLIC,)
    rights: tuple[str, ...] = getattr(app.view_functions[endpoint], "needs", ())
    return rights


def guard() -> Response | None:
    """Before each request: to the sign-in page, 403, or on to the view."""
    if request.endpoint is None:
        return None
    rights = rights_of(current_app, request.endpoint)
    if PUBLIC in rights:
        return None
    if not current_user.is_authenticated:
        return _to_sign_in()
    if SIGNED_IN not in rights and not me().may_any(rights):
        abort(403)
    return None


def _to_sign_in() -> Response:
    """The sign-in page; a fragment or a stream is told 401, for it cannot follow."""
    if "HX-Request" in request.headers or request.endpoint == "events.stream":
        abort(401)
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.sign_in", next=wanted))


def init(app: Flask) -> None:
    """Guard every route; a view without a mark is a mistake of ours and stops the start."""
    unmarked = [
        rule.endpoint for rule in app.url_map.iter_rules() if not rights_of(app, rule.endpoint)
    ]
    if unmarked:
        raise RuntimeError(f"views without a right: {', '.join(sorted(unmarked))}")
    app.before_request(guard)
