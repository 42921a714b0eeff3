"""The 24-hour window and the ladder.

The window of a ticket is the half-open interval [dispatched, due), due = dispatched + 24 h of
elapsed real time, every day of the year (Perbup Bangli 6/2021). Nothing pauses it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from callcenter.domain.people import Post


class Clock(StrEnum):
    """The moment from which a step's `after` is counted.

    What is counted from the response presses for the handling, which pauses while a ticket waits.
    """

    DISPATCHED = "dispatched"
    RESPONDED = "responded"
    HANDLED = "handled"


class Until(StrEnum):
    """What makes a step needless: it is taken only while this has not happened."""

    ACCEPTED = "accepted"
    RESPONDED = "responded"
    HANDLED = "handled"
    REPORTED = "reported"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: `after` the clock's start, `to` these posts, unless `until` happened.

    `call`: they are called by telephone as well.
    """

    key: str
    after: timedelta
    to: tuple[Post, ...]
    until: Until
    clock: Clock = Clock.DISPATCHED
    hold_at_night: bool = False
    missed: bool = False
    call: bool = False


@dataclass(frozen=True, slots=True)
class TicketTimes:
    """The moments of one ticket that the rules need; all aware UTC, None = not happened."""

    dispatched_at: datetime
    due_at: datetime
    accepted_at: datetime | None = None
    responded_at: datetime | None = None
    handled_at: datetime | None = None
    reported_at: datetime | None = None
    ended_at: datetime | None = None  # returned or closed
    waiting_since: datetime | None = None  # of the present waiting
    waited: timedelta = timedelta(0)  # in waitings that are over

    @property
    def answered_at(self) -> datetime | None:
        """First substantive answer: the response, or the handling where that came first."""
        both = [t for t in (self.responded_at, self.handled_at) if t is not None]
        return min(both, default=None)


class Standing(StrEnum):
    """How a ticket stands against its window at a given moment."""

    RUNNING = "running"
    MET = "met"
    MISSED = "missed"
    WITHDRAWN = "withdrawn"  # returned before an answer: another agency's window counts


def due_at(dispatched_at: datetime, length: timedelta) -> datetime:
    """End of the window, itself no longer inside it."""
    return dispatched_at + length


def standing(times: TicketTimes, now: datetime) -> Standing:
    """MET when answered in [dispatched, due); MISSED from `due` on, for good."""
    if times.answered_at is not None:
        return Standing.MET if times.answered_at < times.due_at else Standing.MISSED
    if times.ended_at is not None:
        return Standing.WITHDRAWN if times.ended_at < times.due_at else Standing.MISSED
    return Standing.RUNNING if now < times.due_at else Standing.MISSED


def step_at(step: Step, times: TicketTimes) -> datetime | None:
    """When the step falls due; None while its clock has not started, or stands still."""
    if step.clock is Clock.RESPONDED:
        if times.responded_at is None or times.waiting_since is not None:
            return None
        return times.responded_at + times.waited + step.after
    start = times.dispatched_at if step.clock is Clock.DISPATCHED else times.handled_at
    return None if start is None else start + step.after


def needless(step: Step, times: TicketTimes) -> bool:
    """Whether what the step presses for has happened, or the ticket has ended.

    A missed window is a fact, not a reminder: what happens after it does not undo it, even if
    nobody had time to take the step before.
    """
    done, ended = _done(step.until, times), times.ended_at
    if done is None and ended is None:
        return False
    at = step_at(step, times) if step.missed else None
    return at is None or any(moment < at for moment in (done, ended) if moment is not None)


def _done(until: Until, times: TicketTimes) -> datetime | None:
    """When what a step presses for happened; asked for every step of every ticket."""
    if until is Until.ACCEPTED:
        return times.accepted_at or times.answered_at
    if until is Until.RESPONDED:
        return times.answered_at
    if until is Until.HANDLED:
        return times.handled_at
    return times.reported_at if until is Until.REPORTED else None


@dataclass(frozen=True, slots=True)
class Night:
    """Quiet hours [start, end) of the local day; they may pass midnight."""

    start: time
    end: time
    zone: ZoneInfo

    def covers(self, now: datetime) -> bool:
        """Whether `now` falls into the quiet hours."""
        local = now.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def ends(self, now: datetime) -> datetime:
        """The first moment from `now` on that is outside the quiet hours."""
        if not self.covers(now):
            return now
        local = now.astimezone(self.zone)
        day = local.date() if local.time() < self.end else local.date() + timedelta(days=1)
        return datetime.combine(day, self.end, tzinfo=self.zone)


def release_at(step: Step, at: datetime, due: datetime, night: Night) -> datetime:
    """When a step that falls due `at` may be taken.

    A step that may be held waits for the morning, unless the window would be missed first:
    a reminder that arrives after what it warns of is worth nothing. What is counted from the
    handling warns of no window any more.
    """
    if not step.hold_at_night:
        return at
    morning = night.ends(at)
    warns = step.clock is Clock.DISPATCHED
    return at if warns and at < due <= morning else morning


@dataclass(frozen=True, slots=True)
class Due:
    """A step that stands: `at` by the ladder, `release` when it may be taken (quiet hours)."""

    step: Step
    at: datetime
    release: datetime


def next_step(
    ladder: Sequence[Step], times: TicketTimes, taken: Collection[str], night: Night
) -> Due | None:
    """The step to take next: neither taken nor needless, and released earliest.

    Ties go to the order of the ladder. None when nothing is left to wait for now. A step that is
    held over night is asked for again in the morning: what happened meanwhile makes it needless.
    """
    standing_steps = [
        Due(step, at, release_at(step, at, times.due_at, night))
        for step in ladder
        if step.key not in taken
        and not needless(step, times)
        and (at := step_at(step, times)) is not None
    ]
    return min(standing_steps, key=lambda due: due.release, default=None)
