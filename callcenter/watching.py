"""The clock's look at the exchange, in a thread of its own: its silence holds up nobody.

The line process does the same every second. Where that hangs, no call lasts longer in the log
than at the exchange all the same.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from callcenter.call_log import CallLog
from callcenter.live_calls import LiveCalls
from callcenter.services.batch import named
from callcenter.wiring import Wiring

log = logging.getLogger("aduan24.calls")

_EVERY_S = 10.0


@contextmanager
def watching(wiring: Wiring) -> Iterator[None]:
    """Look until the end of the block; nothing where there is no exchange."""
    if not wiring.config.line.enabled:
        yield
        return
    pbx, stop = wiring.pbx(), threading.Event()
    live = LiveCalls(pbx, wiring.asterisk_settings)
    thread = threading.Thread(
        target=_run, args=(wiring.call_log, live, stop), name="calls", daemon=True
    )
    pbx.start()
    thread.start()
    try:
        yield
    finally:
        stop.set()
        pbx.stop()
        thread.join(1.0)


def _run(calls: CallLog, live: LiveCalls, stop: threading.Event) -> None:
    while not stop.wait(_EVERY_S):
        try:
            now = datetime.now(UTC)
            calls.read(now)
            calls.end(now, live)
        except Exception as error:  # whatever it is, it is tried again
            log.error("calls: %s", named(error))
