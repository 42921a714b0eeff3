"""The clock asks the database what is due, and does it; it remembers nothing itself.

One is enough, several are harmless. After a kill, a sleep or an empty Redis the next turn finds
everything that is due, takes each step once, and posts every notice again that was not sent. When
the machine's time jumps, whatever depends on it is held until the time is trusted again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from callcenter.gateways.postman import Postman
from callcenter.heart import Heart
from callcenter.importing import importing
from callcenter.services import (
    call_counts,
    closing,
    delivery,
    escalation,
    ladder_change,
    media,
    notices,
    roster_watch,
    speech_drafts,
    status,
    tickets,
    undelivered,
)
from callcenter.services.audit_watch import AuditWatch
from callcenter.services.batch import named
from callcenter.services.receipts import write_receipts
from callcenter.services.rules import Rules
from callcenter.services.suggestions import Nightly
from callcenter.store.session import Store, key_of
from callcenter.timekeeper import Watch
from callcenter.watching import watching
from callcenter.wiring import Wiring

log = logging.getLogger("aduan24.clock")

_AGAIN_AFTER_S = 2.0


@dataclass(frozen=True, slots=True)
class Duty:
    """Periodic work as data: `work` says how much it did, and is asked again while that is > 0.

    `timed`: what it does follows from how late it is, so it waits while the time is in doubt.
    """

    name: str
    every_s: float
    work: Callable[[datetime], int]
    timed: bool = False


def duties(store: Store, postman: Postman, rules: Rules) -> tuple[Duty, ...]:
    """Everything that happens by itself."""

    def steps(now: datetime) -> int:
        if not store.glance(lambda connection: escalation.some_due(connection, now)):
            return 0
        with store.write() as session:
            return escalation.take_due(session, now=now, rules=rules)

    def ladder(now: datetime) -> int:
        with store.write() as session:
            return ladder_change.move_due(session, now=now, rules=rules)

    def on_duty(now: datetime) -> int:
        with store.write() as session:
            roster_watch.watch(session, now=now, rules=rules)
        return 0

    def wake(now: datetime) -> int:
        with store.write() as session:
            return tickets.wake_due(session, now=now, rules=rules)

    def close(now: datetime) -> int:
        with store.write() as session:
            return closing.close_due(session, now=now, rules=rules)

    def sweep(now: datetime) -> int:
        with store.read() as session:
            letters = notices.due(session, now)
        postman.post(letters)
        return 0

    def ask(now: datetime) -> int:
        with store.read() as session:
            waiting = delivery.questions_due(session, now)
        postman.ask(waiting)
        return 0

    def revive(now: datetime) -> int:
        with store.write() as session:
            return notices.revive_due(session, now)

    return (
        Duty("steps", 0.5, steps, timed=True),
        Duty("ladder", 5.0, ladder, timed=True),
        Duty("on duty", 60.0, on_duty, timed=True),
        Duty("wake", 5.0, wake, timed=True),
        Duty("close", 5.0, close, timed=True),
        Duty("sweep", 2.0, sweep),
        Duty("ask", 2.0, ask),
        Duty("revive", 60.0, revive),
    )


def line_duties(wiring: Wiring) -> tuple[Duty, ...]:
    """What follows from calls by itself: receipts, old questions are forgotten, calls counted."""
    config, store = wiring.config, wiring.store

    def receipts(now: datetime) -> int:
        if not config.notices.receipts:
            return 0
        with store.write() as session:
            return write_receipts(session, now=now, rules=wiring.receipt_rules)

    def forget(now: datetime) -> int:
        with store.write() as session:
            status.forget(session, now=now, limits=config.guessing)
        return 0

    def count(now: datetime) -> int:
        with store.write() as session:
            call_counts.count_due(session, zone=config.programme.zone, now=now)
        return 0

    return (
        Duty("receipts", 2.0, receipts),
        Duty("forget", 3600.0, forget),
        Duty("count", 300.0, count),
    )


def outbox_duties(wiring: Wiring) -> tuple[Duty, ...]:
    """What has been sent and does not arrive goes the next way as well; files are fetched."""
    told = wiring.config.notices
    patience = undelivered.Patience(
        told.channels, told.undelivered_after, told.undelivered_after_emergency
    )

    def fall_back(now: datetime) -> int:
        with wiring.store.write() as session:
            return undelivered.fall_back_due(session, now, patience)

    def files(now: datetime) -> int:
        if told.twilio is None:
            return 0
        with wiring.store.read() as session:
            due = media.due(session, now)
        wiring.postman.fetch(due)
        return 0

    return (Duty("fall back", 5.0, fall_back), Duty("files", 2.0, files))


def desk_duties(wiring: Wiring) -> tuple[Duty, ...]:
    """Every night it is learnt anew what operators decided about categories, slice by slice."""
    zone = wiring.config.programme.zone
    return (Duty("learn", 600.0, Nightly(wiring.store, wiring.rules.categories, zone).go_on),)


def audit_duties(wiring: Wiring) -> tuple[Duty, ...]:
    """Audit rows are sealed, and every night the whole chain of them is examined."""
    zone, heads = wiring.config.programme.zone, wiring.audit_heads
    watch = AuditWatch(wiring.store, key_of(wiring.secret_key), heads, zone)
    return (Duty("seal", 5.0, watch.seal), Duty("examine", 600.0, watch.go_on))


def speech_duties(wiring: Wiring) -> tuple[Duty, ...]:
    """Recordings that wait to be turned into words are posted to their worker; none when it is off.

    Whoever files a call posts nothing: a queue that hangs must not hold up a filing.
    """
    if wiring.config.speech is None:
        return ()

    def drafts(now: datetime) -> int:
        with wiring.store.read() as session:
            waiting = speech_drafts.due(session, now)
        wiring.postman.draft(waiting)
        return 0

    return (Duty("drafts", 2.0, drafts),)


class Turns:
    """Does each duty when its time has come; times of the monotonic clock, seconds."""

    def __init__(self, work: tuple[Duty, ...]) -> None:
        self._work = work
        self._next = dict.fromkeys((duty.name for duty in work), 0.0)

    def turn(self, now: datetime, monotonic: float, *, held: bool = False) -> float:
        """One round; how long to rest after it. `held`: nothing that depends on the time is done.

        A duty that fails is logged and tried again, and holds up no other.
        """
        for duty in self._work:
            if monotonic >= self._next[duty.name]:
                waits = held and duty.timed
                pause = duty.every_s if waits else self._pause(duty, now)
                self._next[duty.name] = monotonic + pause
        return max(0.0, min(self._next.values()) - monotonic)

    def _pause(self, duty: Duty, now: datetime) -> float:
        try:
            return 0.0 if duty.work(now) else duty.every_s
        except Exception as error:  # one duty's fault must not stop the others, whatever it is
            log.error("%s failed and will be tried again: %s", duty.name, named(error))
            return _AGAIN_AFTER_S


def run(wiring: Wiring, stop: threading.Event) -> None:
    """Turn until `stop` is set."""
    ordinary = duties(wiring.store, wiring.postman, wiring.rules)
    others = (line_duties, outbox_duties, desk_duties, audit_duties, speech_duties)
    turns = Turns((*ordinary, *(duty for some in others for duty in some(wiring))))
    watch = Watch(wiring.store, wiring.config.storage.state)
    with Heart(wiring.store, "clock"), importing(wiring), watching(wiring):
        while not stop.is_set():
            now = datetime.now(UTC)
            stop.wait(turns.turn(now, time.monotonic(), held=watch.held(now)))
