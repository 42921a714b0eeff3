"""Headers, cookies, CSRF: what a browser must not do with our pages."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Request, Response, g, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from callcenter.config.schema import Web

_CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a signed link in a Referer would be a key given away
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}
#: Where a prompt is recorded, and the test phone; nowhere else does a page of ours listen.
_LISTENING = ("prompts.prompt", "prompts.record", "phone.page")
_YEAR_S = 31_536_000
#: Forms that carry photos; a minute of a prompt, two channels, 48 kHz; three of a test call.
_MOST_BYTES = {
    "officer.act": 64_000_000,
    "waiting.wait": 64_000_000,
    "files.add": 64_000_000,
    "prompts.record": 12_000_000,
    "phone.clip": 20_000_000,
}

csrf = CSRFProtect()


class _Sessions(SecureCookieSessionInterface):
    """Flask's own; who brings no cookie costs no signer."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a request."""
        if not request.cookies.get(self.get_cookie_name(app)):
            return self.session_class()
        return super().open_session(app, request)


def _room_for_files() -> None:
    """Only a few forms carry files; before anything reads the body."""
    if request.endpoint in _MOST_BYTES:
        request.max_content_length = _MOST_BYTES[request.endpoint]


def _add_headers(response: Response) -> Response:
    """On every answer; what is not a static file is never kept by a cache."""
    if request.endpoint in _LISTENING:
        policy = _HEADERS["Permissions-Policy"].replace("microphone=()", "microphone=(self)")
        response.headers["Permissions-Policy"] = policy
    if tiles := g.get("tiles"):  # of the page with the map, and of no other
        parts = urlsplit(tiles)
        policy = _CSP.replace("img-src 'self'", f"img-src 'self' {parts.scheme}://{parts.netloc}")
        response.headers["Content-Security-Policy"] = policy
    there = {name.lower() for name, _ in response.headers}
    for name, value in _HEADERS.items():
        if name.lower() not in there:
            response.headers.add(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "private, no-store")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR_S}")
    return response


def local_path(target: str | None) -> str | None:
    """`target` when it is a path of this console, else None: never another site.

    Browsers read `\\` as `/` and ignore tabs and newlines, so `/\\evil` and `/<tab>/evil` leave.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or any(ord(c) <= 32 or ord(c) == 127 for c in target):
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target


def _behind_proxy(web: Web) -> bool:
    """HTTPS outside and loopback inside: a proxy on this machine, whose word counts."""
    try:
        loopback = ip_address(web.bind).is_loopback
    except ValueError:
        loopback = web.bind == "localhost"
    return urlsplit(web.public_url).scheme == "https" and loopback


def init(app: Flask, web: Web) -> None:
    """Cookies, CSRF and headers for `app`."""
    app.config.update(
        SESSION_COOKIE_NAME="aduan24",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=urlsplit(web.public_url).scheme == "https",
        SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: nobody loses a long transcript
        WTF_CSRF_SSL_STRICT=False,  # asks for the Referer that we tell browsers not to send
        MAX_CONTENT_LENGTH=1_000_000,
    )
    if _behind_proxy(web):
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    app.session_interface = _Sessions()
    app.before_request(_room_for_files)
    csrf.init_app(app)
    app.after_request(_add_headers)
