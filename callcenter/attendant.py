"""Brings together what operators have said and what the exchange does, in the line process.

It looks at the queue whenever something may have happened, and once a second: the database
follows the exchange in who waits, rings and talks; the exchange follows the database in who is
signed in. Both are derived from how things stand, so that a restart of anything is only one more
look.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from callcenter.domain.presence import Board, Wanted, orders, serving
from callcenter.gateways.exchange_alive import is_dead
from callcenter.gateways.pbx import PbxUnavailable
from callcenter.services import filing, talks
from callcenter.services.intake import HeardCall
from callcenter.services.talks import Follower
from callcenter.store.operator_models import OperatorEvent
from callcenter.wiring import Wiring
from ivr.spool import NotInSpool, Spool
from ivr.waiting import Staff

log = logging.getLogger("aduan24.operators")

_LOOK_S = 1.0
_PATIENCE = timedelta(seconds=20)  # an exchange that was silent so long has lost its calls
_BREATH_S = 0.05  # several events come at once

_Seen = tuple[Board, frozenset[str], int]


class Attendant:
    """Looks after the operators' queue, in a thread of its own."""

    def __init__(self, wiring: Wiring) -> None:
        self._store, self._room = wiring.store, wiring.waiting_room
        waiting = wiring.config.line.waiting
        self._wrap_up = timedelta(seconds=waiting.wrap_up_seconds)
        self._follower = Follower(
            wiring.config.line.node, self._wrap_up, _Heard(wiring.spool), waiting.missed_calls
        )
        self._settings = wiring.asterisk_settings
        self._wake, self._over = threading.Event(), threading.Event()
        self._missed: deque[str] = deque()
        self._switchboard = wiring.switchboard(self._wake.set, self._missed.append)
        self._room.notify(self._wake.set)
        self._thread = threading.Thread(target=self._work, name="attendant", daemon=True)
        self._seen: _Seen | None = None
        self._due: datetime | None = None
        self._usual: float | None = None
        self._lost: datetime | None = None
        self._given_up = False
        self._failing = ""

    def start(self) -> None:
        """Look, until `stop`; returns at once."""
        self._switchboard.start()
        self._thread.start()

    def stop(self) -> None:
        """Look no more. What the exchange was told stays: calls go on reaching operators."""
        self._over.set()
        self._wake.set()
        self._thread.join(2.0)
        self._switchboard.stop()

    def _work(self) -> None:
        while not self._over.wait(_BREATH_S):
            self._wake.wait(_LOOK_S)
            self._wake.clear()
            if self._over.is_set():
                return
            try:
                self.look(datetime.now(UTC))
            except Exception as error:  # whatever it is, the next look makes it good
                self._failed(filing.plain(error))
            else:
                self._failed("")

    def _failed(self, said: str) -> None:
        """A failure is said once, until it is another one or over."""
        if said != self._failing:
            log.error("operators: %s", said) if said else log.info("operators: works again")
        self._failing = said

    # --- one look ----------------------------------------------------------------------

    def look(self, now: datetime) -> None:
        """Bring database and exchange together. Raises what the database raises."""
        try:
            board = self._switchboard.board()
        except PbxUnavailable:
            self._nobody_knows(now)
            return
        self._lost, self._given_up = None, False
        self._staff(board, now)
        for leg in board.legs:
            if leg.answered:  # whoever talks has been waited for enough
                self._room.leave(leg.call_id)
        waiting = self._room.waiting() | board.waiting
        missed = tuple(self._missed)
        if missed or self._news(board, waiting, now):
            self._seen = None
            with self._store.write() as session:
                talks.follow(session, board, waiting, self._follower, now=now, missed=missed)
            for _ in missed:  # written: not before
                self._missed.popleft()
        with self._store.read() as session:
            wanted = talks.wanted(session, now)
            self._usual = talks.usual_seconds(session)
            self._due = talks.next_due(session)
            newest = session.scalar(select(func.max(OperatorEvent.id))) or 0
        self._tell(wanted, board, now)
        self._seen = (board, waiting, newest)

    def _news(self, board: Board, waiting: frozenset[str], now: datetime) -> bool:
        """Whether anything is different from what the last look has written."""
        if self._seen is None or self._seen[:2] != (board, waiting):
            return True
        if self._due is not None and self._due <= now:
            return True
        with self._store.read() as session:
            return (session.scalar(select(func.max(OperatorEvent.id))) or 0) != self._seen[2]

    def _staff(self, board: Board, now: datetime) -> None:
        """What callers are told of the wait needs no database at this moment."""
        there, free = serving(board.members.values(), epoch=now.timestamp(), wrap_up=self._wrap_up)
        kept = None if self._usual is None else self._usual + self._wrap_up.total_seconds()
        self._room.staffed(Staff(there, free, kept))

    def _tell(self, wanted: Mapping[str, Wanted], board: Board, now: datetime) -> None:
        steps = orders(wanted, board, epoch=now.timestamp(), wrap_up=self._wrap_up)
        for step in steps:
            try:
                self._switchboard.perform(step)
                self._wake.set()  # see what came of it
            except PbxUnavailable as error:
                log.warning("%s of %s: %s", step.order, step.extension, error)

    def _nobody_knows(self, now: datetime) -> None:
        self._room.staffed(None)
        self._seen = None
        if self._lost is None:
            with self._store.write() as session:
                talks.lost(session, now=now)
            self._lost = now
        if not self._given_up and (now >= self._lost + _PATIENCE or is_dead(self._settings)):
            with self._store.write() as session:
                talks.all_over(session, self._follower, now=now)
            self._given_up = True


class _Heard:
    """What the spool knows of a call by its id; None for one that is not there."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __call__(self, call_id: str) -> HeardCall | None:
        try:
            call = self._spool.read(call_id)
        except (NotInSpool, OSError):
            return None
        return filing.heard(call) if call.sidecar else None
