"""While the operator types: reports that may be about the same; merging, following, parting."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.domain.complaint import ENDED, TRANSITIONS
from callcenter.services import followers, merging
from callcenter.services.duplicates import Draft, similar
from callcenter.services.errors import Refused
from callcenter.services.holding import find
from callcenter.store.models import Complaint
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, wiring, writing

door = Blueprint("duplicates", __name__)

_LONGEST = 20_000
_NO_ID = 2**31 - 1


@door.post("/complaints/<int:complaint_id>/similar")
@needs("work_desk")
def found(complaint_id: int) -> str:
    """What belongs together already, and what may be about the same as what is being typed."""
    complaint = find(reading(), complaint_id)
    return render_template(
        "duplicates_list.html",
        c=complaint,
        lead=followers.standing(reading(), complaint_id),
        followers=followers.of(reading(), complaint_id),
        found=_similar(complaint),
        can_merge=complaint.state in TRANSITIONS["merge"],
        ended=ENDED,
    )


def _similar(complaint: Complaint) -> list[object]:
    if complaint.state in ENDED or followers.standing(reading(), complaint.id):
        return []
    typed = request.form
    draft = Draft(
        text=typed.get("transcript", "")[:_LONGEST],
        village_code=typed.get("village_code", ""),
        place_note=typed.get("place_note", "")[:300],
        category_key=typed.get("category_key", ""),
        caller=complaint.reporter_phone or (complaint.call.caller if complaint.call else None),
    )
    rules = wiring().rules
    if rules.category(draft.category_key) is None:
        draft = Draft(draft.text, draft.village_code, draft.place_note, "", draft.caller)
    at = complaint.received_at
    return list(similar(reading(), draft, but=complaint.id, at=at, now=now(), rules=rules))


@door.post("/complaints/<int:complaint_id>/merge")
@needs("work_desk")
def merge(complaint_id: int) -> Response:
    """Merge into the lead, or follow it (`do=follow`), with a reason."""
    lead_id = min(request.form.get("lead_id", type=int) or 0, _NO_ID)
    why, actor = request.form.get("why", ""), me().username
    if request.form.get("do") == "follow":
        return _do(
            complaint_id,
            lambda db: merging.follow(
                db, complaint_id, lead_id=lead_id, why=why, actor=actor, now=now()
            ),
            _("Aduan ini mengikuti aduan itu; pelapornya ikut dikabari."),
        )
    return _do(
        complaint_id,
        lambda db: merging.merge(
            db,
            complaint_id,
            lead_id=lead_id,
            why=why,
            actor=actor,
            now=now(),
            rules=wiring().rules,
        ),
        _("Digabung. Pelapornya ikut dikabari."),
    )


@door.post("/complaints/<int:complaint_id>/links/<int:link_id>/part")
@needs("work_desk")
def part(complaint_id: int, link_id: int) -> Response:
    """Take a merge or a following back, with a reason."""
    why, actor = request.form.get("why", ""), me().username
    return _do(
        complaint_id,
        lambda db: merging.part(db, complaint_id, link_id=link_id, why=why, actor=actor, now=now()),
        _("Dipisahkan lagi; keadaannya seperti semula."),
    )


def _do(complaint_id: int, verb: Callable[[Session], object], words: str) -> Response:
    try:
        with writing() as db:
            verb(db)
        flash(words, "ok")
    except Refused as error:
        flash(_(error.message), "bad")
    return redirect(url_for("desk.complaint", complaint_id=complaint_id))
