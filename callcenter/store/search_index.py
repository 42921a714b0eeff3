"""Keeps what complaints are found by true: written by the flush that writes the complaint.

    row_of(complaint)               its tokens: words (`store.words`) and facets such as `s_closed`
    differing(connection, after)    complaints whose row is not what it should be
    mend(connection, after)         writes those rows anew; both a thousand ids at a time

Words of the reporter's name are marked (`n_wayan`): who may not read the name does not find by it.
Telephones are no tokens; they have indexes of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, event, insert, inspect, select, update
from sqlalchemy.orm import Mapper

from callcenter.domain.window import Standing, TicketTimes, standing
from callcenter.store.models import Complaint, Ticket
from callcenter.store.places import village
from callcenter.store.search_models import ComplaintSearch
from callcenter.store.words import folded

_ZONE = ZoneInfo("Asia/Makassar")  # of days and months; the index belongs to one regency
_AT_ONCE = 1000
_TABLE: Any = ComplaintSearch.__table__

_FOUND_BY = (
    "transcript",
    "place_note",
    "reporter_name",
    "village_code",
    "category_key",
    "channel",
    "state",
    "urgency",
    "received_at",
)
_TICKETS_FOUND_BY = (
    "agency_key",
    "dispatched_at",
    "due_at",
    "responded_at",
    "handled_at",
    "returned_at",
    "closed_at",
)


# ---------------------------------------------------------------- tokens


def facet(kind: str, value: str) -> str:
    """`s_received`: never equal to a word, which has no underscore."""
    return f"{kind}_{re.sub(r'[^a-z0-9]', '_', value.lower())}"


def name(word: str) -> str:
    """A word of the reporter's name."""
    return f"n_{word}"


def day_facets(first: date, last: date) -> tuple[str, ...]:
    """The fewest facets of whole years, months and days that are [first, last]."""
    found: list[str] = []
    at = first
    while at <= last:
        year_ends, month_ends = date(at.year, 12, 31), _month_ends(at)
        if (at.month, at.day) == (1, 1) and year_ends <= last:
            found, at = [*found, f"t_{at:%Y}"], year_ends
        elif at.day == 1 and month_ends <= last:
            found, at = [*found, f"t_{at:%Y%m}"], month_ends
        else:
            found.append(f"t_{at:%Y%m%d}")
        if at == date.max:
            break
        at = date.fromordinal(at.toordinal() + 1)
    return tuple(found)


def _month_ends(day: date) -> date:
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)


def row_of(complaint: Any) -> dict[str, str]:
    """The tokens of a complaint, or of anything with its columns; without its tickets'."""
    place = village(complaint.village_code or "")
    said = f"{complaint.transcript or ''} {complaint.place_note or ''}"
    words = folded(f"{said} {place.name} {place.district}" if place else said)
    day = _aware(complaint.received_at).astimezone(_ZONE)
    facets = [
        facet("s", complaint.state),
        facet("u", complaint.urgency or "report"),
        facet("c", complaint.channel),
        *(f"t_{day:{how}}" for how in ("%Y", "%Y%m", "%Y%m%d")),
        *(name(word) for word in folded(complaint.reporter_name or "")),
    ]
    if complaint.category_key:
        facets.append(facet("k", complaint.category_key))
    if place:
        facets += [facet("d", place.district), facet("v", place.code)]
    return {"words": _told(words), "facets": _told(facets)}


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tickets_told(tickets: Iterable[Any]) -> str:
    """The agencies, and how all of them together stand against the window.

    `w_open` is not answered yet: whether that is late is for the moment of asking to say.
    """
    rows = list(tickets)
    stand = {_stands(row) for row in rows}
    tokens = [facet("g", row.agency_key) for row in rows]
    for what in (Standing.MISSED, Standing.RUNNING, Standing.MET):
        if what in stand:
            tokens.append(f"w_{_WINDOW[what]}")
            break
    return _told(tokens)


_WINDOW = {Standing.MISSED: "late", Standing.RUNNING: "open", Standing.MET: "in_time"}


def _stands(row: Any) -> Standing:
    ended = row.returned_at or row.closed_at
    times = TicketTimes(
        row.dispatched_at,
        row.due_at,
        responded_at=row.responded_at,
        handled_at=row.handled_at,
        ended_at=ended,
    )
    return standing(times, row.dispatched_at)


