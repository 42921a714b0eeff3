"""Prompt key + language -> sound file and text; the files are made from ``prompts.toml``.

``python -m ivr.prompts make`` makes what is missing or whose text changed, ``check`` names what
is not as the table says, ``human KEY FILE`` puts a human recording in the place of a made one,
which `make` then never overwrites. The manifest beside the files remembers, for each, the text
it speaks, its seconds and its level. What a language lacks is played in Indonesian.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from ivr.prompt_manifest import Made, changing, copy_into, file_hash, read_manifest

TABLE = Path(__file__).with_name("prompts.toml")
FOLDER = Path("recordings/prompts")
SHIPPED = Path(__file__).parents[1] / "recordings" / "prompts"
SAMPLE = SHIPPED.with_name("sample_complaint.wav")  # what a caller may say: no prompt
RATE = 8000
DEFAULT_RETENTION_DAYS = 365
REMEDY = "run `python -m ivr.prompts make`"
MAIN = "id"  # the language that every other falls back to
NEEDED = ("welcome_consent", "beep")  # without these the line may not, or cannot, record

_NUMBERS = {
    "id": ("satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "sembilan"),
    "ban": (
        "a",
        "kalih ",
        "tigang ",
        "petang ",
        "limang ",
        "nem ",
        "pitung ",
        "kutus ",
        "sangang ",
    ),
    "en": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
}
_UNITS = {
    "id": (" tahun", " bulan", "hari"),
    "ban": ("warsa", "sasih", "rahina"),
    "en": (" year", " month", "days"),
}

NONE: Mapping[str, str] = MappingProxyType({})

log = logging.getLogger("aduan24.prompts")


class PromptsMissing(RuntimeError):
    """Prompts cannot be played; the message names them and the remedy."""


@dataclass(frozen=True)
class Line:
    """One line of the table: what is spoken, and by which of espeak-ng's voices."""

    text: str
    voice: str


def in_words(days: int, language: str = MAIN) -> str:
    """How long recordings are kept, as it is said: 365 -> "satu tahun", 90 -> "tiga bulan"."""
    known = language if language in _NUMBERS else MAIN
    numbers, (year, month, single) = _NUMBERS[known], _UNITS[known]
    for size, unit in ((365, year), (30, month)):
        count, rest = divmod(days, size)
        if not rest and 0 < count <= len(numbers):
            plural = "s" if known == "en" and count > 1 else ""
            return f"{numbers[count - 1]}{unit}{plural}"
    return f"{days} {single}"


def languages(table: Path = TABLE) -> tuple[str, ...]:
    """The languages that the table has texts for."""
    return tuple(tomllib.loads(table.read_text(encoding="utf-8")))


