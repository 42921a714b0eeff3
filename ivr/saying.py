"""Numbers, dates, durations and the standing of a complaint, as prompt keys in order.

The rules of three languages; what each key says is in ``prompts.toml``. A language that has no
rules here is spoken by the Indonesian ones. Pure, standard library only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum

from ivr.numbers import pairs

Prompts = tuple[str, ...]

MOST = 999_999
_SIZES = ((1000, "number_thousands"), (100, "number_hundreds"), (10, "number_tens"))
_UNITS = (("day", 24 * 60), ("hour", 60), ("minute", 1))


def digits(text: str) -> Prompts:
    """Digit by digit. Raises ValueError for anything but ASCII digits."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("only digits can be read digit by digit")
    return tuple(f"digit_{digit}" for digit in text)


def number(n: int, language: str = "id") -> Prompts:
    """A number from 0 to 999,999 in words. Raises ValueError outside of that."""
    if not 0 <= n <= MOST:
        raise ValueError(f"{n} is outside 0..{MOST}")
    return _grammar(language).number(n)


def date(day: dt.date, language: str = "id") -> Prompts:
    """`tanggal dua belas Maret dua ribu dua puluh enam`."""
    month, grammar = f"month_{day.month}", _grammar(language)
    before, between = grammar.date
    return (*before, *number(day.day, language), month, *between, *number(day.year, language))


def time_of_day(at: time, language: str = "id") -> Prompts:
    """`pukul empat belas lewat lima menit`; English counts twice to twelve. Seconds are left."""
    return _grammar(language).clock(at)


def duration(span: timedelta, language: str = "id") -> Prompts:
    """`dua hari tiga jam`: the largest unit and the next, whole units, what is left over dropped.

    Raises ValueError below zero.
    """
    if span < timedelta(0):
        raise ValueError("a duration below zero cannot be said: say that it is late")
    counts, rest = [], span // timedelta(minutes=1)
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        counts.append((count, unit))
    largest = next((at for at, (count, _) in enumerate(counts) if count), None)
    if largest is None:
        return ("under_a_minute",)
    amount = _grammar(language).amount
    said = [amount(count, unit) for count, unit in counts[largest : largest + 2] if count]
    return tuple(key for keys in said for key in keys)


# ---------------------------------------------------------------- what became of a complaint


class Pace(StrEnum):
    """How an answer stands to its 24 hours."""

    RUNNING = "running"
    MET = "met"
    LATE = "late"


@dataclass(frozen=True)
class Facts:
    """What a citizen may hear about a complaint, and nothing else of it.

    `state` is one of the complaint or, once it was sent off, of its ticket; `agency` is a key.
    `span` is the time left while `pace` is running, and how late the answer is or was when late.
    `expected` is the day on which waiting work should go on. `outcome`: the citizen's own word.
    """

    state: str
    agency: str | None = None
    pace: Pace | None = None
    span: timedelta = timedelta(0)
    expected: dt.date | None = None
    outcome: str | None = None


_STATES = {
    "received": "status_received",
    "transcribed": "status_checked",
    "categorised": "status_checked",
    "returned": "status_checked",
    "dispatched": "status_dispatched",
    "accepted": "status_accepted",
    "answered": "status_answered",
    "responded": "status_answered",
    "in_progress": "status_in_progress",
    "waiting": "status_waiting",
    "handled": "status_handled",
    "reported": "status_handled",
    "closed": "status_closed",
    "reopened": "status_reopened",
    "merged": "status_merged",
    "not_actionable": "status_not_actionable",
}


_OUTCOMES = {
    "solved": "outcome_solved",
    "not_solved": "outcome_not_solved",
    "unconfirmed": "closing_unconfirmed",
}


class _Everything:
    def __contains__(self, _key: object) -> bool:
        return True


_ALL = _Everything()


def status(facts: Facts, language: str = "id", sounds: Container[str] = _ALL) -> Prompts:
    """State, agency, time left or late, the expected day, the citizen's word, as far as known.

    An agency whose name has no sound in `sounds` (a `PromptBook`) is not named. Raises KeyError
    for a state or an outcome that does not exist.
    """
    said = ["status", _STATES[facts.state], *_agency(facts.agency, sounds), *_pace(facts, language)]
    if facts.expected:
        said += ["expected", *date(facts.expected, language)]
    if facts.outcome:
        said.append(_OUTCOMES[facts.outcome])
    return tuple(said)


def ticket(
    urgent: bool,
    category: str | None,
    left: timedelta | None,
    language: str = "id",
    sounds: Container[str] = _ALL,
) -> Prompts:
    """What an officer hears about a ticket before the citizen's voice: nothing about the citizen.

    `left` is what is left of the 24 hours; below zero it is said how late the answer is.
    """
    said = ["brief_emergency" if urgent else "brief_report", *_category(category, sounds)]
    if left is not None:
        late = left < timedelta(0)
        said += ["late" if late else "time_left", *duration(abs(left), language)]
    return tuple(said)


