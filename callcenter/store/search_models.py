"""What complaints are found by, and the views that people saved.

`complaint_search` holds the tokens of each complaint (`store.search_index` writes them). Two
databases read it in their own way, and both find the newest first without looking at the others:

* SQLite: an FTS5 table over it, whose hits are in the order of their row ids.
* PostgreSQL: a tsvector that the database generates, with a GIN index. Among its lexemes are the
  buckets of ids that a complaint lies in, so that newer ones are found before older ones
  (`store.search`).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from sqlalchemy import DDL, ForeignKey, String, Text, UniqueConstraint, event
from sqlalchemy.orm import Mapped, mapped_column

from callcenter.store.models import Base

#: Ids are counted in buckets of 2**n: a page of a usual word lies in the newest ones.
BUCKETS = (11, 14, 17)


class ComplaintSearch(Base):
    """What one complaint is found by: tokens with a blank before each.

    `words` are those of the text, `facets` those of its other columns (the reporter's name among
    them, marked), `tickets` those of its tickets.
    """

    __tablename__ = "complaint_search"
    complaint_id: Mapped[int] = mapped_column(
        ForeignKey("complaints.id"), primary_key=True, autoincrement=False
    )
    words: Mapped[str] = mapped_column(Text)
    facets: Mapped[str] = mapped_column(Text)
    tickets: Mapped[str] = mapped_column(Text)


class SavedView(Base):
    """A search with a name; `query`: the part of the address after `?`.

    What is shared is seen by those of the same role (and of the same agency, for officers).
    """

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("owner", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(60))
    query: Mapped[str] = mapped_column(String(1000))
    shared: Mapped[bool] = mapped_column(default=False)
    made_at: Mapped[datetime]


# ---------------------------------------------------------------- the databases' own parts

_ALL = "{0}words || {0}facets || {0}tickets"
_IN_BUCKETS = " || ".join(f"' b_{n}_' || (complaint_id >> {n})::text" for n in BUCKETS)

_NEW, _OLD = _ALL.format("new."), _ALL.format("old.")
_WRITE = f"INSERT INTO complaint_fts (rowid, tokens) VALUES (new.complaint_id, {_NEW})"  # noqa: S608
_TAKE_OUT = (
    "INSERT INTO complaint_fts (complaint_fts, rowid, tokens)"  # noqa: S608 (all of it is ours)
    f" VALUES ('delete', old.complaint_id, {_OLD})"
)
_TRIGGER = "CREATE TRIGGER complaint_search_{0} AFTER {1} ON complaint_search BEGIN {2}; END"
ON_SQLITE = (
    "CREATE VIRTUAL TABLE complaint_fts USING fts5(tokens, content='', detail=none,"
    " columnsize=0, tokenize=\"unicode61 tokenchars '_'\")",
    _TRIGGER.format("written", "INSERT", _WRITE),
    _TRIGGER.format("gone", "DELETE", _TAKE_OUT),
    _TRIGGER.format("changed", "UPDATE", f"{_TAKE_OUT}; {_WRITE}"),
)
ON_POSTGRESQL = (
    "ALTER TABLE complaint_search ADD COLUMN tokens tsvector GENERATED ALWAYS AS"
    f" (array_to_tsvector(array_remove(string_to_array({_ALL.format('')} || {_IN_BUCKETS}, ' '),"
    " ''))) STORED",
    "CREATE INDEX ix_complaint_search_tokens ON complaint_search USING gin (tokens)"
    " WITH (gin_pending_list_limit = 256)",
)

#: What the models do not know of, and no comparison with them has to miss.
OWN_PARTS = re.compile(r"complaint_fts(_\w+)?|tokens|ix_complaint_search_tokens")


def compared(_thing: object, name: str | None, _kind: str, _there: bool, _ours: object) -> bool:
    """Whether the models know of such things: the search is each database's own matter."""
    return OWN_PARTS.fullmatch(name or "") is None


for _kind, _statements in (("sqlite", ON_SQLITE), ("postgresql", ON_POSTGRESQL)):
    for _statement in _statements:
        _ddl: Any = DDL(_statement)  # type: ignore[no-untyped-call]
        event.listen(ComplaintSearch.__table__, "after_create", _ddl.execute_if(dialect=_kind))
