"""Finding complaints by tokens, the newest first, a page at a time in either direction.

Neither database can fall into reading complaint after complaint by date: SQLite's FTS5 gives its
hits in the order of ids and stops after a page. PostgreSQL is asked for the ids next to the cursor
first, an intersection inside the GIN index: a usual word fills its page there. A rare one has few
hits, which are counted without an order. What is neither is looked for in windows that grow, then
one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, bindparam, func, select, text
from sqlalchemy.orm import Session, joinedload

from callcenter.store.models import Call, Complaint, Ticket, UtcDateTime
from callcenter.store.search_models import BUCKETS

PAGE = 50
CAP = 1000
_MOST_AMONG = 1000
_NO_ID = 2**31 - 1

#: As `domain.window.standing` has it: answered, ended or still open after the window.
_LATE = (
    " AND EXISTS (SELECT 1 FROM tickets t WHERE t.complaint_id = {0} AND coalesce("
    "CASE WHEN t.handled_at < t.responded_at THEN t.handled_at END,"
    " t.responded_at, t.handled_at, t.returned_at, t.closed_at, :now) >= t.due_at)"
)


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for: of each clause one token (`store.search_index`).

    `late`: has a ticket past its window at `now`. `among`: these ids alone.
    """

    clauses: tuple[tuple[str, ...], ...] = ()
    now: datetime | None = None
    late: bool = False
    among: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: below `before`, or above `after`; without both at the newest."""

    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Ids, the newest first; whether there are others on both sides; how many in all, up to
    CAP + 1."""

    ids: list[int] = field(default_factory=list)
    newer: bool = False
    older: bool = False
    total: int = 0


def page(session: Session, sought: Sought, cursor: Cursor, size: int = PAGE) -> Page:
    """A page of what is sought. Not a whole page above `after`: the first page instead."""
    total = count(session, sought)
    if cursor.after is not None:
        ids = _found(session, sought, cursor, size + 1)
        if len(ids) >= size:
            return Page(ids[:size][::-1], len(ids) > size, True, total)
        cursor = Cursor()
    ids = _found(session, sought, cursor, size + 1)
    newer = cursor.before is not None and bool(
        _found(session, sought, Cursor(after=cursor.before - 1), 1)
    )
    return Page(ids[:size], newer, len(ids) > size, total)


def count(session: Session, sought: Sought) -> int:
    """How many, up to CAP + 1."""
    if sought.among is None and not sought.clauses:
        some = select(Complaint.id).limit(CAP + 1).subquery()
        return session.scalar(select(func.count()).select_from(some)) or 0
    return len(_found(session, sought, Cursor(), CAP + 1))


def _found(session: Session, sought: Sought, cursor: Cursor, most: int) -> list[int]:
    """Ids next to the cursor, nearest first."""
    if sought.among is not None and not sought.among:
        return []
    if not sought.clauses:
        return _by_id(session, sought, cursor, most)
    if session.get_bind().dialect.name == "sqlite":
        return _on_sqlite(session, sought, cursor, most)
    return _on_postgresql(session, sought, cursor, most)


def _by_id(session: Session, sought: Sought, cursor: Cursor, most: int) -> list[int]:
    rows = select(Complaint.id)
    if sought.among is not None:
        rows = rows.where(Complaint.id.in_(sought.among))
    if cursor.after is not None:
        rows = rows.where(Complaint.id > cursor.after).order_by(Complaint.id)
    else:
        rows = rows.where(Complaint.id < (cursor.before or _NO_ID)).order_by(Complaint.id.desc())
    return list(session.scalars(rows.limit(most)))


def _more(sought: Sought, column: str) -> tuple[str, dict[str, Any]]:
    """Conditions beside the tokens, and their values."""
    said = ""
    values: dict[str, Any] = {}
    if sought.late:
        said, values = _LATE.format(column), {"now": sought.now}
    if sought.among is not None:
        said, values = f"{said} AND {column} IN :among", values | {"among": sought.among}
    return said, values


def _statement(sql: str, values: dict[str, Any]) -> TextClause:
    bound = []
    if "now" in values:
        bound.append(bindparam("now", type_=UtcDateTime()))
    if "among" in values:
        bound.append(bindparam("among", expanding=True))
    return text(sql).bindparams(*bound)


# ---------------------------------------------------------------- SQLite


def _on_sqlite(session: Session, sought: Sought, cursor: Cursor, most: int) -> list[int]:
    groups = (" OR ".join(f'"{token}"' for token in clause) for clause in sought.clauses)
    more, values = _more(sought, "complaint_fts.rowid")
    side, order = ("< :edge", "DESC") if cursor.after is None else ("> :edge", "ASC")
    values |= {"wanted": " AND ".join(f"({group})" for group in groups), "most": most}
    values["edge"] = (cursor.before or _NO_ID) if cursor.after is None else cursor.after
    sql = (
        f"SELECT rowid FROM complaint_fts WHERE complaint_fts MATCH :wanted AND rowid {side}{more}"  # noqa: S608
        f" ORDER BY rowid {order} LIMIT :most"
    )
    return [row[0] for row in session.execute(_statement(sql, values), values)]


# ---------------------------------------------------------------- PostgreSQL


