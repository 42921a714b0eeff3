"""Is it well? For monitors: no sign-in, no personal data."""

from __future__ import annotations

from flask import Blueprint, jsonify
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from callcenter.services.alarms import all_standing
from callcenter.store import queries
from callcenter.web.access import PUBLIC, needs
from callcenter.web.context import now, reading

door = Blueprint("health", __name__)


@door.get("/healthz")
@needs(PUBLIC)
def healthz() -> tuple[Response, int]:
    """200 with the database readable, else 503; the age in seconds of each part's heartbeat, and
    the alarms that stand, such as `room:full`."""
    try:
        beats = queries.heartbeats(reading())
        standing = [f"{alarm.kind}:{alarm.level}" for alarm in all_standing(reading())]
    except SQLAlchemyError:
        return jsonify(status="down", database="unreachable", parts={}, alarms=[]), 503
    parts = {b.part: round((now() - b.at).total_seconds(), 1) for b in beats}
    return jsonify(status="ok", database="ok", parts=parts, alarms=standing), 200
