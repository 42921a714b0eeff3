"""Which category a text is probably about, and because of which words: naive Bayes, explained.

Pure: what was learnt is a value, `suggest` a function. Evidence of a text are its words, pairs of
neighbours, and the pieces of words, so that a misspelt word still says something. Each piece of
evidence belongs to a word that was typed; the words that speak most for a category are the reason
that is shown. Nothing here decides anything.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: (as typed, folded), in the order of the text.
Words = Sequence[tuple[str, str]]

_SMOOTHING = 0.1
_WEIGHT = {"w": 1.0, "b": 0.6, "c": 0.2}  # a word, a pair, a piece of a word
_PIECES = (3, 4, 5)
_REASONS = 4
_KINDS = 2000.0  # of evidence that a category might show, for the smoothing
_DOUBT = 6.0  # evidence overlaps, so naive belief is too sure of itself
_SPEAKS = 0.5  # less than this above the average of all categories is no reason


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One category; `share` of the belief in [0, 1]; `reasons`: words as typed, the strongest
    first, empty when no word speaks for it."""

    category_key: str
    share: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Learnt:
    """How often each piece of evidence was seen with each category, and texts per category.

    `totals`: of each category and kind of evidence; `Learnt.of` counts them.
    """

    seen: Mapping[str, Mapping[str, float]]
    totals: Mapping[tuple[str, str], float]
    texts: Mapping[str, float]

    @classmethod
    def of(cls, seen: Mapping[str, Mapping[str, float]], texts: Mapping[str, float]) -> Learnt:
        """With the totals counted."""
        totals: dict[tuple[str, str], float] = defaultdict(float)
        for piece, row in seen.items():
            for category, number in row.items():
                totals[category, piece[0]] += number
        return cls(seen, dict(totals), texts)


def evidence(words: Words) -> Iterator[tuple[str, str]]:
    """(piece of evidence, the word it comes from as typed), each once."""
    once: dict[str, str] = {}
    for typed, word in words:
        if word.isdigit():
            continue
        once.setdefault(f"w{word}", typed)
        for piece in _pieces(word):
            once.setdefault(f"c{piece}", typed)
    for (first, one), (_second, two) in pairwise(words):
        once.setdefault(f"b{one} {two}", first)
    return iter(once.items())


def _pieces(word: str) -> Iterator[str]:
    framed = f"<{word}>"
    for size in _PIECES:
        for start in range(len(framed) - size + 1):
            yield framed[start : start + size]


class Learner:
    """Takes text after text, so that many can be learnt from in slices."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, float]] = {}
        self._texts: dict[str, float] = defaultdict(float)
        self._in_texts: Counter[str] = Counter()

    def take(self, category: str, words: Words) -> None:
        """One text that belongs to `category`."""
        self._texts[category] += 1
        for piece, _typed in evidence(words):
            row = self._seen.setdefault(piece, {})
            row[category] = row.get(category, 0.0) + 1
            self._in_texts[piece] += 1

    def learnt(self, at_least: int = 1) -> Learnt:
        """What was learnt; evidence in fewer than `at_least` texts is forgotten."""
        kept = {k: row for k, row in self._seen.items() if self._in_texts[k] >= at_least}
        return Learnt.of(kept, dict(self._texts))


def learn(texts: Iterable[tuple[str, Words]]) -> Learnt:
    """From (category, words)."""
    learner = Learner()
    for category, words in texts:
        learner.take(category, words)
    return learner.learnt()


def joined(*parts: Learnt) -> Learnt:
    """What several have seen together."""
    seen: dict[str, dict[str, float]] = {}
    number: dict[str, float] = defaultdict(float)
    for part in parts:
        for category, texts in part.texts.items():
            number[category] += texts
        for piece, times in part.seen.items():
            row = seen.setdefault(piece, {})
            for category, often in times.items():
                row[category] = row.get(category, 0.0) + often
    return Learnt.of(seen, dict(number))


def suggest(learnt: Learnt, words: Words, among: Sequence[str], most: int = 3) -> list[Suggestion]:
    """The likeliest of the categories `among`, the best first; none when no word is known."""
    known = [(piece, typed) for piece, typed in evidence(words) if piece in learnt.seen]
    if not among or not any(piece.startswith(("w", "b")) for piece, _typed in known):
        return []
    scores = {key: _prior(learnt, key, among) for key in among}
    by_word: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(among, 0.0))
    for piece, typed in known:
        for key in among:
            told = _WEIGHT[piece[0]] * _log(learnt, piece, key)
            scores[key] += told
            by_word[typed][key] += told
    best = sorted(among, key=lambda key: scores[key], reverse=True)[:most]
    shares = _shares(scores)
    return [Suggestion(key, shares[key], _reasons(by_word, key)) for key in best]


def _prior(learnt: Learnt, key: str, among: Sequence[str]) -> float:
    """How usual the category is; smoothed much, for a rare one is not to be overlooked."""
    all_texts = sum(learnt.texts.get(k, 0.0) for k in among)
    usual = all_texts / len(among)
    return 0.5 * math.log((learnt.texts.get(key, 0.0) + usual + 1) / (all_texts + 1))


def _log(learnt: Learnt, piece: str, key: str) -> float:
    seen = learnt.seen[piece].get(key, 0.0)
    total = learnt.totals.get((key, piece[0]), 0.0)
    return math.log((seen + _SMOOTHING) / (total + _SMOOTHING * _KINDS))


def _shares(scores: Mapping[str, float]) -> dict[str, float]:
    top = max(scores.values())
    raw = {key: math.exp((score - top) / _DOUBT) for key, score in scores.items()}
    whole = sum(raw.values())
    return {key: value / whole for key, value in raw.items()}


def _reasons(by_word: Mapping[str, Mapping[str, float]], key: str) -> tuple[str, ...]:
    """The words that speak for `key` more than for the others on average."""
    speaks = {typed: told[key] - sum(told.values()) / len(told) for typed, told in by_word.items()}
    strongest = sorted(speaks, key=lambda typed: speaks[typed], reverse=True)
    return tuple(typed for typed in strongest[:_REASONS] if speaks[typed] > _SPEAKS)
