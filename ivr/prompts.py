"""Prompt key + language -> sound file and text; the files are made from ``prompts.toml``.

``python -m ivr.prompts make`` makes what is missing or whose text changed, ``check`` names what
is not as the table says, ``human KEY FILE`` puts a human recording in the place of a made one,
which `make` then never overwrites. The manifest beside the files remembers, for each, the text
it speaks, its seconds and its level.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("prompts.toml")
FOLDER = Path("recordings/prompts")
RATE = 8000
DEFAULT_RETENTION_DAYS = 365
REMEDY = "run `python -m ivr.prompts make`"

_WORDS = ("nol", "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "sembilan")


class PromptsMissing(RuntimeError):
    """Prompts cannot be played; the message names them and the remedy."""


@dataclass(frozen=True)
class Made:
    """One line of the manifest. `human`: a person's recording, never overwritten."""

    text: str
    text_sha256: str
    file_sha256: str
    seconds: float
    loudness_dbfs: float
    human: bool = False


def in_words(days: int) -> str:
    """How long recordings are kept, as it is said: 365 -> "satu tahun", 90 -> "tiga bulan"."""
    for unit, name in ((365, "tahun"), (30, "bulan")):
        count, rest = divmod(days, unit)
        if not rest and 0 < count < len(_WORDS):
            return f"{_WORDS[count]} {name}"
    return f"{days} hari"


def texts(
    language: str = "id", retention_days: int = DEFAULT_RETENTION_DAYS, table: Path = TABLE
) -> dict[str, str]:
    """What each prompt says, by key. Raises PromptsMissing for a language without a table."""
    try:
        lines: Mapping[str, str] = tomllib.loads(table.read_text(encoding="utf-8"))[language]
    except KeyError:
        raise PromptsMissing(f"{table.name} has no texts for language {language!r}") from None
    kept = in_words(retention_days)
    return {key: text.replace("{retention}", kept) for key, text in lines.items() if key != "voice"}


def text_hash(text: str) -> str:
    """SHA-256 of a prompt's text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class PromptBook:
    """The prompts of one language, ready to be played."""

    folder: Path
    made: Mapping[str, Made]
    texts: Mapping[str, str]

    def path(self, key: str) -> Path:
        """The sound file of a prompt."""
        return self.folder / f"{key}.wav"

    def stem(self, key: str) -> str:
        """Absolute path without extension: what Asterisk plays."""
        return str(self.path(key).with_suffix("").resolve())

    def seconds(self, keys: Iterable[str]) -> float:
        """How long these prompts take, one after another; 0 for one that is not there."""
        return sum(self.made[key].seconds for key in keys if key in self.made)

    def version(self, key: str) -> str:
        """Twelve characters that name the text spoken: what a call's consent refers to."""
        return self.made[key].text_sha256[:12]


def open_book(
    folder: Path = FOLDER,
    language: str = "id",
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
) -> PromptBook:
    """The prompts of a language.

    Raises PromptsMissing, naming all of them, if a sound file or its line in the manifest is
    missing: a line that cannot say its consent must not answer.
    """
    spoken = texts(language, retention_days, table)
    made = read_manifest(folder).get(language, {})
    book = PromptBook(folder / language, made, spoken)
    missing = [key for key in spoken if key not in made or not book.path(key).is_file()]
    if missing:
        raise PromptsMissing(f"no sound for {', '.join(missing)} ({language}): {REMEDY}")
    return book


def read_manifest(folder: Path) -> dict[str, dict[str, Made]]:
    """The manifest of all languages; empty if there is none."""
    path = folder / "manifest.json"
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {
        language: {key: Made(**line) for key, line in lines.items()}
        for language, lines in found.items()
    }


def write_manifest(folder: Path, manifest: Mapping[str, Mapping[str, Made]]) -> None:
    """Replace the manifest in one go, so that a crash leaves the old or the new one."""
    plain = {
        language: {key: asdict(made) for key, made in sorted(lines.items())}
        for language, lines in sorted(manifest.items())
    }
    fresh = folder / "manifest.json.new"
    fresh.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(folder / "manifest.json")


def check(
    folder: Path = FOLDER,
    language: str = "id",
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
) -> list[str]:
    """What is not as the table says, one line each with the remedy."""
    made = read_manifest(folder).get(language, {})
    lines = (
        _problem(folder / language / f"{key}.wav", text, made.get(key))
        for key, text in texts(language, retention_days, table).items()
    )
    return [line for line in lines if line]


def _problem(path: Path, text: str, made: Made | None) -> str:
    if made is None or not path.is_file():
        return f"{path.name}: missing: {REMEDY}"
    if made.text_sha256 != text_hash(text):
        remedy = "record it again and run `python -m ivr.prompts human`" if made.human else REMEDY
        return f"{path.name}: speaks an older text: {remedy}"
    if made.file_sha256 != file_hash(path):
        return f"{path.name}: not the file of the manifest: {REMEDY}"
    return ""


def file_hash(path: Path) -> str:
    """SHA-256 of a sound file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """``python -m ivr.prompts make|check|human KEY FILE``; 0 if all is well, 1 if not."""
    from ivr import prompt_making  # numpy and friends are needed only here  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m ivr.prompts", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--language", default="id")
    parser.add_argument("--retention-days", type=int, default=DEFAULT_RETENTION_DAYS)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make what is missing or whose text changed")
    making.add_argument("--force", action="store_true", help="make all but the human recordings")
    commands.add_parser("check", help="name what is not as the table says")
    human = commands.add_parser("human", help="put a human recording in place of a made one")
    human.add_argument("key")
    human.add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    where = (chosen.folder, chosen.language, chosen.retention_days)
    try:
        if chosen.command == "make":
            _print(f"made {key}" for key in prompt_making.make(*where, force=chosen.force))
        elif chosen.command == "human":
            prompt_making.adopt_human(chosen.key, chosen.file, *where)
    except (PromptsMissing, prompt_making.SpeechUnavailable, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return _print(check(*where))


def _print(lines: Iterable[str]) -> int:
    printed = 0
    for line in lines:
        print(line)
        printed = 1
    return printed


if __name__ == "__main__":
    sys.exit(main())
