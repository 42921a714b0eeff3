"""The line process: answers the exchange, and files what the spool holds.

The caller needs neither the database nor this process: without it the dialplan's fallback takes
the complaint, and this files it later. So nothing here ends the process but a signal.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from errno import EADDRINUSE
from queue import Empty, SimpleQueue

from callcenter.attendant import Attendant
from callcenter.config import Config
from callcenter.gateways.asterisk import AsteriskSettings
from callcenter.gateways.asterisk_logs import Logs
from callcenter.gateways.parts import read_parts
from callcenter.heart import Heart
from callcenter.live_calls import LiveCalls
from callcenter.services import numbers, pins, silence
from callcenter.services.filing import SETTLE_S, Filing, Sweeper, plain
from callcenter.services.numbers import NumbersExhausted
from callcenter.wiring import Wiring
from ivr.asterisk import LineServer, serve
from ivr.prompts import PromptsMissing

log = logging.getLogger("aduan24.line")

_LOOK_S = 0.2
_TURN_S = 0.5
_SWEEP_S = 1.0  # a call whose end the exchange has told is filed at once
_REFILL_S = 5.0
_ANSWER_AGAIN_S = 2.0
_ASK_AGAIN_S = 2.0  # a lost call is found this much later
_ASKING_SHARE = 40  # with hundreds of calls an answer is long: asking takes a fortieth of the time
_LOG_S = 1.0
_ENDS_S = 5.0  # the record itself says when a call ends; this is for those whose end it missed
_TIDY_S = 600.0
_TELL_S = 2.0
_LOOK_FOR_ROOM_S = 2.0
_LOGS_S = 60.0
_HOLD_BACK_S = 60.0
_GIVE_WAY_S = 0.0002  # how long filing may keep a caller's next word waiting (Python's own: 5 ms)
_DRAIN_S = 1.5  # a call that lasts longer is the fallback's: the supervisor waits three seconds
_FALLBACK_S = 300.0  # what the dialplan's fallback may add to a call, besides its recording


def run(wiring: Wiring, stop: threading.Event) -> None:
    """Take and file calls until `stop` is set; then let go of the calls there are."""
    sys.setswitchinterval(_GIVE_WAY_S)
    wiring.spool.prepare()
    line = _Line(wiring)
    line.start()
    with Heart(wiring.store, "line"):
        while not stop.wait(_LOOK_S):  # a wait without end can sleep through a signal
            pass
        line.stop()


class _Line:
    """What runs: the server that answers calls, the exchange's events, one thread that files."""

    def __init__(self, wiring: Wiring) -> None:
        config = wiring.config
        self._wiring, self._store = wiring, wiring.store
        filing = Filing(
            wiring.store,
            wiring.spool,
            config.storage.recordings,
            config.line.recording.silent_below_seconds,
            drafts=config.speech is not None,
        )
        self._sweeper = Sweeper(filing, config.line.node, _longest_call_s(config))
        self._pbx = wiring.pbx() if config.line.enabled else None
        self._dialler = wiring.dialler() if config.line.enabled else None
        self._ask = LiveCalls(self._pbx, wiring.asterisk_settings) if self._pbx else _nobody_knows
        self._log = wiring.call_log if self._pbx else None
        self._attendant = (
            Attendant(wiring) if config.line.enabled and config.line.operators else None
        )
        self._server: LineServer | None = None
        self._wake, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="filing", daemon=True)
        self._room = wiring.room_watch()
        self._failing: dict[str, str] = {}
        self._counted = False
        self._alive: frozenset[str] | None = None
        self._ask_at = -math.inf
        self._hung_up: SimpleQueue[str] = SimpleQueue()

    def start(self) -> None:
        """Answer calls, listen to the exchange, file; returns at once."""
        self._do("answering", self._answer)
        if self._pbx:
            self._pbx.on_hangup(self._ended)
            self._pbx.start()
        if self._dialler:
            self._dialler.start()
        if self._attendant:
            self._attendant.start()
        self._thread.start()

    def stop(self) -> None:
        """Let calls end for a moment; the fallback takes those that are left."""
        self._over.set()
        if self._server:
            self._server.stop(_DRAIN_S)
        if self._dialler:
            self._dialler.stop()
        if self._attendant:
            self._attendant.stop()
        if self._pbx:
            self._pbx.stop()
        self._wake.set()
        self._thread.join(1.0)  # it may hang in the database: filing is safe to cut short

    def _ended(self, call_id: str) -> None:
        """The exchange's word that a call is over."""
        self._hung_up.put(call_id)
        self._wake.set()

    def _work(self) -> None:
        names = ("numbers", "answering", "telling", "room", "calls", "ends", "tidying", "logs")
        due = dict.fromkeys((*names, "sweep", "holding"), 0.0)
        while not self._over.is_set():
            if self._wake.wait(_TURN_S):
                self._wake.clear()
                self._over.wait(SETTLE_S)
                self._do("filing", self._file_ended)
            now = time.monotonic()
            if now >= due["sweep"]:
                self._do("filing", self._sweep)
                due["sweep"] = time.monotonic() + _SWEEP_S
                now = time.monotonic()
            if now >= due["answering"]:
                self._do("answering", self._answer)
                due["answering"] = now + _ANSWER_AGAIN_S
            if now >= due["room"]:
                self._do("room", self._look_for_room)
                due["room"] = now + _LOOK_FOR_ROOM_S
            if self._pbx and now >= due["logs"]:
                self._do("the exchange's logs", self._tidy_logs)
                due["logs"] = now + _LOGS_S
            if now >= due["telling"]:
                self._do("telling", self._tell)
                due["telling"] = now + _TELL_S
            if self._pbx and now >= due["holding"]:
                self._do("holding back", self._hold_back)
                due["holding"] = now + _HOLD_BACK_S
            if self._log and now >= due["calls"]:
                self._do("calls", self._compare)
                due["calls"] = now + _LOG_S
            if self._log and now >= due["ends"]:
                self._do("ends of calls", self._compare_ends)
                due["ends"] = now + _ENDS_S
            if self._log and now >= due["tidying"]:
                self._do("tidying", self._tidy)
                due["tidying"] = now + _TIDY_S
            if self._pbx and now >= due["numbers"]:
                self._do("numbers", self._refill)
                due["numbers"] = now + _REFILL_S

    def _do(self, what: str, work: Callable[[], None]) -> None:
        """Try; a failure is said once, until it is another one or over."""
        try:
            work()
        except Exception as error:  # whatever it is, it is tried again
            said = _said(error)
            if self._failing.get(what) != said:
                log.error("%s: %s", what, said)
            self._failing[what] = said
        else:
            if self._failing.pop(what, None):
                log.info("%s: works again", what)

    def _answer(self) -> None:
        """Take the application's port; without prompts, or with the port taken, file only."""
        if self._server is None and not self._over.is_set():
            self._wiring.books()  # a line that cannot say its consent does not answer
            server = serve(self._wiring.line_settings, books=self._wiring.books)
            server.start()
            self._server = server
            log.info("answering on port %d", server.address[1])

    def _sweep(self) -> None:
        self._sweeper.sweep(datetime.now(UTC), self._live)

    def _file_ended(self) -> None:
        """Those that have just hung up: with hundreds of calls a look at all of them is long."""
        ended = set()
        with suppress(Empty):
            while True:
                ended.add(self._hung_up.get_nowait())
        if ended:
            self._sweeper.sweep_these(datetime.now(UTC), ended)

    def _live(self) -> frozenset[str] | None:
        """Not asked at every sweep: the answer names every call, and a call that is younger than
        the answer is too young to be lost."""
        began = time.monotonic()
        if began >= self._ask_at:
            if (alive := self._ask()) is None:
                return None
            took = time.monotonic() - began
            self._alive, self._ask_at = alive, began + max(_ASK_AGAIN_S, _ASKING_SHARE * took)
        return self._alive

    def _compare(self) -> None:
        """The exchange's own record, and the log beside it."""
        if self._log:
            now = datetime.now(UTC)
            self._log.read(now)
            self._log.complete(now)
            self._log.remember(now)

    def _compare_ends(self) -> None:
        if self._log:
            self._log.end(datetime.now(UTC), self._ask)

    def _tidy(self) -> None:
        if self._log:
            self._log.tidy(datetime.now(UTC))

    def _tell(self) -> None:
        """The files that calls begin with: how the line is switched, and who gets it short."""
        self._wiring.entry.publish(self._store, datetime.now(UTC))

    def _hold_back(self) -> None:
        """Who plays pranks, or is silent again and again, for whom the exchange has few places."""
        resting, now = self._wiring.resting, datetime.now(UTC)
        with self._store.read() as session:
            telephones = silence.held_back(session, now, self._wiring.config.line.silent_calls)
        resting.hold(telephones)
        resting.forget()

    def _tidy_logs(self) -> None:
        Logs(self._wiring.asterisk_settings, read_parts()).tidy(datetime.now(UTC))

    def _look_for_room(self) -> None:
        self._room.look(datetime.now(UTC))

    def _refill(self) -> None:
        line, folder = self._wiring.config.line, self._wiring.numbers_folder
        with self._store.read() as session:
            short = numbers.short(session, line.node, folder, line.numbers_reserved)
        if short or not self._counted:
            now = datetime.now(UTC)
            left = numbers.refill(self._store, line.node, folder, line.numbers_reserved, now)
            log.info("%d public numbers are reserved for the exchange", left)
            numbers.forget_days(folder, now)
        if short or not self._counted or pins.short(folder):
            pins.write_pins(folder, self._wiring.secret_key)
        self._counted = True


def _longest_call_s(config: Config) -> float:
    """No call lasts longer: what the application may take, what people may talk, and then the
    fallback."""
    line = config.line
    talks = line.operators or line.emergency or line.calls_out
    return (
        line.max_call_seconds
        + line.recording.max_seconds
        + _FALLBACK_S
        + (AsteriskSettings.talk_seconds if talks else 0)
    )


def _nobody_knows() -> None:
    """There is no exchange to be asked."""
    return None  # noqa: RET501 (the answer of a question)


def _said(error: Exception) -> str:
    if isinstance(error, PromptsMissing):
        return f"calls are left to the exchange's fallback: {error}"
    if isinstance(error, NumbersExhausted):
        return str(error)
    if isinstance(error, OSError) and error.errno == EADDRINUSE:
        return "line.agi_port is taken: stop the program that has it, or set another"
    return plain(error)
