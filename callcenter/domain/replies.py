"""What an officer writes back by message: one word, the complaint's number, and some text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Reply(StrEnum):
    """What a message asks for."""

    ACCEPT = "accept"
    RETURN = "return"
    RESPOND = "respond"
    REPORT = "report"


#: The words that people write -> what they ask for. The only place that says so.
WORDS: dict[str, Reply] = {
    "TERIMA": Reply.ACCEPT,
    "TOLAK": Reply.RETURN,
    "KEMBALIKAN": Reply.RETURN,
    "JAWAB": Reply.RESPOND,
    "TANGGAPI": Reply.RESPOND,
    "SELESAI": Reply.REPORT,
}

_SAID = re.compile(
    rf"\s*[*_]*({'|'.join(WORDS)})\b[*_]*[\s:#.,-]*((?:\d[ .-]?){{8}})(?!\d)[\s:.,-]*(.*)",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Said:
    """A message that was understood; `number`: eight digits, `text`: what stands after them."""

    reply: Reply
    number: str
    text: str


def understood(body: str) -> Said | None:
    """What a message says; None where it is not of this kind.

    Case and the signs between word and number do not matter, nor how the digits are grouped.
    """
    found = _SAID.fullmatch(body)
    if found is None:
        return None
    word, number, text = found.groups()
    digits = "".join(c for c in number if c.isdigit())
    return Said(WORDS[word.upper()], digits, text.strip())
