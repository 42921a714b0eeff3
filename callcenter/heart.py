"""A part says every few seconds that it works, from a thread of its own."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from types import TracebackType

from callcenter.services.heartbeats import beat
from callcenter.store.session import Store

log = logging.getLogger("aduan24.heart")

EVERY_S = 10.0


class Heart:
    """Beats while the `with` block runs; a database that is away is no reason to stop."""

    def __init__(self, store: Store, part: str) -> None:
        self._store, self._part = store, part
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                with self._store.write() as session:
                    beat(session, self._part, datetime.now(UTC))
            except Exception as error:  # a heart that stopped would call a living part dead
                log.warning("the heartbeat was not written: %s", type(error).__name__)
            self._over.wait(EVERY_S)
