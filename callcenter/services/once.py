"""A form that is sent several times counts once: a telephone in the field sends until it hears."""

from __future__ import annotations

import re
from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from callcenter.store.models import Submission

_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


def key_of(text: str) -> str | None:
    """The key of a form; None for what is none: such a form is taken as it comes."""
    return text if _KEY.fullmatch(text) else None


def seen(session: Session, link_id: int, key: str | None) -> bool:
    """Whether this form of this link was taken already."""
    return key is not None and session.get(Submission, (link_id, key)) is not None


def first_time(session: Session, link_id: int, key: str | None, verb: str, now: datetime) -> bool:
    """Write the key down in the transaction that does what the form asks; False for a repeat.

    Of two at the same moment the second waits for the first: if that is undone, it is the first.
    """
    if key is None:
        return True
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    written = session.scalar(
        insert(Submission)
        .values(link_id=link_id, key=key, verb=verb, at=now)
        .on_conflict_do_nothing()
        .returning(Submission.key)
    )
    return written is not None
