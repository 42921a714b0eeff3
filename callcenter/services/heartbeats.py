"""Signs of life: when each part last said that it works."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from callcenter.store.models import Heartbeat


def beat(
    session: Session, part: str, now: datetime, detail: Mapping[str, Any] | None = None
) -> None:
    """Write down that `part` works; `detail` are facts for `doctor`, as JSON takes them.

    One statement, so that two processes of the same part do not race for the first row.
    """
    row = {"part": part, "at": now, "detail": dict(detail or {})}
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(Heartbeat).values(row)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Heartbeat.part],
            set_={"at": statement.excluded.at, "detail": statement.excluded.detail},
        )
    )
