"""How much room the disk has left, and what that means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_MB = 1_000_000


class RoomLevel(StrEnum):
    """How bad it is; there is no level while all is well."""

    LOW = "low"  # somebody should make room
    FULL = "full"  # no call is recorded any more


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """Bytes free below which a level is reached. An alarm ends at `over` times as much, so that a
    disk on the edge does not tell people again and again."""

    low: int
    full: int
    over: float = 1.25

    @classmethod
    def of_mb(cls, low: int, full: int) -> RoomLimits:
        """From megabytes, as config.yaml has them."""
        return cls(low * _MB, full * _MB)


def level_of(free: int, limits: RoomLimits, standing: RoomLevel | None = None) -> RoomLevel | None:
    """The level at `free` bytes; `standing` is the one that was told last."""
    if free < limits.full * (limits.over if standing is RoomLevel.FULL else 1):
        return RoomLevel.FULL
    if free < limits.low * (limits.over if standing else 1):
        return RoomLevel.LOW
    return None
