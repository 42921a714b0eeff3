"""The thread with the citizen at the desk: what both wrote, and one box whatever the channel."""

from __future__ import annotations

from secrets import token_hex

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.domain.correspondence import filled
from callcenter.services import correspondence as service
from callcenter.services import desk, drafts
from callcenter.services.errors import Conflict, Refused
from callcenter.store.models import Complaint
from callcenter.web import desk_page
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, stop_reading, wiring, writing
from callcenter.web.typing import hand
from ivr.numbers import format_number

door = Blueprint("correspondence", __name__)


@door.app_context_processor
def _helpers() -> dict[str, object]:
    return {
        "thread_of": thread_of,
        "ready_texts": ready_texts,
        "new_key": lambda: token_hex(16),
        "message_file_url": lambda f: url_for(
            "files.of_message", message_id=f.message_id, file_id=f.id
        ),
    }


def thread_of(complaint: Complaint) -> dict[str, object]:
    """What the thread's list shows."""
    db = reading()
    way = service.way(db, complaint, wiring().config.notices.channels, now=now())
    return {
        "lines": service.thread(db, complaint),
        "channel": way.channel,
        "why_not": _(way.why_not.message) if way.why_not else "",
    }


def ready_texts(complaint: Complaint) -> list[tuple[str, str]]:
    """(name, words) of the ready texts, in the citizen's language and with what is known put in."""
    programme = wiring().config.programme
    known = {
        "number": format_number(complaint.public_number),
        "phone": programme.phone,
        "programme": programme.name,
    }
    spoken = service.language(complaint)
    return [(t.name, filled(t.said(spoken), known)) for t in wiring().config.desk.replies]


@door.get("/complaints/<int:complaint_id>/thread")
@needs("work_desk")
def thread(complaint_id: int) -> str:
    """The list alone, when it renews itself; the typing is left alone."""
    return render_template("thread_list.html", c=desk.find(reading(), complaint_id))


@door.post("/complaints/<int:complaint_id>/reply")
@needs("work_desk")
def reply(complaint_id: int) -> Response | tuple[str, int]:
    """Write to the citizen. What is typed in the other fields of the desk stays as it was."""
    try:
        with writing() as db:
            service.reply(
                db,
                complaint_id,
                request.form.get("reply", ""),
                once=request.form.get("once", ""),
                actor=me().username,
                now=now(),
                rules=wiring().rules,
                channels=wiring().config.notices.channels,
            )
            _keep_the_rest(db, complaint_id)
    except (Refused, Conflict) as error:
        stop_reading()
        found = desk.find(reading(), complaint_id)
        words = {"reply": _(error.message)}
        status = 400 if isinstance(error, Refused) else 409
        return desk_page.page(found, desk_page.typed(), words), status
    flash(_("Balasan dikirim."), "ok")
    return redirect(url_for("desk.complaint", complaint_id=complaint_id, _anchor="thread"))


def _keep_the_rest(db: Session, complaint_id: int) -> None:
    """The letter has left; everything else that was typed is as unsaved as before."""
    drafts.keep(
        db,
        complaint_id,
        {**request.form, "reply": ""},
        version=max(0, request.form.get("draft", 0, type=int)),
        hand=hand(),
        lasts=wiring().rules.claim_lasts,
    )
