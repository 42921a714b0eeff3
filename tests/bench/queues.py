"""A Valkey of the benchmark's own, the one that the product brings."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from callcenter.gateways.valkey import answers, command
from tests.line.asterisk import free_port
from tests.running import until


@contextmanager
def valkey(folder: Path, *, most: str = "256mb") -> Iterator[Redis]:
    """Starts one on a free port and ends it."""
    port = free_port()
    order = [*command(port, folder / "valkey"), "--maxmemory", most]
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen(order, stdout=log, stderr=log)
    try:
        until(lambda: answers(port), 10)
        with Redis(port=port) as redis:
            yield redis
    finally:
        process.terminate()
        process.wait(10)


def url_of(redis: Redis) -> str:
    """Its address as the configuration takes it."""
    return f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}/0"
