"""Each part has one sign of life, whoever of its processes gave it last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from callcenter.services.heartbeats import beat
from callcenter.store import queries
from callcenter.store.session import Store

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def test_the_latest_beat_replaces_the_one_before(store: Store) -> None:
    for minute in (0, 1):
        with store.write() as session:
            beat(session, "line", NOW + timedelta(minutes=minute), {"calls": minute})
    with store.write() as session:
        beat(session, "clock", NOW)
    with store.read() as session:
        found = [(one.part, one.at, one.detail) for one in queries.heartbeats(session)]
    assert found == [
        ("clock", NOW, {}),
        ("line", NOW + timedelta(minutes=1), {"calls": 1}),
    ]


def test_two_processes_of_one_part_do_not_race_for_the_first_row(store: Store) -> None:
    def one(_: int) -> None:
        with store.write() as session:
            beat(session, "line", NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    with store.read() as session:
        assert len(queries.heartbeats(session)) == 1
