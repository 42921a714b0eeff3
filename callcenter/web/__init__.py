"""The console and the officers' pages: thin doors to the services."""

from __future__ import annotations

from threading import BoundedSemaphore, Event

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

from callcenter.web import (
    access,
    alarms,
    audit_log,
    auth,
    callbacks,
    complaint_files,
    context,
    correspondence,
    counter,
    desk,
    duplicates,
    errors,
    events,
    health,
    inbox,
    line,
    machinery,
    messages,
    officer,
    officer_lists,
    operators,
    people,
    phone,
    prompts,
    recordings,
    reporter,
    reports,
    roster,
    screen,
    search,
    security,
    silence,
    speech,
    suggestions,
    telephone,
    tickets,
    twilio,
    twilio_messages,
    typing,
    waiting,
)
from callcenter.wiring import Wiring

_ROOMS = (
    auth,
    inbox,
    search,
    counter,
    desk,
    typing,
    complaint_files,
    suggestions,
    speech,
    duplicates,
    tickets,
    waiting,
    roster,
    callbacks,
    telephone,
    operators,
    silence,
    line,
    messages,
    machinery,
    alarms,
    audit_log,
    recordings,
    events,
    health,
    officer,
    officer_lists,
    people,
    correspondence,
    reporter,
    reports,
    prompts,
    phone,
    twilio,
    twilio_messages,
)


class _RowId(IntegerConverter):
    """A number in an address that can be a row's; a larger one is no page, not a mistake."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=2**31 - 1)


def create_app(wiring: Wiring) -> Flask:
    """The WSGI application over what `wiring` built; a view without a right stops the start."""
    app = Flask(__name__)
    app.secret_key = wiring.secret_key
    app.url_map.converters["int"] = _RowId
    context.init(app, wiring)
    app.extensions["aduan24-streams"] = BoundedSemaphore(max(1, wiring.config.web.threads // 2))
    app.extensions["aduan24-stop"] = Event()  # set it to let the open streams go
    screen.init(app)
    security.init(app, wiring.config.web)
    auth.init(app)
    errors.init(app)
    for room in _ROOMS:
        app.register_blueprint(room.door)
    access.init(app)
    return app
