"""A real exchange for each file of tests, with the application away (its port is refused)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.line.asterisk import RunningAsterisk, reserve, start

_blocks = count(1)


def block(size: int) -> list[str]:
    """Numbers of eight digits that no other call of this function has returned."""
    first = next(_blocks) * 10_000
    return [f"{10_000_000 + first + index}" for index in range(size)]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAsterisk]:
    """One exchange for the file; its calls' sidecars add up in the spool."""
    folder = tmp_path_factory.mktemp("pbx")
    reserve(folder / "numbers", *block(1000))
    running = start(folder)
    yield running
    running.stop()
