"""Playing what citizens said: with seeking, inside one folder, every playback written down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from flask import Blueprint, Response, abort, jsonify, request

from callcenter.services import audit, peaks
from callcenter.store import queries
from callcenter.store.models import Attachment, Recording
from callcenter.web import files
from callcenter.web.access import needs
from callcenter.web.context import address, me, now, reading, wiring, writing

door = Blueprint("recordings", __name__)

#: A seek within this span belongs to a playback that was written down already.
_ONE_PLAYBACK = timedelta(minutes=30)


@door.get("/recordings/<int:recording_id>.wav")
@needs("hear_recordings")
def play(recording_id: int) -> Response:
    """A recording (WAV); 206 for a range, 416 for one outside, 404 when the file is gone."""
    found = queries.recording(reading(), recording_id)
    if found is None:
        abort(404)
    return play_as(found, me().username)


def reasons_of(complaint_id: int) -> Sequence[Recording]:
    """What the citizen said when the line asked; nothing for who does not listen to citizens."""
    return queries.spoken_reasons(reading(), complaint_id) if me().may("hear_recordings") else ()


@door.get("/recordings/<int:recording_id>/peaks")
@needs("hear_recordings")
def shape(recording_id: int) -> Response:
    """The shape of a recording: a list of 300 numbers, 0 to 255; never changes."""
    found = queries.recording(reading(), recording_id)
    if found is None:
        abort(404)
    folder = wiring().config.storage.state / "peaks"
    bars = peaks.kept(folder, found.sha256)
    if bars is None:
        file, _size = files.open_inside(wiring().config.storage.recordings, found.path)
        with file:
            bars = peaks.measure(folder, found.sha256, file)
    response = jsonify(list(bars))
    response.headers["Cache-Control"] = "private, max-age=86400"
    return response


def play_as(found: Recording, actor: str) -> Response:
    """Send the file and write the playback down, before the first byte leaves."""
    return play_file(found, "audio/wav", actor, f"recording:{found.id}")


def play_file(found: Recording | Attachment, media_type: str, actor: str, thing: str) -> Response:
    """Send a sound; `thing` is its name in the audit."""
    response = files.send(
        wiring().config.storage.recordings,
        found.path,
        sha256=found.sha256,
        media_type=media_type,
    )
    if response.status_code in (200, 206) and request.method == "GET":
        _write_down(actor, thing)
    return response


def _write_down(actor: str, thing: str) -> None:
    """One row per playback; a seek counts as one of its own only when none came before it."""
    since = now() - _ONE_PLAYBACK
    if not files.plays_from_start() and queries.heard_since(reading(), actor, thing, since):
        return
    with writing() as db:
        audit.record(
            db, actor=actor, action="recording_played", thing=thing, now=now(), address=address()
        )
