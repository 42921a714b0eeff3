"""Who saw, heard, changed or exported what (UU 27/2022: every access is logged)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from callcenter.domain.audit_chain import Entry, mark_of
from callcenter.store.models import Audit
from callcenter.store.session import audit_key


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    thing: str,
    now: datetime,
    address: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one row; `thing` is `kind:id`, never a name or a number of a citizen."""
    row = Audit(
        at=now, actor=actor, action=action, thing=thing, address=address, detail=detail or {}
    )
    if key := audit_key(session):
        row.mark = mark_of(entry_of(row), key)
    session.add(row)


def entry_of(row: Audit) -> Entry:
    """What the row says, for its mark and its seal."""
    return Entry(row.at, row.actor, row.action, row.thing, row.address, row.detail)