def _told(tokens: Iterable[str]) -> str:
    return "".join(f" {token}" for token in sorted(set(tokens)))


# ---------------------------------------------------------------- by the flush


@event.listens_for(Complaint, "after_insert")
def _written(_mapper: Mapper[Complaint], connection: Connection, complaint: Complaint) -> None:
    row = {"complaint_id": complaint.id, "tickets": "", **row_of(complaint)}
    connection.execute(insert(_TABLE), row)


@event.listens_for(Complaint, "after_update")
def _changed(_mapper: Mapper[Complaint], connection: Connection, complaint: Complaint) -> None:
    if _touched(complaint, _FOUND_BY):
        _rewrite(connection, complaint.id, row_of(complaint))


@event.listens_for(Ticket, "after_insert")
@event.listens_for(Ticket, "after_update")
def _ticket_changed(_mapper: Mapper[Ticket], connection: Connection, ticket: Ticket) -> None:
    if _touched(ticket, _TICKETS_FOUND_BY):
        rows = _tickets(connection, ticket.complaint_id, ticket.complaint_id)
        _rewrite(connection, ticket.complaint_id, {"tickets": _tickets_told(rows)})


def _touched(thing: object, columns: Iterable[str]) -> bool:
    states = inspect(thing).attrs
    return any(states[column].history.has_changes() for column in columns)


def _rewrite(connection: Connection, complaint_id: int, values: dict[str, str]) -> None:
    """A complaint without a row is left for `mend`, which makes it whole."""
    row = update(_TABLE).where(_TABLE.c.complaint_id == complaint_id)
    connection.execute(row.values(values))


# ---------------------------------------------------------------- all of it


def differing(connection: Connection, after: int) -> tuple[list[int], int | None]:
    """Ids of the next thousand from `after` on that are found by something else than they should;
    and where to go on, None at the end."""
    wanted, last = _wanted(connection, after)
    found = {
        row.complaint_id: {"words": row.words, "facets": row.facets, "tickets": row.tickets}
        for row in connection.execute(select(_TABLE).where(_between(_TABLE, after, last)))
    }
    return sorted(n for n, row in wanted.items() if found.get(n) != row), last


def mend(connection: Connection, after: int) -> tuple[list[int], int | None]:
    """Write those rows anew that `differing` tells; the same result."""
    ids, last = differing(connection, after)
    if ids:
        wanted, _last = _wanted(connection, after)
        connection.execute(delete(_TABLE).where(_TABLE.c.complaint_id.in_(ids)))
        connection.execute(insert(_TABLE), [{"complaint_id": n, **wanted[n]} for n in ids])
    return ids, last


def fill(connection: Connection) -> None:
    """Rows for all complaints, into an empty table."""
    last: int | None = 0
    while last is not None:
        wanted, last = _wanted(connection, last)
        if wanted:
            rows = [{"complaint_id": number, **row} for number, row in wanted.items()]
            connection.execute(insert(_TABLE), rows)


def _wanted(connection: Connection, after: int) -> tuple[dict[int, dict[str, str]], int | None]:
    table = Complaint.__table__
    columns = [table.c.id, *(table.c[column] for column in _FOUND_BY)]
    some = select(*columns).where(table.c.id > after).order_by(table.c.id).limit(_AT_ONCE)
    rows = connection.execute(some).all()
    if not rows:
        return {}, None
    sent: dict[int, list[Any]] = {}
    for ticket in _tickets(connection, rows[0].id, rows[-1].id):
        sent.setdefault(ticket.complaint_id, []).append(ticket)
    found = {
        row.id: {**row_of(row), "tickets": _tickets_told(sent.get(row.id, ()))} for row in rows
    }
    return found, rows[-1].id


def _tickets(connection: Connection, first: int, last: int) -> Iterator[Any]:
    table = Ticket.__table__
    columns = [table.c.complaint_id, *(table.c[column] for column in _TICKETS_FOUND_BY)]
    within = table.c.complaint_id.between(first, last)
    return iter(connection.execute(select(*columns).where(within)).all())


def _between(table: Any, after: int, last: int | None) -> Any:
    return (table.c.complaint_id > after) & (table.c.complaint_id <= (last or after))
