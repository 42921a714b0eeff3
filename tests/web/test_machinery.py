"""The machinery on screen: what works and what waits, also while the queue is away."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from callcenter.gateways import valkey
from callcenter.gateways.postman import Postman
from callcenter.services.heartbeats import beat
from callcenter.wiring import Wiring
from tests.running import free_block, until
from tests.web.conftest import Sent

AsUser = Callable[[str], FlaskClient]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[str]:
    """A queue of its own; its address."""
    port = free_block()
    with subprocess.Popen(valkey.command(port, tmp_path), stdout=subprocess.DEVNULL) as server:
        until(lambda: valkey.answers(port), 10)
        yield f"redis://127.0.0.1:{port}/0"
        server.kill()


def test_without_the_queue_it_says_that_nothing_is_lost(as_user: AsUser) -> None:
    page = as_user("supervisor").get("/machinery").text
    assert "Antrean tidak terjangkau" in page
    assert "Tidak ada yang hilang" in page


def test_letters_in_the_queue_are_counted(queue: str) -> None:
    postman = Postman(queue)
    postman.post([(1, True), (2, False), (3, False)])
    postman.ask([4])
    postman.fetch([9])
    counted = postman.counted()
    assert counted is not None
    assert counted.waiting == {"urgent": 1, "notices": 2, "questions": 1, "media": 1}
    assert (counted.workers, counted.busy, counted.failed) == (0, 0, 0)


def test_a_silent_part_and_waiting_notices_are_seen(
    wired: Wiring, as_user: AsUser, a_ticket: Callable[..., Sent]
) -> None:
    a_ticket()
    with wired.store.write() as db:
        now = datetime.now(UTC)
        beat(db, "clock", now - timedelta(minutes=5))
        beat(db, "worker-1", now)
    page = as_user("admin").get("/machinery").text
    assert page.count("diam</span>") == 1
    assert page.count("bekerja</span>") == 1
    assert "terlama" in page
