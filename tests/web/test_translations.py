"""Two languages: every text on a screen has its English, and what is committed is what runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from tests.web.conftest import ROOT

FOLDER = ROOT / "callcenter" / "web" / "translations" / "en" / "LC_MESSAGES"
MAPPING = [
    ("web/**.py", "python"),
    ("services/**.py", "python"),
    ("web/templates/**.html", "jinja2.ext:babel_extract"),
]
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "_l": None,
    "lazy_gettext": None,
    "NotFound": (1,),
    "Refused": (2,),
    "Conflict": (1,),
}


@pytest.fixture(scope="module")
def english() -> Catalog:
    """The committed texts."""
    with (FOLDER / "messages.po").open("rb") as file:
        return read_po(file, locale="en")


def _used() -> Iterator[tuple[str, str]]:
    """Every msgid that the code uses, with its file."""
    found = extract_from_dir(
        str(ROOT / "callcenter"), method_map=MAPPING, keywords=KEYWORDS, comment_tags=()
    )
    for file, _line, message, _comments, _context in found:
        yield (message[0] if isinstance(message, tuple) else message), file


def test_every_text_on_screen_has_its_english(english: Catalog) -> None:
    missing = [f"{file}: {msgid}" for msgid, file in _used() if not _translated(english, msgid)]
    assert missing == []


def _translated(catalogue: Catalog, msgid: str) -> bool:
    message = catalogue.get(msgid)
    return message is not None and all(_strings(message))


def _strings(message: Message) -> list[str]:
    """The texts of a message: one, or one per plural form; an empty one where there is none."""
    found = message.string
    return [found] if isinstance(found, str) else list(found or ("",))


def test_no_text_is_translated_for_nobody(english: Catalog) -> None:
    used = {msgid for msgid, _file in _used()}
    assert [m.id for m in english if m.id and _first(m.id) not in used] == []


def _first(msgid: object) -> object:
    return msgid[0] if isinstance(msgid, tuple | list) else msgid


def test_placeholders_survive_translation(english: Catalog) -> None:
    for message in english:
        if not message.id:
            continue
        for string in _strings(message):
            assert _holes(string) == _holes(str(_first(message.id)))


def _holes(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)\w*", text))


def test_the_compiled_catalogue_is_the_text_catalogue(english: Catalog) -> None:
    with Path(FOLDER / "messages.mo").open("rb") as file:
        compiled = read_mo(file)
    assert _texts(compiled) == _texts(english)


def _texts(catalogue: Catalog) -> dict[object, list[str]]:
    return {_first(m.id): _strings(m) for m in catalogue if m.id}
