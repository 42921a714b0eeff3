"""`aduan24 line|web|worker|clock`: one process each; `up` runs them all.

Each logs to standard output and ends on SIGTERM or SIGINT.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli.common import ConfigOption, choose_config, command, configuration

if TYPE_CHECKING:
    from callcenter.wiring import Wiring


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    for function in (line, web, worker, speech, clock):
        command(app, function.__name__)(function)
    app.command("demo", hidden=True)(demo)


def line() -> None:
    """Run the line: take calls from the exchange, file what the spool holds."""
    wiring = _wiring()
    from callcenter.line import run

    run(wiring, _stop_event())


def web() -> None:
    """Run the console and the officers' pages."""
    wiring = _wiring()
    from callcenter.web.server import serve

    serve(wiring)


def worker() -> None:
    """Run one worker: it sends notices."""
    wiring = _wiring()
    from callcenter.jobs import work

    work(wiring)


def speech() -> None:
    """Run the worker that turns recordings into drafts; with speech.model in config.yaml."""
    wiring = _wiring()
    from callcenter.speech_worker import work

    work(wiring)


def clock() -> None:
    """Run the clock: it takes the steps that are due. One is enough; more are harmless."""
    wiring = _wiring()
    from callcenter.clock import run

    run(wiring, _stop_event())


def demo(
    config: ConfigOption = None,
    by_phone: Annotated[bool, typer.Option(help="Without a line: by the test phone.")] = False,
) -> None:
    """Place the demonstration call (what `up` does on an empty database)."""
    choose_config(config)
    from callcenter.cli import demo as demonstration

    (demonstration.by_phone if by_phone else demonstration.by_sip)()


def _wiring() -> Wiring:
    _log_to_output()
    loaded = configuration()
    from callcenter.config import read_secrets
    from callcenter.wiring import Wiring

    return Wiring(loaded, read_secrets(loaded))


def _log_to_output() -> None:
    """Our own words from INFO on, those of libraries from WARNING on: they may name people."""
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("aduan24").setLevel(logging.INFO)


def _stop_event() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
