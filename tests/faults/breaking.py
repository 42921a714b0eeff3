"""A part of the product that dies at named points, as if the power went: `kill -9`, by itself.

    python -m tests.faults.breaking PLAN.json worker --config config.yaml

PLAN.json: {"deaths": a file that gets one line per death, "chance": of dying at each point, "seed":
of these chances, "peace": a file that ends the dying, "lease_s": how long a worker may hold a
notice}. The points stand around what a crash can tear apart: the claim, the attempt that is
written down, the sending, the provider's answer, and the mark. The product itself knows nothing
of them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from callcenter.cli import main
from callcenter.gateways import postman
from callcenter.services import delivery, dispatch, escalation, notices

POINTS = (
    "before the claim",
    "claimed and written, not committed",
    "committed, not sent",
    "sent, not answered",
    "answered, not marked",
    "marked, not committed",
    "marked",
    "step taken, not committed",
    "step committed, not posted",
    "dispatched, not committed",
)


class Plan:
    """When to die."""

    def __init__(self, file: Path) -> None:
        told = json.loads(file.read_text())
        self._deaths, self._peace = Path(told["deaths"]), Path(told["peace"])
        self._chance: float = told["chance"]
        self.lease = timedelta(seconds=told["lease_s"])
        lives = self._deaths.read_text() if self._deaths.exists() else ""
        self._dice = random.Random(f"{told['seed']} {sys.argv[1]} {len(lives)}")

    def point(self, name: str) -> None:
        """Perhaps the end."""
        if self._dice.random() >= self._chance or self._peace.exists():
            return
        file = os.open(self._deaths, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, where: Any, name: str, *, before: str = "", after: str = "") -> None:
        """Put points before and after a function; none where it had nothing to do."""
        whole: Callable[..., Any] = getattr(where, name)

        def broken(*args: Any, **kinds: Any) -> Any:
            if before:
                self.point(before)
            said = whole(*args, **kinds)
            if after and said:
                self.point(after)
            return said

        setattr(where, name, broken)


def prepare(plan: Plan) -> None:
    """Put the points where they belong."""
    notices.LEASE = plan.lease
    plan.around(
        delivery,
        "claim_notice",
        before="before the claim",
        after="claimed and written, not committed",
    )
    plan.around(delivery, "attempt", before="committed, not sent", after="answered, not marked")
    plan.around(HTTPConnection, "getresponse", before="sent, not answered")
    plan.around(delivery, "settle", after="marked, not committed")
    plan.around(delivery, "deliver", after="marked")
    plan.around(escalation, "take_due", after="step taken, not committed")
    plan.around(postman.Postman, "_enqueue", before="step committed, not posted")
    plan.around(dispatch, "dispatch", after="dispatched, not committed")


if __name__ == "__main__":
    prepare(Plan(Path(sys.argv.pop(1))))
    main()
