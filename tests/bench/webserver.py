"""The web's subjects: ours whole, or Flask with one view, behind the console's own server.

    python -m tests.bench.webserver ours CONFIG
    python -m tests.bench.webserver bare CONFIG

Both take the address and the threads of the configuration; `bare` answers every POST to
/twilio/voice with a document of 1 kB, and looks at nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flask import Flask, Response

from callcenter.config import load, read_secrets
from callcenter.web import server
from callcenter.wiring import Wiring

_DOCUMENT = '<?xml version="1.0" encoding="UTF-8"?><Response>' + "<Pause />" * 108 + "</Response>"


def _bare(_wiring: Wiring) -> Flask:
    app = Flask("bare")
    app.extensions["aduan24-stop"] = _Nothing()

    @app.post("/twilio/voice")
    def voice() -> Response:
        return Response(_DOCUMENT, mimetype="text/xml")

    return app


class _Nothing:
    def set(self) -> None:
        """There is no stream to release."""


if __name__ == "__main__":
    loaded = load(Path(sys.argv[2]))
    if sys.argv[1] == "bare":
        server.create_app = _bare
    server.serve(Wiring(loaded, read_secrets(loaded)))
