"""One deployment per test; nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.deployment import Site

MakeSite = Callable[..., Site]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MakeSite]:
    """Makes a deployment in a folder of its own."""
    made: list[Site] = []

    def make(**values: str | float) -> Site:
        made.append(Site(tmp_path, **values))
        return made[-1]

    yield make
    for one in made:
        one.close()
