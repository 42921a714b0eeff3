"""A real exchange for each file of tests, with the application away (its port is refused)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from ivr.menu import Limits, build_menu
from ivr.prompts import PromptBook
from tests.line.asterisk import RunningAsterisk, reserve, start
from tests.line.noises import keys_of, make_noises

_blocks = count(1)


def block(size: int) -> list[str]:
    """Numbers of eight digits that no other call of this function has returned."""
    first = next(_blocks) * 10_000
    return [f"{10_000_000 + first + index}" for index in range(size)]


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> PromptBook:
    """Noises for all that any table says, and for one state of a complaint."""
    menus = (build_menu(Limits(operators=True, emergency=True)), build_menu())
    keys = keys_of(*menus) | {"state_waiting"}
    return make_noises(tmp_path_factory.mktemp("prompts"), "id", keys)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAsterisk]:
    """One exchange for the file; its calls' sidecars add up in the spool."""
    folder = tmp_path_factory.mktemp("pbx")
    reserve(folder / "numbers", *block(1000))
    running = start(folder)
    yield running
    running.stop()