def lines(
    language: str = MAIN,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> dict[str, Line]:
    """What each prompt says and in whose voice, by key; `extra` are Indonesian texts by key.

    Raises PromptsMissing for a language without a table.
    """
    try:
        found = dict(tomllib.loads(table.read_text(encoding="utf-8"))[language])
    except KeyError:
        raise PromptsMissing(f"{table.name} has no texts for language {language!r}") from None
    voice, kept = found.pop("voice"), in_words(retention_days, language)
    if language == MAIN:
        found |= extra
    own = {key: line for key, line in found.items() if isinstance(line, dict)}
    spoken = {key: Line(text, voice) for key, text in found.items() if key not in own}
    spoken |= {key: Line(**line) for key, line in own.items()}
    return {
        key: Line(spoken[key].text.replace("{retention}", kept), spoken[key].voice) for key in found
    }


def texts(
    language: str = MAIN,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> dict[str, str]:
    """What each prompt says, by key. Raises PromptsMissing for a language without a table."""
    return {key: line.text for key, line in lines(language, retention_days, table, extra).items()}


def known_texts(
    language: str,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> dict[str, str]:
    """What callers of a language hear: its own texts, then the Indonesian ones that it lacks."""
    own = texts(language, retention_days, table, extra)
    main = texts(MAIN, retention_days, table, extra)
    return own | {key: text for key, text in main.items() if key not in own}


def text_hash(text: str) -> str:
    """SHA-256 of a prompt's text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def consent_version(
    language: str = MAIN, retention_days: int = DEFAULT_RETENTION_DAYS, table: Path = TABLE
) -> str:
    """Twelve characters that name the consent's text in a language, as a `PromptBook` does."""
    known = language if language in languages(table) else MAIN
    return text_hash(known_texts(known, retention_days, table)["welcome_consent"])[:12]


@dataclass(frozen=True)
class PromptBook:
    """The prompts of one language, ready to be played.

    `made` holds those that have a sound; `fallback` is played for the others.
    """

    folder: Path
    made: Mapping[str, Made]
    texts: Mapping[str, str]
    fallback: PromptBook | None = None

    def __contains__(self, key: object) -> bool:
        """Whether the prompt can be played, if need be by the fallback."""
        return key in self.made or (self.fallback is not None and key in self.fallback)

    def _of(self, key: str) -> PromptBook:
        """The book that plays a prompt."""
        return self if key in self.made or self.fallback is None else self.fallback._of(key)

    def text(self, key: str) -> str:
        """What a prompt says; the key itself if it is no prompt."""
        found = self._of(key)
        return found.made[key].text if key in found.made else found.texts.get(key, key)

    def path(self, key: str) -> Path:
        """The sound file of a prompt."""
        return self._of(key).folder / f"{key}.wav"

    def stem(self, key: str) -> str:
        """Absolute path without extension: what Asterisk plays."""
        return f"{self._of(key)._home}/{key}"

    def playable(self, key: str) -> str:
        """As `stem`; empty for a prompt whose file is not there now."""
        stem = self.stem(key)
        there = os.path.isfile(f"{stem}.wav")  # noqa: PTH113 (asked dozens of times a call)
        return stem if there else ""

    @cached_property
    def _home(self) -> str:
        return str(self.folder.resolve())

    def seconds(self, keys: Iterable[str]) -> float:
        """How long these prompts take, one after another; 0 for one that is not there."""
        return sum(self._of(key).made[key].seconds for key in keys if key in self)

    def version(self, key: str) -> str:
        """Twelve characters that name the text spoken: what a call's consent refers to."""
        return self._of(key).made[key].text_sha256[:12]


def open_book(
    folder: Path = FOLDER,
    language: str = MAIN,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
) -> PromptBook:
    """The prompts of a language, by itself.

    Raises PromptsMissing, naming all of them, if a sound file or its line in the manifest is
    missing.
    """
    book = _book(folder, language, retention_days, table)
    if missing := [key for key in book.texts if key not in book.made]:
        raise PromptsMissing(f"no sound for {', '.join(missing)} ({language}): {REMEDY}")
    return book


def open_books(
    folder: Path = FOLDER,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
) -> dict[str, PromptBook]:
    """The prompts of every language of the table; what one lacks is played in Indonesian.

    Raises PromptsMissing if the Indonesian consent or the tone is missing: a line that cannot
    say its consent must not answer. Whatever else is missing is logged, and the call goes on
    without it.
    """
    main = _book(folder, MAIN, retention_days, table)
    if needed := [key for key in NEEDED if key not in main]:
        raise PromptsMissing(f"no sound for {', '.join(needed)} ({MAIN}): {REMEDY}")
    others = [name for name in languages(table) if name != MAIN]
    books = {name: _book(folder, name, retention_days, table, main) for name in others}
    for name, book in {MAIN: main, **books}.items():
        if missing := [key for key in book.texts if key not in book.made]:
            log.warning("no sound for %s (%s): %s", ", ".join(missing), name, REMEDY)
    return {MAIN: main, **books}


class Shelf:
    """The books of all languages, opened again when a prompt has changed on disk.

    A change that cannot be read (a prompt was taken away in the middle of a day) is logged, and
    the books of before go on: their sound files are looked for at each call anyway.
    """

    def __init__(self, folder: Path, retention_days: int) -> None:
        self._folder, self._days = folder, retention_days
        self._stamp: tuple[tuple[int, int], ...] = ()
        self._books = open_books(folder, retention_days)

    def books(self) -> Mapping[str, PromptBook]:
        """The prompts of every language as they are now."""
        stamp = self._seen()
        if stamp != self._stamp:
            try:
                self._books = open_books(self._folder, self._days)
            except (PromptsMissing, OSError, ValueError) as error:
                log.error("prompts: %s", error)
            self._stamp = stamp
        return self._books

    def _seen(self) -> tuple[tuple[int, int], ...]:
        files = (self._folder / "manifest.json", self._folder / "names.json")
        found = (file.stat() for file in files if file.exists())
        return tuple((stat.st_mtime_ns, stat.st_size) for stat in found)


def _book(
    folder: Path,
    language: str,
    retention_days: int,
    table: Path,
    fallback: PromptBook | None = None,
) -> PromptBook:
    """What there is: a line of the manifest without its file is no prompt."""
    here = folder / language
    made = read_manifest(folder).get(language, {})
    there = {key: line for key, line in made.items() if (here / f"{key}.wav").is_file()}
    return PromptBook(here, there, texts(language, retention_days, table), fallback)


def check(
    folder: Path = FOLDER,
    language: str = MAIN,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> list[str]:
    """What is not as the table says in one language, one line each with the remedy."""
    made = read_manifest(folder).get(language, {})
    found = (
        _problem(folder / language / f"{key}.wav", text, made.get(key))
        for key, text in texts(language, retention_days, table, extra).items()
    )
    return [line for line in found if line]


def check_all(
    folder: Path = FOLDER,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> list[str]:
    """What is not as the table says in any language."""
    return [
        line
        for language in languages(table)
        for line in check(folder, language, retention_days, table, extra)
    ]


def _problem(path: Path, text: str, made: Made | None) -> str:
    name = f"{path.parent.name}/{path.name}"
    if made is None or not path.is_file():
        return f"{name}: missing: {REMEDY}"
    if made.text_sha256 != text_hash(text):
        remedy = "record it again and run `python -m ivr.prompts human`" if made.human else REMEDY
        return f"{name}: speaks an older text: {remedy}"
    if made.file_sha256 != file_hash(path):
        return f"{name}: not the file of the manifest: {REMEDY}"
    return ""


def bring(shipped: Path, folder: Path, retention_days: int, table: Path = TABLE) -> int:
    """Copy the sounds that say what the table says from `shipped` to `folder`; returns how many.

    Those that `folder` has already, and a person's recordings, stay as they are.
    """
    theirs, copied = read_manifest(shipped), 0
    with changing(folder) as manifest:
        for language in languages(table):
            have = manifest.setdefault(language, {})
            for key, text in texts(language, retention_days, table).items():
                path = folder / language / f"{key}.wav"
                old, offer = have.get(key), theirs.get(language, {}).get(key)
                right = old and path.is_file() and (old.human or old.text == text)
                if right or not offer or offer.text != text:
                    continue
                copy_into(shipped / language / path.name, path)
                have[key], copied = offer, copied + 1
    return copied


def main(arguments: list[str] | None = None) -> int:
    """``python -m ivr.prompts make|check|human KEY FILE``; 0 if all is well, 1 if not."""
    from ivr import prompt_making  # numpy and friends are needed only here  # noqa: PLC0415

    chosen = _parser().parse_args(arguments)
    chosen_languages = [chosen.language] if chosen.language else languages()
    try:
        if chosen.command == "human":
            here = (chosen.folder, chosen.language or MAIN, chosen.retention_days)
            prompt_making.adopt_human(chosen.key, chosen.file, *here)
        for language in chosen_languages if chosen.command == "make" else ():
            here = (chosen.folder, language, chosen.retention_days)
            _print(
                f"made {language}/{key}" for key in prompt_making.make(*here, force=chosen.force)
            )
    except (PromptsMissing, prompt_making.SpeechUnavailable, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return _print(
        line
        for language in chosen_languages
        for line in check(chosen.folder, language, chosen.retention_days)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ivr.prompts", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--language", help="id, ban or en; without it all of them (human: id)")
    parser.add_argument("--retention-days", type=int, default=DEFAULT_RETENTION_DAYS)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make what is missing or whose text changed")
    making.add_argument("--force", action="store_true", help="make all but the human recordings")
    commands.add_parser("check", help="name what is not as the table says")
    human = commands.add_parser("human", help="put a human recording in place of a made one")
    human.add_argument("key")
    human.add_argument("file", type=Path)
    return parser


def _print(lines: Iterable[str]) -> int:
    printed = 0
    for line in lines:
        print(line)
        printed = 1
    return printed


if __name__ == "__main__":
    sys.exit(main())
