"""A part of the product that waits shorter: for the provider, between tries, and between turns.

    python -m tests.faults.hurried 20 worker --config config.yaml

The first argument says how many times shorter; 1 leaves everything as it is.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from callcenter import clock
from callcenter.cli import main
from callcenter.gateways.twilio import TwilioMessages
from callcenter.services import delivery


def hurry(times: float) -> None:
    """Shorten what a provider's faults would make a test wait for."""
    delivery._PAUSES = tuple(pause / times for pause in delivery._PAUSES)
    patience = TwilioMessages.__init__.__kwdefaults__
    patience["seconds"] /= times
    whole = clock.duties

    def duties(*args: object) -> tuple[clock.Duty, ...]:
        return tuple(replace(duty, every_s=duty.every_s / times) for duty in whole(*args))  # type: ignore[arg-type]

    clock.duties = duties


if __name__ == "__main__":
    hurry(float(sys.argv.pop(1)))
    main()
