"""How many values an attack has: the usual number in `make test`, many in `make endurance`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attack.hostile import MANY, SEED, USUAL


@pytest.fixture(
    params=[USUAL, pytest.param(MANY, marks=[pytest.mark.endurance, pytest.mark.timeout(7200)])],
    ids=["usual", "many"],
)
def size(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many values; printed with the seed, for whoever has to see it again."""
    count = int(request.param)
    print(f"{count} hostile values, seed {SEED}")
    yield count
