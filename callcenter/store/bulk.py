"""Many rows of one kind, written by one statement without an object for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from callcenter.store.models import Base


def write_rows(session: Session, kind: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert them. Each row has the same columns, and names each that may not be empty.

    What the session holds is not written first: flush where the order matters.
    """
    if rows:
        table = Base.metadata.tables[kind.__tablename__]
        session.connection().execute(table.insert(), list(rows))
