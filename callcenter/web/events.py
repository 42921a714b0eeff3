"""A stream that says when a list is out of date (server-sent events, WHATWG HTML 9.2).

It carries no data of citizens: the page asks for its list again. Each stream holds a thread of
the server, so only half of the threads may be streams; a page that gets none asks by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore, Event

from flask import Blueprint, Response, current_app, session

from callcenter.store import queries
from callcenter.store.session import Store
from callcenter.web.access import SIGNED_IN, needs
from callcenter.web.auth import still_valid
from callcenter.web.context import SignedIn, me, wiring

door = Blueprint("events", __name__)

_EVERY_S = 0.5
_CHECK_EVERY = 20  # looks (10 s) between heartbeats and checks that the session still holds


@door.get("/events")
@needs(SIGNED_IN)
def stream() -> Response:
    """Events `changed`, `alarms`, `operators` (whose telephone does what) and, at the session's
    end, `ended`; 503 when all streams are taken."""
    places: BoundedSemaphore = current_app.extensions["aduan24-streams"]
    if not places.acquire(blocking=False):
        return Response(status=503, headers={"Retry-After": "30"})
    limit = timedelta(hours=wiring().config.web.session_hours)
    ends = datetime.fromtimestamp(session["seen"], UTC) + limit
    response = Response(
        _changes(wiring().store, me(), ends, current_app.extensions["aduan24-stop"]),
        mimetype="text/event-stream",
    )
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(places.release)
    return response


def _changes(store: Store, person: SignedIn, ends: datetime, stop: Event) -> Iterator[str]:
    """Look twice a second until `stop`; the first line opens the stream at once."""
    yield "retry: 2000\n\n"
    last: queries.Pulse | None = None
    looks = 0
    while datetime.now(UTC) < ends and not stop.is_set():
        with store.read() as db:
            pulse = queries.pulse(db)
            if (
                looks % _CHECK_EVERY == 0
                and still_valid(db, person.id, person.session_version) is None
            ):
                break
        if last is not None and pulse.alarms != last.alarms:
            yield "event: alarms\ndata: 1\n\n"
        if last is not None and pulse.operators != last.operators:
            yield "event: operators\ndata: 1\n\n"
        if last is not None and replace(pulse, operators=last.operators) != last:
            yield "event: changed\ndata: 1\n\n"
        elif looks % _CHECK_EVERY == 0:
            yield ": still here\n\n"
        last, looks = pulse, looks + 1
        stop.wait(_EVERY_S)
    if not stop.is_set():
        yield "event: ended\ndata: 1\n\n"
