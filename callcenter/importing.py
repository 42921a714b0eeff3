"""Brings home what Twilio has recorded, in a thread of its own: its network holds up nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from callcenter.gateways.channel import TransportError
from callcenter.services.twilio_recordings import collect, end_forgotten, reconcile
from callcenter.wiring import Wiring

log = logging.getLogger("aduan24.twilio")

_EVERY_S = 5.0
_LOOK_EVERY = timedelta(minutes=10)
#: How far back the account's list is read: longer than we are ever away.
_SINCE = timedelta(days=7)


@contextmanager
def importing(wiring: Wiring) -> Iterator[None]:
    """Import until the end of the block; nothing where no calls come through Twilio."""
    if wiring.twilio_line is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(wiring, stop), name="twilio", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_EVERY_S)


def _run(wiring: Wiring, stop: threading.Event) -> None:
    look_at = datetime.now(UTC)
    while not stop.is_set():
        now = datetime.now(UTC)
        turn(wiring, now, look=now >= look_at)
        if now >= look_at:
            look_at = now + _LOOK_EVERY
        stop.wait(_EVERY_S)


def turn(wiring: Wiring, now: datetime, *, look: bool) -> None:
    """One round; `look`: through the account's list too. What fails is tried again."""
    store, account, into = wiring.store, wiring.twilio_account, wiring.twilio_import
    try:
        collect(store, account, into, now=now)
        if look:
            end_forgotten(store, into.courses, account, now=now)
            reconcile(store, account, now - _SINCE, into, now=now)
    except (TransportError, SQLAlchemyError, OSError) as error:
        log.error("recordings at Twilio: %s: %s", type(error).__name__, _words(error))


def _words(error: Exception) -> str:
    """A database's error may quote a row: its kind is enough."""
    return "" if isinstance(error, SQLAlchemyError) else str(error)
