"""Searches with a name: a person's own, and those that others of the same role share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from callcenter.domain.people import Role
from callcenter.services.desk import clean
from callcenter.services.errors import NotFound, Refused
from callcenter.store.models import User
from callcenter.store.search_models import SavedView

_MOST = 50
_LONGEST_QUERY = 1000


@dataclass(frozen=True, slots=True)
class Reader:
    """Who keeps and sees views."""

    username: str
    role: Role
    agency_key: str | None


def views(session: Session, reader: Reader) -> Sequence[SavedView]:
    """The person's own views, then those that others of role and agency share, by name."""
    rows = (
        select(SavedView)
        .join(User, User.username == SavedView.owner)
        .where(
            or_(
                SavedView.owner == reader.username,
                and_(
                    SavedView.shared,
                    User.active,
                    User.role == reader.role,
                    User.agency_key.is_not_distinct_from(reader.agency_key),
                ),
            )
        )
        .order_by((SavedView.owner == reader.username).desc(), SavedView.name, SavedView.id)
    )
    return session.scalars(rows.limit(2 * _MOST)).all()


def keep(
    session: Session, *, owner: str, name: str, query: str, shared: bool, now: datetime
) -> SavedView:
    """Keep a search under a name; the same name again replaces it. `query` has been checked."""
    name = " ".join(clean(name, 60, "name").split())
    if not name:
        raise Refused("name", "Beri nama tampilan ini.")
    if not query or len(query) > _LONGEST_QUERY:
        raise Refused("query", "Pilih dulu apa yang dicari.")
    kept = session.scalars(select(SavedView).where(SavedView.owner == owner)).all()
    view = next((view for view in kept if view.name == name), None)
    if view is None:
        if len(kept) >= _MOST:
            raise Refused("name", "Terlalu banyak tampilan; hapus satu dulu.")
        view = SavedView(owner=owner, name=name)
        session.add(view)
    view.query, view.shared, view.made_at = query, shared, now
    session.flush()
    return view


def drop(session: Session, view_id: int, *, owner: str) -> None:
    """Forget a view of one's own."""
    view = session.get(SavedView, view_id)
    if view is None or view.owner != owner:
        raise NotFound("Tampilan ini tidak ada.")
    session.delete(view)
