"""A call as a script of what the caller does, and the transcript of what came of it.

A script is a text file. Its first line may say how the call begins; each further line answers
one performance of the line (a prompt, a question, a recording, ...), in order:

    with mode=announcement number=none caller=hidden pin=4711 table=officer operators=no ordinal=3
    hear                  the prompt is heard to its end
    key 1                 a key: answers a question, cuts a prompt, leaves the music
    type 12345678#        digits, and what ended them
    silence               nothing is pressed, typed or said
    say 6.0               so many seconds of speech; then silence ends the recording
    say 6.0 #             ... or this key
    say 6.0 hang up       ... or the caller hangs up
    found a b             the inquiry finds a complaint: prompts to be read
    unknown               ... finds nothing
    broken                ... fails
    talk                  somebody answers, and both hang up properly
    nobody                nobody answers
    hang up               the caller is gone

After its last line the caller hears everything and does nothing. The beep before a recording
needs no line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ivr.flow import Started
from ivr.menu import Limits, build_menu
from ivr.menu_out import build_closing_menu, build_officer_menu
from ivr.nodes import Menu
from ivr.numbers import make_number

SCRIPTS = Path(__file__).with_name("scripts")
TRANSCRIPTS = Path(__file__).with_name("transcripts")
NUMBER = make_number(0)
BEEP = ("beep",)
GONE = "hang up"


class WrongLine(AssertionError):
    """A line of a script that does not fit the place where the call is."""


@dataclass(frozen=True)
class Script:
    """One call. `begins` are the words of its first line."""

    name: str
    lines: tuple[str, ...]
    begins: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        return self.begins.get("table", "hotline")

    @property
    def menu(self) -> Menu:
        if self.table == "officer":
            return build_officer_menu()
        if self.table == "closing":
            return build_closing_menu()
        return build_menu(self.limits)

    @property
    def limits(self) -> Limits:
        def has(what: str) -> bool:
            return self.begins.get(what, "yes") == "yes"

        return Limits(operators=has("operators"), emergency=has("emergency"), queue_rounds=2)

    @property
    def started(self) -> Started:
        return Started(
            number=NUMBER if self.begins.get("number") != "none" else None,
            caller_known=self.begins.get("caller") != "hidden",
            pin=self.begins.get("pin", ""),
            mode=self.begins.get("mode", "normal"),
            ordinal=int(self.begins["ordinal"]) if "ordinal" in self.begins else None,
        )

    def cut(self, after: int) -> Script:
        """The same call, hung up after so many lines."""
        return Script(f"{self.name}-{after}", (*self.lines[:after], GONE), self.begins)


def read(path: Path) -> Script:
    """A script from its file."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    begins: dict[str, str] = {}
    if lines and lines[0].startswith("with "):
        begins = dict(word.split("=", 1) for word in lines.pop(0).split()[1:])
    return Script(path.stem, tuple(lines), begins)


def all_scripts() -> list[Script]:
    """The committed scripts, by name."""
    return [read(path) for path in sorted(SCRIPTS.glob("*.txt"))]


@dataclass
class Telling:
    """Follows a script and writes down what the caller lived through."""

    script: Script
    language: str = "id"
    written: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    used: int = 0

    def heard(self, prompts: Iterable[str], language: str = "") -> None:
        """These prompts were played."""
        self.written.append(f"{language or self.language}: {' '.join(prompts)}")

    def did(self, what: str) -> None:
        """Something else that the line did."""
        self.written.append(what)

    def next(self, passive: str, *allowed: str) -> list[str]:
        """The caller's next doing, as words; `passive` once the script is at its end."""
        line = passive
        if self.used < len(self.script.lines):
            line = self.script.lines[self.used]
            self.used += 1
        if line != GONE and line.split()[0] not in (passive, *allowed):
            raise WrongLine(f"{self.script.name}: {line!r} after {self.written[-1]!r}")
        self.written.append(f"    > {line}")
        return line.split()

    def noted(self, key: str, value: str) -> None:
        """A fact of the call's sidecar."""
        self.notes.append(f"noted {key}" + (f" {value}" if value and key != "consent" else ""))

    def text(self) -> str:
        """The whole transcript."""
        return "\n".join([*self.written, *self.notes]) + "\n"
