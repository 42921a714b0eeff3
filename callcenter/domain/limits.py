"""How often somebody may guess: pure rules over the moments of earlier wrong answers.

A window of a length holds the moments in (now - length, now]: after exactly that length a wrong
answer no longer counts. A lock is [wrong answer, its end): at its end one may try again.

Who asks by the telephone that the complaint came from is *own*, everybody else is *foreign*. A
complaint's lock and the limits over all are for foreign callers alone, and each kind has a budget
of its own: so nobody's guessing shuts out the citizen who asks by their own telephone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """At most `most` wrong answers within `length`."""

    most: int
    length: timedelta

    def has_room(self, wrong: Sequence[datetime], now: datetime) -> bool:
        """Whether one more may be tried at `now`."""
        begin = now - self.length
        return len(wrong) < self.most or sum(at > begin for at in wrong) < self.most


@dataclass(frozen=True, slots=True)
class Lock:
    """From the `free`-th wrong answer on each one locks: for `first`, then twice as long each time.

    Never for longer than `longest`; what is older than `memory` is forgotten.
    """

    free: int
    first: timedelta
    longest: timedelta
    memory: timedelta

    def ends(self, wrong: Sequence[datetime], now: datetime) -> datetime | None:
        """The end of the lock that these wrong answers make; None without one at `now`."""
        counted = [at for at in wrong if at > now - self.memory]
        beyond = len(counted) - self.free
        if beyond < 0:
            return None
        end = max(counted) + min(self.first * 2 ** min(beyond, 32), self.longest)
        return end if end > now else None


@dataclass(frozen=True, slots=True)
class Limits:
    """What guessing costs. With the defaults an attack on other people's complaints, however many
    telephones take part, has 60 tries a day: a hit is to be expected after 166 days of it.

    `caller`: wrong answers of one telephone, those to its own complaints and to others counted
    apart. `own`: what going on about own complaints costs besides, because a caller's number can
    be forged. `complaint`: wrong answers of foreign callers to one complaint. `overall`: wrong
    answers of all foreign callers together.
    """

    caller: Window = Window(5, _DAY)
    own: Lock = Lock(free=5, first=_DAY, longest=30 * _DAY, memory=30 * _DAY)
    complaint: Lock = Lock(free=3, first=_HOUR, longest=7 * _DAY, memory=90 * _DAY)
    overall: tuple[Window, ...] = (Window(20, _HOUR), Window(60, _DAY))

    @property
    def memory(self) -> timedelta:
        """For how long wrong answers matter; older ones may be thrown away."""
        windows = (self.caller, *self.overall)
        return max(self.own.memory, self.complaint.memory, *(window.length for window in windows))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that a caller had: when, to which complaint (None: by telephone), right or not."""

    at: datetime
    number: str | None
    right: bool


def unforgiven(answers: Sequence[Answer]) -> list[datetime]:
    """The moments of wrong answers of one caller, earliest first, that still count.

    Who has a complaint's PIN right was no guesser of it. Other complaints stay out of that: with a
    forged number somebody may have filed one in another's name, and knows its PIN.
    """
    known: set[str] = set()
    wrong = []
    for answer in reversed(answers):
        if answer.right and answer.number:
            known.add(answer.number)
        elif not answer.right and answer.number not in known:
            wrong.append(answer.at)
    return wrong[::-1]


@dataclass(frozen=True, slots=True)
class Wrong:
    """Moments of wrong answers: of this caller and of this complaint, by who asked, and of all.

    `by_caller` holds those of the same kind (own or foreign) as the question at hand;
    `to_complaint` and `overall` those of foreign callers.
    """

    by_caller: Sequence[datetime] = ()
    to_complaint: Sequence[datetime] = ()
    overall: Sequence[datetime] = ()


def may_answer(wrong: Wrong, *, own: bool, now: datetime, limits: Limits) -> bool:
    """Whether a PIN is looked at now; if not, the caller hears what a wrong one hears."""
    if not limits.caller.has_room(wrong.by_caller, now):
        return False
    if own:
        return limits.own.ends(wrong.by_caller, now) is None
    if limits.complaint.ends(wrong.to_complaint, now) is not None:
        return False
    return all(window.has_room(wrong.overall, now) for window in limits.overall)
