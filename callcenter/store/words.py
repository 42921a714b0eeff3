"""Texts as words that can be compared: chat spelling, Balinese and inflection are folded away.

    folded("Jalane uug, aspalnya mengelupas bgt")    ["jalan", "rusak", "aspal", "kelupas"]

What two people write about one thing becomes the same word; what carries no meaning (`yang`,
`tolong`, `pak`) becomes none. Search, duplicates and suggestions all read these words. Stems are
those of Snowball's Indonesian, which PostgreSQL uses as well (Tala, "A Study of Stemming Effects
on Information Retrieval in Bahasa Indonesia", 2003). The tables are in `words.txt`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import snowballstemmer

_WORD = re.compile(r"[^\W_]+")
_STRETCHED = re.compile(r"(.)\1{2,}")
_TWICE = re.compile(r"^([a-z]{2,})2$")
_LONGEST = 40
_ENDINGS = ("nyane", "nne", "ne", "e", "nya")  # of Balinese, and -nya after a word of the table
_MOST = 4000  # words of one text: nobody speaks longer than the longest recording


def folded(text: str, most: int = _MOST) -> list[str]:
    """The words of `text` in order, folded; words without meaning are left out."""
    return [word for _typed, word in pairs(text, most)]


def pairs(text: str, most: int = _MOST) -> Iterator[tuple[str, str]]:
    """Each word as it was typed, with what it is folded to."""
    for count, found in enumerate(_WORD.finditer(text)):
        if count >= most:
            return
        typed = found.group()
        if len(typed) <= _LONGEST and (word := fold(typed)):
            yield typed, word


@lru_cache(maxsize=50_000)
def fold(typed: str) -> str:
    """One word; empty when it carries no meaning."""
    word = _plain(typed)
    for form in _forms(word):
        if form in _table():
            return _table()[form]
    return _table().get(stem := _stem(word), stem)


def _plain(typed: str) -> str:
    """Small ASCII letters and digits: no accents, `aduuuh` is `aduh`, `lubang2` is `lubang`."""
    letters = unicodedata.normalize("NFKD", typed).lower()
    word = "".join(c for c in letters if c.isascii() and c.isalnum())
    return _TWICE.sub(r"\1", _STRETCHED.sub(r"\1", word) if not word.isdigit() else word)


def _forms(word: str) -> Iterator[str]:
    yield word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            yield word.removesuffix(ending)


def _stem(word: str) -> str:
    if len(word) < 4 or word.isdigit():
        return word
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer("indonesian")


@cache
def _table() -> dict[str, str]:
    """Every form of `words.txt` and what it is folded to."""
    table: dict[str, str] = {}
    for line in (Path(__file__).parent / "words.txt").read_text("utf-8").splitlines():
        head, _colon, forms = line.partition(":")
        if line.startswith("#") or not line.strip():
            continue
        to = "" if head == "-" else _stem(head)
        table.update(dict.fromkeys(forms.split(), to))
        if to:
            table.setdefault(head, to)
    return table
