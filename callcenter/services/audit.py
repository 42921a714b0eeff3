"""Who saw, heard, changed or exported what (UU 27/2022: every access is logged)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from callcenter.store.models import Audit


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
    session.add(
        Audit(at=now, actor=actor, action=action, thing=thing, address=address, detail=detail or {})
    )
