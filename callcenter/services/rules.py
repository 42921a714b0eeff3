"""The programme's rules as one value: what services need of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from callcenter.domain.calendar import Calendar, NationalLimits
from callcenter.domain.complaint import Urgency
from callcenter.domain.position import BANGLI, Bounds
from callcenter.domain.roster import Plan
from callcenter.domain.routing import Category
from callcenter.domain.window import Night, Step


@dataclass(frozen=True, slots=True)
class WaitingRules:
    """How long work may wait at a time, and how often that may be prolonged."""

    longest: timedelta
    prolonged_at_most: int


@dataclass(frozen=True, slots=True)
class Rules:
    """Ladder, window, quiet hours, categories: read once, passed to every verb."""

    window_length: timedelta
    ladders: Mapping[Urgency, tuple[Step, ...]]
    night: Night
    zone: ZoneInfo
    categories: tuple[Category, ...]
    link_lifetime: timedelta
    closing_after: timedelta
    programme_name: str
    calendar: Calendar
    national: NationalLimits
    waiting: WaitingRules
    phone: str  # the hotline's number, as printed for citizens
    tells_citizens: bool
    replies: bool = False  # officers may answer by message
    time_scale: float = 1.0
    claim_lasts: timedelta = timedelta(minutes=10)  # without a sign of the operator
    bounds: Bounds = BANGLI  # where complaints may lie
    rosters: Mapping[str, Plan] = field(default_factory=dict)
    own_ladders: Mapping[tuple[str, Urgency], tuple[Step, ...]] = field(default_factory=dict)

    def steps(self, urgency: Urgency, agency_key: str) -> tuple[Step, ...]:
        """The configured ladder of a class: the agency's own, or everybody's."""
        return self.own_ladders.get((agency_key, urgency)) or self.ladders[urgency]

    def category(self, key: str | None) -> Category | None:
        """The category with this key, or None."""
        return next((c for c in self.categories if c.key == key), None)
