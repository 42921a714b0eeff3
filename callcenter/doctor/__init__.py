"""What is wrong with this deployment, and how to mend it. Looks only; changes nothing.

machine.py  Python, folders, disk, time zones, speech
data.py     database, migrations, queue, clock, heartbeats, spool
line.py     the exchange, its manager, the application's port, prompts, numbers
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from callcenter.config import ConfigError, load, read_secrets
from callcenter.doctor.findings import Finding, failed, fine


def examine(path: Path) -> Iterator[Finding]:
    """All findings, one after the other; stops early where nothing further can be looked at."""
    from callcenter.doctor import data, line, machine

    yield machine.python()
    try:
        config = load(path)
    except ConfigError as error:
        yield from (failed("config", mistake, "correct it") for mistake in error.mistakes)
        return
    yield fine("config", str(path))
    try:
        read_secrets(config)
        yield fine("secrets", "all that the configuration needs are there")
    except ConfigError as error:
        yield from (failed("secrets", mistake, "") for mistake in error.mistakes)
    yield from machine.examine(config)
    now = datetime.now(UTC)
    yield from data.examine(config, now)
    yield from line.examine(config)


__all__ = ["Finding", "examine"]
