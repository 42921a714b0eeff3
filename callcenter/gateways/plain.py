"""Text from people, made harmless for terminals, mail programs and telephone networks."""

from __future__ import annotations

import re

_LINE_END = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
#: Controls, overrides of the writing direction, and halves of characters that no encoding takes.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def plain(text: str) -> str:
    """The text with LF between its lines and without any character that could steer a reader."""
    return _UNSAFE.sub("", _LINE_END.sub("\n", text)).replace("\t", " ").strip()


def one_line(text: str, limit: int) -> str:
    """`plain` on a single line of at most `limit` characters."""
    return " ".join(plain(text).split())[:limit].rstrip()
