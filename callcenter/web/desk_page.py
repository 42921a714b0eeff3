"""The page of the desk: one complaint with all that an operator needs for it."""

from __future__ import annotations

from dataclasses import asdict

from flask import g, render_template, request, url_for
from flask_babel import gettext as _

from callcenter.domain.complaint import ENDED, all_answered
from callcenter.domain.complaint import TRANSITIONS as MOVES
from callcenter.domain.routing import Category, suggest_agency
from callcenter.domain.ticket import TicketState
from callcenter.services import claims, drafts, sequence
from callcenter.services.desk import DeskForm
from callcenter.store import desk_queries
from callcenter.store.desk_models import DeskClaim, DeskDraft
from callcenter.store.models import Complaint
from callcenter.web import speech
from callcenter.web.context import now, reading, wiring
from callcenter.web.recordings import reasons_of
from callcenter.web.screen import villages_by_district


def page(
    found: Complaint,
    form: DeskForm | None = None,
    errors: dict[str, str] | None = None,
    theirs: str = "",
) -> str:
    """What is stored, what was typed since, or `form` with its `errors` and what others saved."""
    rules, config = wiring().rules, wiring().config
    g.tiles = config.desk.map.tiles
    draft = drafts.own(reading(), found.id)
    restored = form is None and _unsaved(found, draft)
    written = draft.fields if form is None and draft else request.form
    form = form or typed_before(found, draft)
    sent = any(t.state is not TicketState.RETURNED for t in found.tickets)
    usual = suggest_agency(rules.categories, form.category_key)
    category = rules.category(form.category_key)
    return render_template(
        "desk.html",
        form=form,
        errors=errors or {},
        theirs=theirs,
        categories=rules.categories,
        agencies=config.agencies,
        places=villages_by_district(),
        agency_key=written.get("agency_key") or ("" if sent else usual) or "",
        sent=sent,
        order=written.get("order", ""),
        reply="" if draft is None and form is None else written.get("reply", ""),
        draft=draft,
        restored=restored,
        beside=drafts.beside(reading(), found.id) if claims.on_desk(found) else (),
        claim=_claim(found),
        words=config.desk.emergency_words,
        answers=config.desk.answers,
        desk_map=config.desk.map,
        file_url=lambda f: url_for("files.at_desk", complaint_id=found.id, file_id=f.id),
        earlier=desk_queries.earlier_of(reading(), phones_of(found), but=found.id),
        reject_reason=request.form.get("reason", ""),
        reason=_why(category) if category else "",
        why=_why,
        can_dispatch=found.state not in ENDED,
        can_reject=found.state in MOVES["reject"] and not found.reject_proposed_by,
        when=request.form.get("when", "now"),
        reasons=reasons_of(found.id),
        speech=speech.drafts_of(found),
        unsure=speech.UNSURE,
        reason_url=lambda r: url_for("recordings.play", recording_id=r.id),
        **side(found),
    )


def typed() -> DeskForm:
    """What the form of this request holds."""
    return DeskForm(**{name: request.form.get(name, "") for name in DeskForm.__dataclass_fields__})


def _unsaved(found: Complaint, draft: DeskDraft | None) -> bool:
    """Whether something was typed that is not what is stored."""
    if draft is None:
        return False
    saved: dict[str, str] = {**asdict(stored(found)), "order": "", "reply": ""}
    return any(draft.fields.get(name, value) != value for name, value in saved.items())


def typed_before(found: Complaint, draft: DeskDraft | None) -> DeskForm:
    """What is stored, with what was typed since and not saved."""
    typed = draft.fields if draft else {}
    saved = asdict(stored(found))
    return DeskForm(**{name: typed.get(name, value) for name, value in saved.items()})


def _claim(found: Complaint) -> DeskClaim | None:
    lasts = wiring().rules.claim_lasts
    return claims.current(reading(), found.id, now=now(), lasts=lasts)


def phones_of(found: Complaint) -> set[str]:
    """The numbers by which this person is known."""
    return {p for p in (found.reporter_phone, found.call.caller if found.call else None) if p}


def side(found: Complaint) -> dict[str, object]:
    """What the side column shows; it refreshes itself alone."""
    plans = sequence.open_plans(reading(), found.id)
    return {"c": found, "plans": plans, "can_word": _can_word(found)}


def _why(category: Category) -> str:
    agency = wiring().config.agency(category.agency)
    name = agency.name if agency else category.agency
    return str(
        _(
            "Disarankan: %(category)s biasanya dijawab %(agency)s.",
            category=category.name,
            agency=name,
        )
    )


def _can_word(found: Complaint) -> bool:
    """Whether the citizen's word can be written down; after the closing a no still counts."""
    return found.state in MOVES["reopen"] and all_answered([t.state for t in found.tickets])


def stored(found: Complaint) -> DeskForm:
    """The form as it is saved."""
    return DeskForm(
        transcript=found.transcript,
        category_key=found.category_key or "",
        village_code=found.village_code or "",
        place_note=found.place_note,
        urgency=found.urgency.value,
        reporter_name=found.reporter_name,
        reporter_phone=found.reporter_phone or "",
        position=str(found.position or ""),
    )
