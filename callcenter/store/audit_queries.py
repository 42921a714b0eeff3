"""Queries of the audit page: read-only, by an index."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.store.models import Audit
from callcenter.store.queries import PAGE


def audit_rows(
    session: Session,
    *,
    actor: str,
    action: str,
    thing: str,
    before: int | None,
    most: int = PAGE,
) -> Sequence[Audit]:
    """Audit rows, newest first; an empty text asks for all."""
    rows = select(Audit).order_by(Audit.id.desc()).limit(most)
    for column, wanted in ((Audit.actor, actor), (Audit.action, action), (Audit.thing, thing)):
        if wanted:
            rows = rows.where(column == wanted)
    if before is not None:
        rows = rows.where(Audit.id < before)
    return session.scalars(rows).all()
