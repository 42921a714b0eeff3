"""Whether two reports are about one thing: near in words, place and time.

Pure. The answer is a belief in [0, 1] with its reasons; a person decides. Rare words say more
than usual ones, a village more than a category. The weights were fitted to half of
tests/data/reports_twice.tsv (logistic regression, rounded); the other half measures them.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

#: From this belief on a report is shown as a likely repetition.
LIKELY = 0.5
#: Reports that lie farther apart are about different things, or the first was never mended: then
#: the operator knows the place.
FARTHEST = timedelta(days=14)
_UNHEARD = 4.0  # how rare a word is of which nothing is known
_MUCH = 12.0  # so much in common is enough, however long the texts are
_HALVES = timedelta(days=4)  # so much later a report is half as near in time


@dataclass(frozen=True, slots=True)
class Report:
    """What is compared. `words`: folded (`store.words`), of what was said and of the place;
    `caller`: whoever reported, None when hidden; empty strings where nothing is known."""

    words: frozenset[str]
    received_at: datetime
    village: str = ""
    district: str = ""
    category: str = ""
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near two reports are; `shared`: the words both say, the rarest first."""

    belief: float
    shared: tuple[str, ...]
    same_village: bool
    same_category: bool
    same_caller: bool
    apart: timedelta


class Rarity:
    """How rare words are, among all texts and among those of each category.

    Of two reports in one category the words that everybody uses for it say nothing.
    """

    def __init__(self, texts: Iterable[tuple[str, Collection[str]]]) -> None:
        """From (category or empty, words)."""
        self._count: dict[str, Counter[str]] = defaultdict(Counter)
        self._texts: Counter[str] = Counter()
        for category, words in texts:
            for key in {"", category}:
                self._count[key].update(set(words))
                self._texts[key] += 1

    def of(self, word: str, category: str) -> float:
        """From 0 (everybody says it) on; `category` empty: among all texts."""
        number = self._count[category][word] if category in self._count else 0
        return math.log((self._texts[category] + 1) / number) if number else _UNHEARD


def nearness(one: Report, other: Report, rarity: Rarity) -> Nearness:
    """How near two reports are; the same both ways round."""
    apart = abs(one.received_at - other.received_at)
    shared = one.words & other.words
    same_village = bool(one.village) and one.village == other.village
    same_category = bool(one.category) and one.category == other.category
    same_caller = one.caller is not None and one.caller == other.caller
    rare = _Rare(rarity, one.category if same_category else "")
    evidence = (
        -7.45
        + _said(one.words, other.words, rare)
        + _place(one, other)
        + _about(one, other)
        + 0.9 * 0.5 ** (apart / _HALVES)
        + (0.8 if same_caller else 0.0)
    )
    belief = 0.0 if apart > FARTHEST or not shared else 1 / (1 + math.exp(-evidence))
    return Nearness(
        belief=belief,
        shared=tuple(sorted(shared, key=lambda w: (-rare[w], w))),
        same_village=same_village,
        same_category=same_category,
        same_caller=same_caller,
        apart=apart,
    )


class _Rare:
    def __init__(self, rarity: Rarity, category: str) -> None:
        self._rarity, self._category = rarity, category

    def __getitem__(self, word: str) -> float:
        return self._rarity.of(word, self._category)


def _said(one: Iterable[str], other: Iterable[str], rare: _Rare) -> float:
    """How much both say, of what the shorter one says, and of all that is said."""
    ours, theirs = set(one), set(other)
    both = _sum(ours & theirs, rare)
    if not both:
        return 0.0
    least = min(_sum(ours, rare), _sum(theirs, rare))
    whole = _sum(ours | theirs, rare)
    return 2.0 * both / least + 1.4 * both / whole + 4.0 * min(both, _MUCH) / _MUCH


def _sum(words: Iterable[str], rare: _Rare) -> float:
    return sum(rare[word] for word in words)


def _place(one: Report, other: Report) -> float:
    if not one.village or not other.village:
        return 2.0
    if one.village == other.village:
        return 4.1
    return 0.0 if one.district == other.district else -2.3


def _about(one: Report, other: Report) -> float:
    if not one.category or not other.category:
        return 1.0
    return 1.9 if one.category == other.category else -1.8
