"""The log of calls, as complete as the exchange's own record: what one exchange's machine does.

`read` takes the record in, `end` sees that no call lasts longer here than there, `complete` puts
what is missing into the log, `remember` looks for calls that the database has forgotten. Each may
be repeated, killed, or done by several at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from callcenter.gateways.cel import Record
from callcenter.services import exchange_log, kept
from callcenter.store.session import Store
from ivr.spool import Spool

log = logging.getLogger("aduan24.calls")

_ASIDE_BYTES = 4 * 1024 * 1024  # some 7,000 calls
_LOOK_BACK_EVERY = timedelta(hours=24)

Live = Callable[[], Collection[str] | None]


@dataclass
class CallLog:
    """One exchange's; `kept_for` is how long its record is kept."""

    store: Store
    node: str
    record: Record
    spool: Spool
    recordings: Path
    kept_for: timedelta
    _days: list[date] = field(default_factory=list, repr=False)
    _looked_back_at: datetime | None = field(default=None, repr=False)

    def read(self, now: datetime) -> int:
        """Take in what the exchange has written since; how many calls began. Raises OSError."""
        with self.store.read() as session:
            known = exchange_log.positions(session, self.node)
        begun = 0
        for chunk in self.record.chunks(lambda file: known.get(file, 0)):
            with self.store.write() as session:
                begun += exchange_log.take(session, self.node, chunk, now=now)
            if chunk.unreadable:
                log.warning(
                    "%d damaged lines in the exchange's record were passed over", chunk.unreadable
                )
        return begun

    def end(self, now: datetime, live: Live) -> int:
        """End the calls that the exchange does not have any more; how many.

        `live` asks for the ids of the channels that exist, None if nobody knows. The record is
        read once more before: it says when and why a call ended.
        """
        with self.store.read() as session:
            before = exchange_log.open_calls(session, self.node)
        if not before or (there := live()) is None:
            return 0
        if not (gone := before - frozenset(there)):
            return 0
        self.read(now)
        with self.store.write() as session:
            ended = exchange_log.notice_end(session, self.node, gone, now=now)
        if ended:
            log.warning("%d calls ended without a word from the exchange", ended)
        return ended

    def complete(self, now: datetime) -> int:
        """Put ended calls into the log that are missing there; how many.

        What was filed once goes the way of every call again, through the spool. Of what left
        nothing but the record, the record is written.
        """
        with self.store.read() as session:
            if not exchange_log.anything_unlogged(session, self.node):
                return 0
        with self.store.write() as session:
            while exchange_log.mark_logged(session, self.node):
                pass
        with self.store.read() as session:
            missing = exchange_log.unlogged(session, self.node, now=now)
        lost = [call for call in missing if not self._comes(call.call_uid, call.started_at)]
        for call in lost:
            with self.store.write() as session:
                exchange_log.log_it(session, session.merge(call), now=now)
        if lost:
            log.warning("%d calls are in the log from the exchange's record alone", len(lost))
        return len(lost)

    def _comes(self, call_id: str, begun: datetime) -> bool:
        """Whether the call lies in the spool, or does now."""
        if self.spool.holds(call_id):
            return True
        back = kept.put_back(self.spool, self.recordings, call_id, begun)
        if back:
            log.warning("call %s: the database had forgotten it", call_id)
        return back

    def remember(self, now: datetime) -> int:
        """Lay calls of one day back into the spool that the database has forgotten; how many.

        One day of recordings at each call, the latest first; all of them once a day, and after a
        start: an older copy of the database may have taken its place.
        """
        if self._looked_back_at is None or now - self._looked_back_at >= _LOOK_BACK_EVERY:
            self._days, self._looked_back_at = kept.days(self.recordings), now
        if not self._days:
            return 0
        day = self._days.pop(0)
        with self.store.read() as session:
            ids = list(kept.forgotten(session, self.recordings, day))
        begun = datetime(day.year, day.month, day.day, 12, tzinfo=now.tzinfo)
        return sum(self._comes(call_id, begun) for call_id in ids)

    def tidy(self, now: datetime) -> None:
        """Put a long record aside, and delete what is older than recordings. Raises OSError."""
        self.record.put_aside(now, _ASIDE_BYTES)
        self.record.forget(now - self.kept_for)
