"""One script, one conversation: on the flow alone, the test phone, Twilio and the exchange.

After a wanted change of the conversation: ADUAN24_GOLDEN=write, run, and read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ivr.menu import Limits, build_menu
from ivr.menu_out import build_closing_menu, build_officer_menu
from tests.golden.exchange import fastagi
from tests.golden.performers import Performer, phone, places, pure
from tests.golden.script import TRANSCRIPTS, Script, Telling, WrongLine, all_scripts
from tests.golden.twilio import twilio

SCRIPTS = all_scripts()
NAMES = [script.name for script in SCRIPTS]
#: Performers of every script, by name.
PERFORMERS: dict[str, Performer] = {
    "flow": pure,
    "phone": phone,
    "twilio": twilio,
    "exchange": fastagi,
}
#: What a performer cannot tell yet: the exchange has no citizen's clip to play to an officer.
LEFT_OUT = {("exchange", "officer")}
CALLS = [
    pytest.param(script, name, id=f"{script.name}-{name}")
    for script in SCRIPTS
    for name in PERFORMERS
    if (name, script.table) not in LEFT_OUT
    and not (name == "twilio" and "ordinal" in script.begins)  # who calls there is not counted
]
#: Reached only when the exchange cannot play, or the disk fills up in the call: no script of a
#: caller leads there.
UNREACHABLE = {"failed", "no_room_still"}


def committed(script: Script) -> str:
    path = TRANSCRIPTS / f"{script.name}.txt"
    if os.environ.get("ADUAN24_GOLDEN") == "write":
        path.write_text(pure(script, TRANSCRIPTS), encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("script", "performer"), CALLS)
def test_the_conversation_is_the_committed_one(
    script: Script, performer: str, tmp_path: Path
) -> None:
    assert PERFORMERS[performer](script, tmp_path) == committed(script)


@pytest.mark.parametrize(("script", "performer"), [c for c in CALLS if c.values[1] != "flow"])
def test_a_hang_up_at_any_moment_ends_it_alike(
    script: Script, performer: str, tmp_path: Path
) -> None:
    for after in range(len(script.lines) + 1):
        cut = script.cut(after)
        if cut.lines[:-1] and cut.lines[-2].endswith("hang up"):
            continue
        folder = tmp_path / str(after)
        folder.mkdir()
        assert PERFORMERS[performer](cut, folder) == pure(cut, folder)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("hotline", set(build_menu(Limits(operators=True, emergency=True)))),
        ("officer", set(build_officer_menu())),
        ("closing", set(build_closing_menu())),
    ],
)
def test_every_place_is_visited(table: str, names: set[str]) -> None:
    calls = [script for script in SCRIPTS if script.table == table]
    visited = set[str]().union(*(places(call) for call in (*calls, calls[0].cut(0))))
    assert names - visited == UNREACHABLE & names


def test_every_transcript_has_its_script() -> None:
    assert {path.stem for path in TRANSCRIPTS.glob("*.txt")} == set(NAMES)


def test_a_script_that_does_not_fit_is_named() -> None:
    with pytest.raises(WrongLine, match=r"wrong: 'say 3' after 'id: welcome "):
        pure(Script("wrong", ("say 3",)), Path())
    assert Telling(Script("empty", ())).next("hear") == ["hear"]
