"""How far a text is from what was said: the word error rate.

The fewest words to change, put in or take out that make one text the other (Levenshtein's distance
over words), by the number of words that were said. Capitals and punctuation do not count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Against `said` words: so many were written wrong, put in, left out. They add up with `+`."""

    said: int = 0
    substituted: int = 0
    inserted: int = 0
    deleted: int = 0

    @property
    def errors(self) -> int:
        """All of them."""
        return self.substituted + self.inserted + self.deleted

    @property
    def rate(self) -> float:
        """Errors by words said; more than 1 where more was put in than said. 0 of nothing is 0."""
        return self.errors / self.said if self.said else float(self.errors > 0)

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.said + other.said,
            self.substituted + other.substituted,
            self.inserted + other.inserted,
            self.deleted + other.deleted,
        )


def plain_words(text: str) -> list[str]:
    """The words of a text in small letters, without punctuation; letters and digits count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c for c in folded if c.isalnum() or c.isspace() or unicodedata.combining(c))
    return kept.split() if "-" not in folded else _parted(folded)


def _parted(text: str) -> list[str]:
    """A doubled word (jalan-jalan) is two words, however it is written."""
    return plain_words(text.replace("-", " "))


def compare(said: str, heard: str) -> WordErrors:
    """The errors of `heard`."""
    return _errors(plain_words(said), plain_words(heard))


def _errors(said: Sequence[str], heard: Sequence[str]) -> WordErrors:
    """Row by row of the table of distances. Of equally short ways the one with the most
    substitutions is counted."""
    row = [(n, 0, n, 0) for n in range(len(heard) + 1)]  # distance, changed, put in, left out
    for number, word in enumerate(said, 1):
        above, row = row, [(number, 0, 0, number)]
        for column, other in enumerate(heard, 1):
            cost, changed, put, left = above[column - 1]
            wrong = int(word != other)
            ways = [(cost + wrong, changed + wrong, put, left)]
            cost, changed, put, left = row[column - 1]
            ways.append((cost + 1, changed, put + 1, left))
            cost, changed, put, left = above[column]
            ways.append((cost + 1, changed, put, left + 1))
            row.append(min(ways, key=lambda way: (way[0], -way[1])))
    _, changed, put, left = row[-1]
    return WordErrors(len(said), changed, put, left)
