"""Which calls the exchange of this machine has now, asked over AMI."""

from __future__ import annotations

from dataclasses import dataclass

from callcenter.gateways.asterisk import AsteriskSettings
from callcenter.gateways.exchange_alive import is_dead
from callcenter.gateways.pbx import Pbx, PbxUnavailable


@dataclass(frozen=True)
class LiveCalls:
    """Call it for the ids of all channels that exist; None when it cannot be known."""

    pbx: Pbx
    settings: AsteriskSettings

    def __call__(self) -> frozenset[str] | None:
        """A dead exchange has no calls, whoever does not answer over AMI."""
        try:
            return self.pbx.live_calls()
        except PbxUnavailable:
            return frozenset() if is_dead(self.settings) else None
