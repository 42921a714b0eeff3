"""The worker that turns recordings into drafts: a process and a queue of its own, behind all else.

Nothing exists only in the queue: the clock posts again what is wanted, and a job that runs twice
finds nothing to claim. The engine lives in a process below this one, is started when there is
something to hear, and is let go when there was nothing for a while.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import UTC, datetime
from types import FrameType

from callcenter.gateways.engine_apart import EngineApart
from callcenter.gateways.postman import SPEECH
from callcenter.heart import Heart
from callcenter.jobs import NoticeWorker, listen
from callcenter.services import speech_drafts
from callcenter.wiring import Wiring

log = logging.getLogger("aduan24.speech")

_IDLE_S = 600.0
_LOOK_EVERY_S = 30.0
_NICE = 10


class _Desk:
    """What the jobs of this process work with; set once, by `work`."""

    def __init__(self, wiring: Wiring, engine: EngineApart) -> None:
        self.wiring, self.engine = wiring, engine
        self._busy = threading.Lock()
        self._last = time.monotonic()

    def write(self, draft_id: int) -> bool:
        """One draft."""
        wiring = self.wiring
        with self._busy:
            recordings = wiring.config.storage.recordings
            did = speech_drafts.write(wiring.store, draft_id, self.engine, recordings, _now)
            self._last = time.monotonic()
            return did

    def rest(self) -> None:
        """Give the engine's memory back, if nobody needed it for long."""
        if self._busy.acquire(blocking=False):
            try:
                if time.monotonic() - self._last > _IDLE_S:
                    self.engine.close()
            finally:
                self._busy.release()


_desk: _Desk | None = None


def _now() -> datetime:
    return datetime.now(UTC)


def write_draft(draft_id: int) -> None:
    """Write the draft of one recording.

    Running it twice is harmless: the draft is claimed by a conditional UPDATE, and a second claim
    finds it done, or in the hands of the first.
    """
    if _desk is None:
        raise RuntimeError("this job runs in `aduan24 speech` only")
    _desk.write(draft_id)


def employ(wiring: Wiring, engine: EngineApart) -> None:
    """Let the job of this process work with `wiring`."""
    global _desk  # noqa: PLW0603 (RQ calls plain functions)
    _desk = _Desk(wiring, engine)


def work(wiring: Wiring) -> None:
    """Write drafts until SIGTERM or SIGINT; waits for the queue when it is away.

    Raises ValueError where speech to text is off.
    """
    os.nice(_NICE)  # the engine itself goes further down
    engine = wiring.speech_engine
    if engine is None:
        raise ValueError("speech: is not set up; add speech.model to config.yaml")
    employ(wiring, engine)
    stop = threading.Event()
    resting = threading.Thread(target=_rest, args=(stop,), name="rest", daemon=True)
    resting.start()
    try:
        with Heart(wiring.store, os.environ.get("ADUAN24_PART", "speech")):
            while not stop.is_set():
                listen(wiring.config.queue.redis_url, stop, (SPEECH,), _Worker)
    finally:
        engine.close()


class _Worker(NoticeWorker):
    """Ends at once when it is asked to: what it was writing is due again, and counts as no try."""

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """The first signal."""
        if _desk is not None:
            _desk.engine.interrupt()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]


def _rest(stop: threading.Event) -> None:
    while not stop.wait(_LOOK_EVERY_S):
        if _desk is not None:
            _desk.rest()