def _on_postgresql(session: Session, sought: Sought, cursor: Cursor, most: int) -> list[int]:
    highest = session.scalar(select(func.max(Complaint.id))) or 0
    # Its guesses about lexemes are rough: it must not read the table instead.
    session.execute(text("SET LOCAL enable_seqscan = off"))
    try:
        return _nearest(session, sought, cursor, most, highest)
    finally:
        session.execute(text("SET LOCAL enable_seqscan = on"))


def _nearest(
    session: Session, sought: Sought, cursor: Cursor, most: int, highest: int
) -> list[int]:
    down = cursor.after is None
    edge = min(cursor.before or _NO_ID, highest + 1) if down else int(cursor.after or 0)
    near = (edge - 1 if down else edge + 1) if 0 <= edge <= highest + 1 else edge
    if sought.among is not None:
        return _asked(session, sought, "", edge, most, down=down)
    found = _asked(session, sought, _pair(BUCKETS[0], near, down), edge, most, down=down)
    if len(found) >= most:
        return found
    probe = max(most, CAP + 1)
    some = _asked(session, sought, "", edge, probe, down=down, ordered=False)
    if len(some) < probe:
        return sorted(some, reverse=down)[:most]
    found = []
    for window in _windows(near, highest, down):
        last = _asked(session, sought, window.tokens, edge, most, down=down)
        found = last if window.whole else found + last
        if len(found) >= most:
            break
    return found[:most]


@dataclass(frozen=True, slots=True)
class _Window:
    """A condition on ids; `whole`: it holds what the windows before it held."""

    tokens: str
    whole: bool


def _windows(near: int, highest: int, down: bool) -> Iterator[_Window]:
    for size in BUCKETS[1:]:
        yield _Window(_pair(size, near, down), True)
    widest, step = BUCKETS[-1], -1 if down else 1
    bucket = (near >> widest) + 2 * step
    while 0 <= bucket <= highest >> widest:
        yield _Window(f" & 'b_{widest}_{bucket}'", False)
        bucket += step


def _pair(size: int, near: int, down: bool) -> str:
    """The bucket that holds `near`, and the one behind it."""
    bucket = max(0, near) >> size
    behind = bucket - 1 if down else bucket + 1
    other = f" | 'b_{size}_{behind}'" if behind >= 0 else ""
    return f" & ('b_{size}_{bucket}'{other})"


def _asked(
    session: Session,
    sought: Sought,
    window: str,
    edge: int,
    most: int,
    *,
    down: bool,
    ordered: bool = True,
) -> list[int]:
    groups = (" | ".join(f"'{token}'" for token in clause) for clause in sought.clauses)
    more, values = _more(sought, "complaint_search.complaint_id")
    values |= {"wanted": " & ".join(f"({g})" for g in groups) + window, "edge": edge, "most": most}
    # "+ 0": the edge is no reason to walk along the primary key.
    hits = (
        "SELECT complaint_id FROM complaint_search WHERE tokens @@ CAST(:wanted AS tsquery)"  # noqa: S608
        f" AND complaint_id + 0 {'<' if down else '>'} :edge{more}"
    )
    order = f" ORDER BY complaint_id {'DESC' if down else 'ASC'}"
    sql = (
        f"WITH hits AS MATERIALIZED ({hits}) SELECT complaint_id FROM hits{order} LIMIT :most"  # noqa: S608
        if ordered
        else f"{hits} LIMIT :most"
    )
    return [row[0] for row in session.execute(_statement(sql, values), values)]


# ---------------------------------------------------------------- rows, numbers, telephones


def complaints(session: Session, ids: Sequence[int]) -> list[Complaint]:
    """These complaints with what a list shows, in the order of `ids`."""
    rows = session.scalars(
        select(Complaint)
        .where(Complaint.id.in_(ids))
        .options(joinedload(Complaint.call).selectinload(Call.recordings))
    )
    by_id = {row.id: row for row in rows}
    return [by_id[number] for number in ids if number in by_id]


def tickets_of(session: Session, ids: Sequence[int], agency_key: str) -> dict[int, Ticket]:
    """The latest ticket of an agency for each of these complaints."""
    rows = select(Ticket).where(Ticket.complaint_id.in_(ids), Ticket.agency_key == agency_key)
    return {row.complaint_id: row for row in session.scalars(rows.order_by(Ticket.id))}


def by_telephone(session: Session, telephone: str) -> tuple[int, ...]:
    """Ids of the newest complaints from this telephone (E.164), or whose reporter has it."""
    reported = select(Complaint.id).where(Complaint.reporter_phone == telephone)
    called = select(Complaint.id).join(Complaint.call).where(Call.caller == telephone)
    both = {*session.scalars(reported.order_by(Complaint.id.desc()).limit(_MOST_AMONG))}
    both |= {*session.scalars(called.order_by(Complaint.id.desc()).limit(_MOST_AMONG))}
    return tuple(sorted(both, reverse=True)[:_MOST_AMONG])


def telephones_of(session: Session, complaint_id: int) -> tuple[str, ...]:
    """The reporter's telephone, and the one that called."""
    row = session.execute(
        select(Complaint.reporter_phone, Call.caller)
        .outerjoin(Complaint.call)
        .where(Complaint.id == complaint_id)
    ).first()
    return tuple(dict.fromkeys(telephone for telephone in row or () if telephone))


def by_number(session: Session, number: str) -> tuple[int, ...]:
    """The id of the complaint with this public number; empty without one."""
    return tuple(session.scalars(select(Complaint.id).where(Complaint.public_number == number)))
