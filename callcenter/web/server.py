"""The console's server: gunicorn with threads, in one process of its own."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from callcenter.web import create_app
from callcenter.wiring import Wiring

_GRACE_S = 2


class _Console(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        super().__init__()

    def load_config(self) -> None:
        """No access log: officers' links are secrets and stand in the address."""
        web = self._wiring.config.web
        address = f"[{web.bind}]" if ":" in web.bind else web.bind
        for key, value in {
            "bind": f"{address}:{web.port}",
            "workers": 1,  # SQLite has one writer, and the count of streams is per process
            "worker_class": "gthread",
            "threads": web.threads,
            "graceful_timeout": _GRACE_S,
            "timeout": 60,
            "loglevel": "warning",
            "control_socket_disable": True,
            "post_worker_init": _release_streams_at_the_end,
        }.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """The application, made in the worker: no connection crosses the fork."""
        return create_app(self._wiring)


def _release_streams_at_the_end(worker: Any) -> None:
    """An open stream would hold its thread, and the stop, until it is cut."""
    graceful = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        worker.wsgi.extensions["aduan24-stop"].set()
        if callable(graceful):
            graceful(number, frame)

    signal.signal(signal.SIGTERM, end)


def serve(wiring: Wiring) -> None:
    """Serve until SIGTERM or SIGINT."""
    wiring.store.engine.dispose()
    _Console(wiring).run()
