"""What an engine made of a recording, beside what the operator writes. It saves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, render_template, request
from werkzeug.wrappers import Response

from callcenter.services import holding, speech_drafts
from callcenter.store.models import Complaint
from callcenter.store.speech_models import SpeechDraft
from callcenter.web.access import needs
from callcenter.web.context import me, reading, wiring

door = Blueprint("speech", __name__)

#: The engine is in doubt about words below this; they are marked.
UNSURE = 0.6


def drafts_of(complaint: Complaint) -> Sequence[SpeechDraft] | None:
    """Of the complaint's call; None where speech to text is off, or for who does not listen."""
    on = wiring().config.speech is not None and me().may("hear_recordings")
    if not on or complaint.call_id is None:
        return None
    return speech_drafts.of_call(reading(), complaint.call_id)


@door.get("/complaints/<int:complaint_id>/words")
@needs("work_desk")
def section(complaint_id: int) -> str | Response:
    """All drafts of a complaint, when there are others than those `shown`, else 204: a recording
    may come while the desk is open."""
    found = holding.find(reading(), complaint_id)
    drafts = drafts_of(found)
    if drafts is None:
        abort(404)
    if len(drafts) == request.args.get("shown", type=int):
        return Response(status=204)
    return render_template("speech_section.html", c=found, speech=drafts, unsure=UNSURE)


@door.get("/recordings/<int:recording_id>/words")
@needs("work_desk")
def words(recording_id: int) -> str | Response:
    """The draft of a recording; 204 while it is not finished, 404 where there is none."""
    found = speech_drafts.of_recording(reading(), recording_id)
    if found is None or wiring().config.speech is None or not me().may("hear_recordings"):
        abort(404)
    if found.state in (speech_drafts.WANTED, speech_drafts.RUNNING):
        return Response(status=204)
    return render_template("speech_draft.html", d=found, unsure=UNSURE)