def closing(complaint: str, category: str | None, sounds: Container[str] = _ALL) -> Prompts:
    """Which complaint a citizen is asked about: its number in pairs and its kind, no more."""
    said = ["number_intro"]
    for pair in pairs(complaint):
        said += ["pause", *digits(pair)]
    return (*said, "pause", *_category(category, sounds))


def agency(key: str | None, sounds: Container[str] = _ALL) -> Prompts:
    """Whose it is, where its name is spoken."""
    return _agency(key, sounds)


def _agency(key: str | None, sounds: Container[str]) -> Prompts:
    name = f"agency_{key}"
    return ("handled_by", name) if key and name in sounds else ()


def _category(key: str | None, sounds: Container[str]) -> Prompts:
    name = f"category_{key}"
    return (name,) if key and name in sounds else ()


def _pace(facts: Facts, language: str) -> Prompts:
    match facts.pace:
        case Pace.RUNNING:
            return ("time_left", *duration(facts.span, language))
        case Pace.LATE:
            return ("late", *duration(facts.span, language))
        case Pace.MET:
            return ("in_time",)
    return ()


# ---------------------------------------------------------------- Indonesian


def _indonesian(n: int) -> Prompts:
    if n in (10, 11):
        return (f"number_{n}",)
    if n < 10:
        return (f"digit_{n}",)
    if n < 20:
        return (f"digit_{n - 10}", "number_teens")
    return _by_size(n, _indonesian, _indonesian)


def _by_size(n: int, counted: Callable[[int], Prompts], words: Callable[[int], Prompts]) -> Prompts:
    """`dua ratus` and the rest; one of a size has a word of its own (`seratus`).

    `counted` says how many there are of a size, `words` says the rest.
    """
    size, name = next((size, name) for size, name in _SIZES if n >= size)
    count, rest = divmod(n, size)
    head = (f"number_{size}",) if count == 1 else (*counted(count), name)
    return (*head, *(words(rest) if rest else ()))


def _indonesian_amount(count: int, unit: str) -> Prompts:
    return (*_indonesian(count), f"{unit}s")


def _indonesian_clock(at: time) -> Prompts:
    past = ("past", *_indonesian(at.minute), "minutes") if at.minute else ()
    return ("clock", *_indonesian(at.hour), *past)


# ---------------------------------------------------------------- Balinese


def _balinese(n: int) -> Prompts:
    """Decimal throughout: `kalih dasa siki`, not `selikur`; all of it is understood everywhere."""
    if n == 50 or 10 <= n < 20:
        return (f"number_{n}",)
    if n < 10:
        return (f"digit_{n}",)
    if 50 < n < 60:
        return ("number_50", f"digit_{n - 50}")
    return _by_size(n, _linked, _balinese)


def _linked(n: int) -> Prompts:
    """A number before what it counts: `tigang jam`, `kalih dasa petang jam`."""
    last = n % 10
    if last < 2 or 10 < n % 100 < 20:
        return _balinese(n)
    return (*(_balinese(n - last) if n > last else ()), f"linked_{last}")


def _balinese_amount(count: int, unit: str) -> Prompts:
    return (f"{unit}_1",) if count == 1 else (*_linked(count), f"{unit}s")


def _balinese_clock(at: time) -> Prompts:
    past = ("past", *_balinese_amount(at.minute, "minute")) if at.minute else ()
    return ("clock", *_balinese(at.hour), *past)


# ---------------------------------------------------------------- English


def _english(n: int) -> Prompts:
    if n < 10:
        return (f"digit_{n}",)
    if n < 20 or (n < 100 and not n % 10):
        return (f"number_{n}",)
    if n < 100:
        return (f"number_{n - n % 10}", f"digit_{n % 10}")
    size, name = next((size, name) for size, name in _SIZES if n >= size)
    count, rest = divmod(n, size)
    return (*_english(count), name, *(_english(rest) if rest else ()))


def _english_amount(count: int, unit: str) -> Prompts:
    return (*_english(count), f"{unit}_1" if count == 1 else f"{unit}s")


def _english_clock(at: time) -> Prompts:
    if not at.minute and at.hour in (0, 12):
        return ("noon",) if at.hour else ("midnight",)
    minute = _english(at.minute) if at.minute else ()
    oh = ("oh",) if 0 < at.minute < 10 else ()
    half = "evening" if at.hour >= 12 else "morning"
    return (*_english((at.hour - 1) % 12 + 1), *oh, *minute, half)


@dataclass(frozen=True)
class _Grammar:
    """`date`: what stands before the day, and between month and year."""

    number: Callable[[int], Prompts]
    amount: Callable[[int, str], Prompts]
    clock: Callable[[time], Prompts]
    date: tuple[Prompts, Prompts]


_GRAMMARS = {
    "id": _Grammar(_indonesian, _indonesian_amount, _indonesian_clock, (("date",), ())),
    "ban": _Grammar(_balinese, _balinese_amount, _balinese_clock, (("date",), ("year",))),
    "en": _Grammar(_english, _english_amount, _english_clock, ((), ())),
}


def _grammar(language: str) -> _Grammar:
    return _GRAMMARS.get(language, _GRAMMARS["id"])
