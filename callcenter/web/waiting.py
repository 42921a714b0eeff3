"""What waits: by reason and agency, with age; and as a budget proposal to fill in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from callcenter.domain.ticket import WaitingReason
from callcenter.services import audit, budget_proposal, waiting
from callcenter.services.budget_proposal import Heading
from callcenter.services.errors import Refused
from callcenter.web import officer_forms
from callcenter.web.access import needs
from callcenter.web.context import address, me, now, reading, stop_reading, wiring, writing
from callcenter.web.inbox import fragment
from callcenter.web.tickets import ANY, own_agency, show, tabs, visible

door = Blueprint("waiting", __name__)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the list is narrowed to."""

    reason: WaitingReason | None
    agency_key: str | None


def _chosen() -> _Chosen:
    asked, own = request.args.get("agency", ""), own_agency()
    reason = request.args.get("reason", "")
    return _Chosen(
        WaitingReason(reason) if reason in set(WaitingReason) else None,
        own if own is not None else (asked if wiring().config.agency(asked) else None),
    )


def _rows(chosen: _Chosen) -> list[waiting.Row]:
    return waiting.waiting(
        reading(), wiring().rules, reason=chosen.reason, agency_key=chosen.agency_key
    )


@door.get("/waiting")
@needs(*ANY)
def index() -> str:
    """Everything that waits, who waits longest first within each agency."""
    chosen = _chosen()
    rows = _rows(chosen)
    return fragment(
        "waiting.html",
        "waiting_list.html",
        rows=rows,
        reason=chosen.reason,
        agency_key=chosen.agency_key,
        own=own_agency(),
        agencies=wiring().config.agencies,
        reasons=list(WaitingReason),
        by_reason=Counter(row.reason for row in rows),
        **tabs("waiting", chosen.agency_key),
    )


@door.get("/waiting.xlsx")
@needs("export_waiting")
def export() -> Response:
    """The same rows as a workbook; the export is written down."""
    chosen = _chosen()
    rows = _rows(chosen)
    config = wiring().config
    agency = config.agency(chosen.agency_key or "")
    made = budget_proposal.workbook(
        rows,
        Heading(
            config.programme.name,
            config.programme.regency,
            agency.name if agency else "Semua",
            budget_proposal.REASONS[chosen.reason] if chosen.reason else "Semua",
        ),
        now=now(),
        rules=wiring().rules,
    )
    with writing() as db:
        audit.record(
            db,
            actor=me().username,
            action="waiting_exported",
            thing=f"agency:{chosen.agency_key or '*'}",
            now=now(),
            address=address(),
            detail={"reason": chosen.reason.value if chosen.reason else None, "rows": len(rows)},
        )
    local = now().astimezone(config.programme.zone)
    name = f"usulan-anggaran-{chosen.agency_key or 'semua'}-{local:%Y%m%d}.xlsx"
    response = Response(made, mimetype=budget_proposal.MEDIA_TYPE)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@door.post("/tickets/<int:ticket_id>/wait")
@needs("mark_waiting")
def wait(ticket_id: int) -> AnyResponse | tuple[str, int]:
    """The agency, or the desk for it, says that the work has to wait."""
    visible(ticket_id)
    try:
        act = officer_forms.wait(ticket_id)
        with writing() as db:
            act(db, actor=me().username, now=now(), rules=wiring().rules)
    except Refused as error:
        stop_reading()
        return show(ticket_id, errors={error.field: _(error.message)}), 400
    flash(_("Tersimpan."), "ok")
    return redirect(url_for("tickets.ticket", ticket_id=ticket_id))
