"""What the exchange recorded about its calls, in the database: taken in line by line, once.

A chunk of the record and the position behind it are written in one transaction, so a crash reads
it again and an older copy of the database reads on from where it was. Taking in the same lines
twice changes nothing: a call is known by its id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from callcenter.gateways.cel import ChannelEvent, Chunk
from callcenter.services import intake
from callcenter.services.intake import HeardCall
from callcenter.services.turns import take_turn
from callcenter.store.exchange_models import ExchangeCall, ExchangeFile
from callcenter.store.models import Call
from ivr.spool import is_call_id

#: The dialplan's context in which callers arrive; nobody else's channel begins there.
WAY_IN = "aduan-inbound"
#: So long after its end a call may still be on its way from the spool to the log.
ON_ITS_WAY = timedelta(seconds=60)
_MOST = 500  # in one transaction
_NOTHING_HEARD = float("inf")  # without audio there is no complaint


# ---------------------------------------------------------------- reading


def positions(session: Session, node: str) -> dict[str, int]:
    """How far each file of this exchange's record was read."""
    rows = session.execute(
        select(ExchangeFile.file, ExchangeFile.position).where(ExchangeFile.node == node)
    )
    return {row.file: row.position for row in rows}


def take(session: Session, node: str, chunk: Chunk, *, now: datetime) -> int:
    """Take a chunk in and move the position behind it; how many calls began in it.

    Harmless to repeat, and for two at once. The position never goes back: a chunk that was read
    from the beginning again, because its file is shorter than it was, adds what is missing.
    """
    take_turn(session, f"the record of {node}")
    file = session.scalar(
        select(ExchangeFile).where(ExchangeFile.node == node, ExchangeFile.file == chunk.file)
    )
    if file is None:
        file = ExchangeFile(node=node, file=chunk.file, position=0, unreadable=0, read_at=now)
        session.add(file)
    if chunk.start == file.position:
        file.position, file.unreadable = chunk.end, file.unreadable + chunk.unreadable
    file.read_at = now
    begun = _begin(session, node, chunk.events)
    for event in chunk.events:
        if call := begun.get(event.channel_id):
            _follow(call, event)
    session.flush()
    return sum(event.kind == "CHAN_START" for event in chunk.events if event.channel_id in begun)


def _begin(session: Session, node: str, events: Sequence[ChannelEvent]) -> dict[str, ExchangeCall]:
    """The calls of these events by id, those that are new among them."""
    ids = sorted({event.channel_id for event in events if is_call_id(event.channel_id)})
    known: dict[str, ExchangeCall] = {}
    for at in range(0, len(ids), _MOST):
        rows = select(ExchangeCall).where(ExchangeCall.call_uid.in_(ids[at : at + _MOST]))
        known |= {call.call_uid: call for call in session.scalars(rows)}
    for event in events:
        if _comes_in(event, node) and event.channel_id not in known:
            call = ExchangeCall(call_uid=event.channel_id, node=node, started_at=event.at)
            session.add(call)
            known[event.channel_id] = call
    return known


def _comes_in(event: ChannelEvent, node: str) -> bool:
    """Whether a caller arrives. Channels to operators and desks belong to a caller's."""
    ours = is_call_id(event.channel_id) and event.channel_id.startswith(f"{node}-")
    begins = event.kind == "CHAN_START" and event.context == WAY_IN
    return ours and begins and event.channel_id == event.linked_id


def _follow(call: ExchangeCall, event: ChannelEvent) -> None:
    if event.kind == "ANSWER":
        call.answered_at = call.answered_at or event.at
    elif event.kind == "HANGUP":
        call.cause = call.cause or event.cause
    if event.kind in ("HANGUP", "CHAN_END") and (call.ended_at is None or call.noticed):
        call.ended_at, call.noticed = event.at, False


# ---------------------------------------------------------------- calls that last


def open_calls(session: Session, node: str) -> frozenset[str]:
    """The ids of this exchange's calls that have not ended, as far as its record says."""
    rows = select(ExchangeCall.call_uid).where(
        ExchangeCall.node == node, ExchangeCall.ended_at.is_(None)
    )
    return frozenset(session.scalars(rows))


def notice_end(session: Session, node: str, gone: Collection[str], *, now: datetime) -> int:
    """These calls have ended without a word in the record; how many of them had not yet.

    Harmless to repeat. What the record says later about their end takes the place of `now`.
    """
    result = session.execute(
        update(ExchangeCall)
        .where(
            ExchangeCall.node == node,
            ExchangeCall.call_uid.in_(sorted(gone)[:_MOST]),
            ExchangeCall.ended_at.is_(None),
        )
        .values(ended_at=now, noticed=True)
    )
    return int(getattr(result, "rowcount", 0))


# ---------------------------------------------------------------- into the log


def anything_unlogged(session: Session, node: str) -> bool:
    """Whether a call has ended that is not marked as logged."""
    rows = select(ExchangeCall.id).where(
        ExchangeCall.logged.is_(False),
        ExchangeCall.node == node,
        ExchangeCall.ended_at.is_not(None),
    )
    return session.scalar(rows.limit(1)) is not None


def unlogged(session: Session, node: str, *, now: datetime) -> list[ExchangeCall]:
    """Ended calls that may be missing in the log: some that are on their way excepted."""
    rows = select(ExchangeCall).where(
        ExchangeCall.logged.is_(False),
        ExchangeCall.node == node,
        ExchangeCall.ended_at <= now - ON_ITS_WAY,
    )
    return list(session.scalars(rows.order_by(ExchangeCall.id).limit(_MOST)))


def mark_logged(session: Session, node: str) -> int:
    """Mark the calls that have their row in the log; how many were marked."""
    there = (
        select(ExchangeCall.id)
        .join(Call, Call.call_uid == ExchangeCall.call_uid)
        .where(ExchangeCall.logged.is_(False), ExchangeCall.node == node)
        .limit(_MOST)
    )
    ids = list(session.scalars(there))
    if ids:
        session.execute(update(ExchangeCall).where(ExchangeCall.id.in_(ids)).values(logged=True))
    return len(ids)


def log_it(session: Session, call: ExchangeCall, *, now: datetime) -> None:
    """Write the log's row of a call that left nothing but the exchange's record.

    Harmless to repeat. Whatever turns up later (a sidecar, audio) completes the row.
    """
    call.logged = True
    if session.scalar(select(Call.id).where(Call.call_uid == call.call_uid)) is not None:
        return
    ended_at = None if call.noticed else call.ended_at
    steps = (
        ("started", call.started_at, call.node),
        ("answered", call.answered_at, ""),
        ("ended", ended_at, call.cause),
    )
    heard = HeardCall(
        call_uid=call.call_uid,
        line=call.node,
        caller_raw="",
        called="",
        started_at=call.started_at,
        ended_at=ended_at,
        cause=call.cause,
        mode=intake.RECORD,
        consent_at=None,
        number=None,
        number_heard=False,
        path=tuple((at.timestamp(), key, word) for key, at, word in steps if at),
        clips=(),
    )
    intake.file_call(session, heard, now=now, silent_below=_NOTHING_HEARD)
