"""One complaint: listen, write down, place, send to an agency, ask the citizen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from callcenter.domain.complaint import Outcome
from callcenter.services import claims, closing, dispatch, drafts, privacy, sequence, tickets
from callcenter.services import desk as service
from callcenter.services.desk import DeskForm
from callcenter.services.errors import Conflict, Refused
from callcenter.store import desk_queries
from callcenter.store.models import Complaint
from callcenter.web import desk_page
from callcenter.web.access import needs
from callcenter.web.context import me, now, reading, stop_reading, wiring, writing
from callcenter.web.inbox import seen
from callcenter.web.typing import hand

door = Blueprint("desk", __name__)

Answer = str | Response | tuple[str, int]


@door.get("/complaints/<int:complaint_id>")
@needs("work_desk")
def complaint(complaint_id: int) -> str | Response:
    """The desk; the list refresh asks for the side column alone and leaves the typing alone.

    Opening it takes the complaint, unless somebody else has it.
    """
    if "HX-Request" in request.headers and "clips" in request.args:
        return _clips(service.find(reading(), complaint_id))
    if "HX-Request" in request.headers:
        return render_template(
            "desk_side.html", **desk_page.side(service.find(reading(), complaint_id))
        )
    with writing() as db:
        lasts = wiring().rules.claim_lasts
        claims.take(db, complaint_id, actor=me().username, now=now(), lasts=lasts)
    page = desk_page.page(service.find(reading(), complaint_id))
    seen(f"complaint:{complaint_id}", "complaint_seen")
    return page


@door.get("/desk/next")
@needs("work_desk")
def following() -> Response:
    """The next complaint that nobody has."""
    return _next()


def _clips(found: Complaint) -> str | Response:
    """The recordings, only where there are others than the page shows: one may be playing."""
    there = len(found.call.recordings) if found.call else 0
    if request.args.get("clips", type=int) == there:
        return Response(status=204)
    return render_template("desk_clips.html", c=found)


@door.post("/complaints/<int:complaint_id>")
@needs("work_desk")
def save(complaint_id: int) -> Answer:
    """Save what was typed; with `do=dispatch` send it on as well.

    They are two transactions: an agency that is refused does not undo the saved transcript.
    """
    form = desk_page.typed()
    try:
        with writing() as db:
            service.save(
                db,
                complaint_id,
                form,
                actor=me().username,
                now=now(),
                rules=wiring().rules,
                version=request.form.get("version", type=int),
                draft=request.form.get("draft", type=int),
                tab=hand().tab,
            )
        do = request.form.get("do")
        if do in ("dispatch", "next"):
            _dispatch(complaint_id, form)
            flash(_("Tersimpan dan diteruskan."), "ok")
        else:
            flash(_("Tersimpan."), "ok")
    except Refused as error:
        return _again(complaint_id, form, {error.field: _(error.message)}, 400)
    except Conflict as error:
        with writing() as db:
            drafts.lose(db, complaint_id, request.form, hand())
        return _again(complaint_id, form, {"version": _(error.message)}, 409)
    if do == "next":
        return _next()
    return redirect(url_for("desk.complaint", complaint_id=complaint_id))


def _next() -> Response:
    """The next one that nobody has; the inbox when none waits."""
    since = now() - wiring().rules.claim_lasts
    following = desk_queries.next_on_desk(reading(), me().username, since)
    if following is None:
        return redirect(url_for("inbox.home"))
    return redirect(url_for("desk.complaint", complaint_id=following))


def _dispatch(complaint_id: int, form: DeskForm) -> None:
    if not form.category_key:
        raise Refused("category_key", _("Pilih kategori sebelum meneruskan."))
    if not form.village_code:
        raise Refused("village_code", _("Pilih desa sebelum meneruskan."))
    if not form.transcript.strip():
        raise Refused("transcript", _("Tulis transkrip sebelum meneruskan."))
    if not request.form.get("agency_key"):
        raise Refused("agency_key", _("Pilih instansi yang menerima."))
    if request.form.get("when") == "after":
        with writing() as db:
            sequence.plan(
                db,
                complaint_id,
                agency_key=request.form["agency_key"],
                order=request.form.get("order", "").strip(),
                actor=me().username,
                now=now(),
            )
        return
    with writing() as db:
        lasts = wiring().rules.claim_lasts
        claims.check(db, complaint_id, actor=me().username, now=now(), lasts=lasts)
        dispatch.dispatch(
            db,
            complaint_id,
            agency_key=request.form["agency_key"],
            order=request.form.get("order", "").strip(),
            actor=me().username,
            now=now(),
            rules=wiring().rules,
        )
        claims.done(db, complaint_id, now=now())


@door.post("/complaints/<int:complaint_id>/returned")
@needs("work_desk")
def settle_return(complaint_id: int) -> Answer:
    """No other agency is needed for what came back."""
    why = request.form.get("why", "")

    def settle(db: Session) -> None:
        tickets.settle_return(
            db, complaint_id, why=why, actor=me().username, now=now(), rules=wiring().rules
        )
        claims.done(db, complaint_id, now=now())

    return _do(complaint_id, settle, _("Tercatat: tidak perlu instansi lain."))


@door.post("/complaints/<int:complaint_id>/plans/<int:plan_id>/drop")
@needs("work_desk")
def drop_plan(complaint_id: int, plan_id: int) -> Answer:
    """The agency that was to come next is not needed."""
    why = request.form.get("why", "")
    return _do(
        complaint_id,
        lambda db: sequence.drop(
            db, plan_id, why=why, actor=me().username, now=now(), rules=wiring().rules
        ),
        _("Instansi berikutnya dibatalkan."),
    )


@door.post("/complaints/<int:complaint_id>/reject")
@needs("work_desk")
def propose_rejection(complaint_id: int) -> Answer:
    """Propose *not actionable*, with a reason."""
    reason = request.form.get("reason", "")
    try:
        with writing() as db:
            service.propose_rejection(
                db, complaint_id, reason=reason, actor=me().username, now=now()
            )
    except Refused as error:
        form = desk_page.stored(service.find(reading(), complaint_id))
        return _again(complaint_id, form, {"reason": _(error.message)}, 400)
    return _done(complaint_id, _("Diusulkan. Orang kedua harus menyetujui."))


@door.post("/complaints/<int:complaint_id>/reject/confirm")
@needs("confirm_not_actionable")
def confirm_rejection(complaint_id: int) -> Answer:
    """The second person's consent."""
    return _do(
        complaint_id,
        lambda db: service.confirm_rejection(db, complaint_id, actor=me().username, now=now()),
        _("Aduan ditandai tidak ditindaklanjuti."),
    )


