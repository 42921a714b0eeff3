"""Words in a text that mean danger. The desk's script marks the same ones while one types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_ENDINGS = "(?:nya|an|lah|kah)?"


def found(text: str, words: Iterable[str]) -> list[str]:
    """The words of the list that stand in the text, as written there, each once, in order.

    Whole words with their usual Indonesian endings: `api` is in `apinya`, not in `rapi`.
    """
    pattern = _pattern(tuple(words))
    if pattern is None:
        return []
    return list(dict.fromkeys(match[0].lower() for match in pattern.finditer(text)))


@lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str] | None:
    some = "|".join(re.escape(word) for word in words)
    return re.compile(rf"(?<!\w)(?:{some}){_ENDINGS}(?!\w)", re.IGNORECASE) if some else None
