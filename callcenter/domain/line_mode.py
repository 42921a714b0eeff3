"""What the line does for every caller, until somebody switches it back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class LineMode(StrEnum):
    """The values are the flow's own names of where a call begins."""

    NORMAL = "normal"
    ANNOUNCEMENT = "announcement"
    EMERGENCY_ONLY = "emergency_only"


def in_force(mode: LineMode, until: datetime | None, now: datetime) -> LineMode:
    """The mode at `now`: it holds in [switched, until), then the line is normal again."""
    return mode if until is None or now < until else LineMode.NORMAL
