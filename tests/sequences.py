"""Which test runs beside which: two sequences live in real time, everything else in between.

Calls and clocks that run in real time mostly wait, and two exchanges at once would be late for
each other's callers. So each sequence keeps one worker of its own, and `deploy/test.sh` starts
two workers more than there are cores. (Marks do not do it: `xdist_group` says nothing under
pytest 9.2, whose items no longer take another id.)
"""

from __future__ import annotations

import gc
import os
from functools import cache

import pytest
from xdist.scheduler import LoadScopeScheduling

#: The first whose folder fits. Both take about as long: what starts an exchange of its own
#: anyway stands in the first.
_IN_SEQUENCE = {
    "deployments": (
        *("tests/way/", "tests/faults/", "tests/line/test_up.py", "tests/line/test_call_log.py"),
        *("tests/line/test_disk_full.py", "tests/line/test_exchange_killed.py"),
        *("tests/line/test_early_hang_ups.py", "tests/line/test_security.py"),
    ),
    "the exchange": ("tests/line/",),
}


def _sequence(nodeid: str) -> str | None:
    for name, folders in _IN_SEQUENCE.items():
        if nodeid.startswith(folders):
            return name
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The sequences begin first, because they take longest."""
    items.sort(key=lambda item: _sequence(item.nodeid) is None)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was collected stays: a collector that walks it again and again is a stutter.

    It stops every thread of the process, a telephone in the middle of a call too, for 0.2 s
    on a quiet machine.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What only computes gives way to what lives in real time, as it does beside a live line.

    No worker comes back from it: the sequences are handed out first.
    """
    if _sequence(item.nodeid) is None and "PYTEST_XDIST_WORKER" in os.environ:
        _give_way()


@cache
def _give_way() -> None:
    os.nice(10)


class _Sequences(LoadScopeScheduling):
    """A sequence goes to one worker; everything else goes by files."""

    def _split_scope(self, nodeid: str) -> str:
        return _sequence(nodeid) or nodeid.split("::", maxsplit=1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _Sequences:
    config.option.loadscopereorder = False
    return _Sequences(config, log)
