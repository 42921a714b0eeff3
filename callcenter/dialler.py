"""Places the line's own calls: what the database says is due, one order to the exchange each.

It remembers nothing. Killed at any moment, the next one finds an order without an answer, asks
the exchange, the spool and the database for the id of that call, and orders only what is nowhere.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from callcenter.gateways.dialling import Dialling, Order
from callcenter.gateways.pbx import PbxUnavailable
from callcenter.services import closing_calls, out_calls
from callcenter.services.filing import plain
from callcenter.services.out_calls import Placing
from callcenter.services.out_plans import Ground
from callcenter.store.session import Store
from ivr.spool import Spool

log = logging.getLogger("aduan24.dialler")

_EVERY_S = 0.5


@dataclass(frozen=True)
class Ways:
    """What the dialler needs to know. `most`: calls at once; `backs`: whether there are operators
    who call back."""

    store: Store
    spool: Spool
    node: str
    ground: Ground
    most: int
    backs: bool


class Dialler:
    """A thread that places calls, from `start` to `stop`."""

    def __init__(
        self, ways: Ways, exchange: Dialling, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._ways, self._exchange = ways, exchange
        self._clock = clock or (lambda: datetime.now(UTC))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="dialler", daemon=True)
        self._failing = ""

    def start(self) -> None:
        """Connect and work in the background; returns at once."""
        self._exchange.start()
        self._thread.start()

    def stop(self) -> None:
        """Place no more calls; those that are under way go on."""
        self._over.set()
        self._exchange.stop()
        self._thread.join(2.0)

    def _work(self) -> None:
        while not self._over.wait(_EVERY_S):
            try:
                self.turn()
                self._failing = ""
            except Exception as error:  # whatever it is, it is tried again
                said = str(error) if isinstance(error, PbxUnavailable) else plain(error)
                if said != self._failing:
                    log.error("placing calls: %s", said)
                self._failing = said

    def turn(self) -> None:
        """One round. Raises what the database or the exchange raises."""
        ways = self._ways
        self._follow()
        self._settle_doubts()
        if ways.backs:
            self._call_back()
        while (placing := self._next()) is not None:
            self._place(placing)

    def _follow(self) -> None:
        """What ended, and whom to ask; nothing is written while there is neither."""
        ways, now = self._ways, self._clock()
        with ways.store.read() as session:
            over = out_calls.filed(session)
            asking = closing_calls.due(session, ground=ways.ground)
        if over or asking:
            with ways.store.write() as session:
                out_calls.finish_filed(session, now=now, ground=ways.ground)
                closing_calls.plan_due(session, now=now, ground=ways.ground)

    def _next(self) -> Placing | None:
        ways = self._ways
        with ways.store.read() as session:
            if not out_calls.planned(session, self._clock()):
                return None
        with ways.store.write() as session:
            return out_calls.next_to_place(
                session, self._clock(), node=ways.node, most=ways.most, ground=ways.ground
            )

    def _place(self, placing: Placing) -> None:
        """Commit comes before: see `_next`. Without an answer the call stays in doubt."""
        order = Order(placing.call_uid, placing.purpose, placing.telephone, placing.operator)
        self._exchange.place(order)
        log.info("call %s: placed (%s)", placing.call_uid, placing.purpose)
        with self._ways.store.write() as session:
            out_calls.taken(session, placing)

    def _settle_doubts(self) -> None:
        """The exchange is asked after the doubt was noticed, and before anything is decided."""
        ways = self._ways
        with ways.store.read() as session:
            doubts = [call.id for call in out_calls.doubtful(session, self._clock(), ways.node)]
        if not doubts:
            return
        known = self._exchange.live_calls() | set(ways.spool.call_ids())
        for out_call_id in doubts:
            with ways.store.write() as session:
                placing = out_calls.settle_doubt(
                    session,
                    out_call_id,
                    known=known,
                    now=self._clock(),
                    ground=ways.ground,
                )
            if placing is not None:
                self._place(placing)

    def _call_back(self) -> None:
        """One citizen at a time, while an operator is free and no caller waits."""
        ways, now = self._ways, self._clock()
        with ways.store.read() as session:
            due = out_calls.somebody_due(session, now, ways.ground.forbidden, ways.node)
        if not due or not self._exchange.somebody_free():
            return
        with ways.store.write() as session:
            out_calls.call_back_next(
                session, now=now, forbidden=ways.ground.forbidden, never=ways.ground.never
            )
