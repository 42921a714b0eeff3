"""Who saw, heard, changed and exported what; and whether the record itself is whole."""

from __future__ import annotations

from flask import Blueprint, request

from callcenter.services import audit_chain, audit_watch
from callcenter.store import audit_queries
from callcenter.store.queries import PAGE
from callcenter.web.access import needs
from callcenter.web.audit_words import ACTIONS
from callcenter.web.context import reading
from callcenter.web.inbox import before, fragment

door = Blueprint("audit_log", __name__)

_LONGEST = 120


@door.get("/audit")
@needs("see_audit")
def index() -> str:
    """Audit rows, newest first; those of one actor, one action or one thing."""
    db = reading()
    actor, action, thing = _asked("actor"), _asked("action"), _asked("thing")
    chosen = {"actor": actor, "action": action, "thing": thing}
    sealed, waiting = audit_chain.sealed_and_not(db)
    return fragment(
        "audit.html",
        "audit_list.html",
        rows=audit_queries.audit_rows(db, actor=actor, action=action, thing=thing, before=before()),
        size=PAGE,
        chosen={name: value for name, value in chosen.items() if value},
        actions=ACTIONS,
        sealed=sealed,
        waiting=waiting,
        examined=audit_watch.last_examined(db),
    )


def _asked(name: str) -> str:
    return "".join(c for c in request.args.get(name, "") if c.isprintable()).strip()[:_LONGEST]
