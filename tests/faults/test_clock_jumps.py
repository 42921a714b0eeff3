"""The machine's time jumps by hours and days: nothing is taken twice, early, or by a wrong clock.

The clock runs as in its process, over a real database; only the wall clock is not the machine's.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import func, select

from callcenter import clock
from callcenter.cli import main
from callcenter.services import alarms, notices
from callcenter.store.models import Audit, Escalation, Heartbeat, Notice
from callcenter.timekeeper import Timekeeper, anchor_file
from tests.faults.conftest import MakeSite
from tests.faults.deployment import Site
from tests.running import until

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
JUMPS = (2 * HOUR, -2 * HOUR, 25 * HOUR, -25 * HOUR)

Wall = time_machine.Traveller


class Brisk(clock.Turns):
    """The clock's turns, each duty fifty times as often; counts the rounds."""

    rounds = 0

    def __init__(self, work: tuple[clock.Duty, ...]) -> None:
        super().__init__(tuple(replace(duty, every_s=duty.every_s / 50) for duty in work))

    def turn(self, now: datetime, monotonic: float, *, held: bool = False) -> float:
        rest = super().turn(now, monotonic, held=held)
        Brisk.rounds += 1
        return rest


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> type[Brisk]:
    """A clock in a hurry."""
    monkeypatch.setattr(clock, "Turns", Brisk)
    return Brisk


@contextmanager
def running(here: Site, brisk: type[Brisk]) -> Iterator[None]:
    """The clock in a thread, until the end of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=clock.run, args=(here.wiring, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def wall() -> Iterator[Wall]:
    """The wall clock: goes on by itself, and can be set."""
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield traveller


def _standing(here: Site) -> list[str]:
    with here.store.read() as session:
        return [alarm.kind for alarm in alarms.all_standing(session)]


def _held(here: Site) -> None:
    until(lambda: _standing(here) == ["time"], 20)


def _trusted(here: Site) -> None:
    until(lambda: _standing(here) == [], 20)


def _taken(here: Site) -> Counter[str]:
    with here.store.read() as session:
        return Counter(session.scalars(select(Escalation.step_key)))


def _turned(brisk: type[Brisk]) -> None:
    """Every duty was done since, or held."""
    goal = brisk.rounds + 3
    until(lambda: brisk.rounds >= goal, 20)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_nothing_is_taken_by_a_clock_that_jumped(
    site: MakeSite, wall: Wall, brisk: type[Brisk], jump: timedelta
) -> None:
    here = site(enabled="false")
    tickets = [here.ticket(serial) for serial in range(3)]
    with running(here, brisk):
        _turned(brisk)
        wall.shift(jump)
        _held(here)
        _turned(brisk)
        assert _taken(here) == {"dispatch": 3}
        wall.shift(-jump)
        _trusted(here)
        _turned(brisk)
        assert _taken(here) == {"dispatch": 3}
        wall.shift(4 * MINUTE)  # a correction, not a jump
        _turned(brisk)
        assert _standing(here) == []
    with here.store.read() as session:
        told = [n.key for n in session.scalars(select(Notice).filter_by(kind="alarm"))]
        due = notices.due(session, datetime.now(UTC))
    whom = ("coordinator", "supervisor")
    assert told == [f"alarm:1:{what}:{who}" for what in ("begins", "ends") for who in whom]
    assert len(due) == 4 + len(tickets)  # the alarm waits in no future


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_new_time_that_is_trusted_repeats_no_step(
    site: MakeSite, wall: Wall, brisk: type[Brisk], jump: timedelta
) -> None:
    here = site(enabled="false")
    wall.shift(abs(jump))
    tickets = [here.ticket(serial) for serial in range(3)]
    with running(here, brisk):
        _turned(brisk)
        for way in (jump, -jump, abs(jump)):
            wall.shift(way)
            _held(here)
            Timekeeper(anchor_file(here.config.storage.state)).trust(datetime.now(UTC))
            _trusted(here)
            _turned(brisk)
    with here.store.read() as session:
        taken = Counter((e.ticket_id, e.step_key) for e in session.scalars(select(Escalation)))
        keys = Counter(session.scalars(select(Notice.key)))
    assert set(taken.values()) == {1}
    assert set(keys.values()) == {1}
    passed = {"dispatch", "next_officer", "secretary"} if abs(jump) >= 2 * HOUR else {"dispatch"}
    if abs(jump) >= 24 * HOUR:
        passed |= {"remind_team", "remind_head", "missed"}
    assert {key for _, key in taken} == passed
    assert {ticket for ticket, _ in taken} == set(tickets)


def test_a_restart_believes_no_new_time_either(
    site: MakeSite, wall: Wall, brisk: type[Brisk]
) -> None:
    here = site(enabled="false")
    here.ticket(1)
    with running(here, brisk):
        _turned(brisk)
    wall.shift(25 * HOUR)
    with running(here, brisk):
        _held(here)
        _turned(brisk)
        assert _taken(here) == {"dispatch": 1}


def test_a_clock_without_its_date_is_held_after_a_start_of_the_machine(
    site: MakeSite, wall: Wall, brisk: type[Brisk]
) -> None:
    here = site(enabled="false")
    here.ticket(1)
    with here.store.write() as session:
        session.merge(Heartbeat(part="clock", at=datetime.now(UTC), detail={}))
    wall.shift(-9000 * 24 * HOUR)
    with running(here, brisk):
        _held(here)
    wall.shift(9000 * 24 * HOUR)
    with running(here, brisk):
        _trusted(here)


def test_the_person_who_trusts_a_new_time_is_written_down(
    site: MakeSite, wall: Wall, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site(enabled="false")

    def said(*words: str) -> int:
        with pytest.raises(SystemExit) as left:
            main(["--config", str(here.file), "time", *words])
        return int(left.value.code or 0)

    assert said("show") == 0
    wall.shift(2 * HOUR)
    assert said("show") == 1
    assert "7200" in capsys.readouterr().out
    assert said("trust") == 0
    assert said("show") == 0
    with here.store.read() as session:
        rows = select(func.count()).select_from(Audit).where(Audit.action == "time_trusted")
        assert session.scalar(rows) == 1


def test_an_anchor_that_cannot_be_understood_or_written_ends_nothing(
    tmp_path: Path, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = anchor_file(tmp_path)
    looks: list[Callable[[], object]] = [
        lambda: file.write_bytes(b"{"),
        lambda: file.write_text('{"wall": 1, "steady": [], "boot": null}'),
        file.unlink,
    ]
    for spoil in looks:
        assert abs(Timekeeper(file).drift(datetime.now(UTC))) < MINUTE
        spoil()
    monkeypatch.setattr("callcenter.services.whole_file.put", _refused)
    keeper = Timekeeper(file)
    assert abs(keeper.drift(datetime.now(UTC))) < MINUTE
    wall.shift(HOUR)
    assert abs(keeper.drift(datetime.now(UTC)) - HOUR) < MINUTE


def _refused(_path: Path, _data: bytes) -> bool:
    raise OSError(28, "No space left on device")
