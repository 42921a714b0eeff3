"""The machinery on screen: parts, workers, queues, outbox. No personal data."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint

from callcenter.services import machinery as service
from callcenter.web.access import needs
from callcenter.web.context import now, reading, wiring
from callcenter.web.inbox import fragment

door = Blueprint("machinery", __name__)

#: A part that has said nothing for so long does not work: it speaks every ten seconds.
_SILENT = timedelta(seconds=40)


@door.get("/machinery")
@needs("see_machinery")
def page() -> str:
    """What works, what waits; refreshes itself."""
    return fragment(
        "machinery.html",
        "machinery_list.html",
        state=service.machinery(reading(), now()),
        queue=wiring().postman.counted(),
        silent_since=now() - _SILENT,
    )