@door.post("/complaints/<int:complaint_id>/forget")
@needs("forget_person")
def forget(complaint_id: int) -> Answer:
    """Take the reporter's name and number out, for a reason."""
    why = request.form.get("forget_why", "")
    return _do(
        complaint_id,
        lambda db: privacy.forget_person(db, complaint_id, why=why, actor=me().username, now=now()),
        _("Data pribadi pelapor dihapus."),
    )


@door.post("/complaints/<int:complaint_id>/asked")
@needs("work_desk")
def asked(complaint_id: int) -> Answer:
    """The citizen was asked whether it is solved."""
    return _do(
        complaint_id,
        lambda db: closing.asked(db, complaint_id, actor=me().username, now=now()),
        _("Tercatat: warga sudah ditanya."),
    )


@door.post("/complaints/<int:complaint_id>/word")
@needs("work_desk")
def word(complaint_id: int) -> Answer:
    """What the citizen says: solved, or not (which reopens the complaint)."""
    said = request.form.get("outcome", "")
    if said not in (Outcome.SOLVED, Outcome.NOT_SOLVED):
        raise Refused("outcome", _("Pilih selesai atau belum selesai."))
    return _do(
        complaint_id,
        lambda db: closing.word(
            db, complaint_id, Outcome(said), actor=me().username, now=now(), rules=wiring().rules
        ),
        _("Kata warga tercatat."),
    )


def _do(complaint_id: int, verb: Callable[[Session], object], words: str) -> Answer:
    """One verb in one transaction; a refusal is shown on the desk itself."""
    try:
        with writing() as db:
            verb(db)
    except Refused as error:
        flash(_(error.message), "bad")
        return redirect(url_for("desk.complaint", complaint_id=complaint_id))
    return _done(complaint_id, words)


def _done(complaint_id: int, words: str) -> Response:
    flash(words, "ok")
    return redirect(url_for("desk.complaint", complaint_id=complaint_id))


def _again(
    complaint_id: int, form: DeskForm, errors: dict[str, str], status: int
) -> tuple[str, int]:
    """The desk with everything that was typed, and the remedy at the field."""
    stop_reading()
    found = service.find(reading(), complaint_id)
    page = desk_page.page(
        found, form, errors, theirs=_differing(found, form) if status == 409 else ""
    )
    return page, status


def _differing(found: Complaint, form: DeskForm) -> str:
    """What the other person saved, where it is not what was typed here."""
    ours = asdict(form)
    draft = drafts.own(reading(), found.id)
    theirs = asdict(desk_page.typed_before(found, draft))
    return "\n".join(value for name, value in theirs.items() if value and value != ours[name])
