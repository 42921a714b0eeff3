"""What happens for the line by itself: receipts, the files that it reads, old questions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select

from callcenter.clock import line_duties
from callcenter.config.load import load
from callcenter.config.schema import CallsOut
from callcenter.config.secrets import read_secrets
from callcenter.domain.line_mode import LineMode
from callcenter.line import _Line, _longest_call_s
from callcenter.services import line_mode, pins, status
from callcenter.store.line_models import StatusAttempt
from callcenter.store.models import Notice
from callcenter.wiring import Wiring
from ivr.numbers import make_number
from tests.services.calls import call_with_speech, silent_call
from tests.services.conftest import DAY, HOUR, ROOT, T0

MOBILE = "+6281234567801"


def wiring(folder: Path, migrated_file: Path, *changes: tuple[str, str]) -> Wiring:
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    config = load(folder / "config.yaml")
    config.storage.state.mkdir()
    shutil.copy(migrated_file, config.storage.state / "aduan24.db")
    return Wiring(config, read_secrets(config))


@pytest.fixture
def wired(tmp_path: Path, migrated_file: Path) -> Iterator[Wiring]:
    built = wiring(tmp_path, migrated_file)
    yield built
    built.store.engine.dispose()


def turn(wired: Wiring, at: datetime = T0) -> None:
    """Each duty of the clock, again while there is something to do; then the line's own."""
    for duty in line_duties(wired):
        while duty.work(at):
            pass
    with time_machine.travel(at, tick=False):
        line = _Line(wired)
        line._tell()
        line._refill()


def receipts(wired: Wiring) -> int:
    with wired.store.read() as db:
        return len(db.scalars(select(Notice)).all())


def test_every_complaint_gets_its_receipt_once(wired: Wiring) -> None:
    call_with_speech(wired.store, MOBILE, at=T0)
    for _ in range(3):
        turn(wired)
    assert receipts(wired) == 1


def test_receipts_can_be_switched_off(tmp_path: Path, migrated_file: Path) -> None:
    off = wiring(tmp_path, migrated_file, ("receipts: true", "receipts: false"))
    call_with_speech(off.store, MOBILE, at=T0)
    turn(off)
    assert receipts(off) == 0
    off.store.engine.dispose()


def test_the_line_is_told_of_modes_and_of_who_is_silent(wired: Wiring) -> None:
    for n in range(3):
        silent_call(wired.store, MOBILE, at=T0 - n * HOUR)
    assert wired.entry.mode(MOBILE, T0) == "normal"
    turn(wired)
    assert wired.entry.mode(MOBILE, T0) == "limited"
    with wired.store.write() as db:
        line_mode.switch(db, LineMode.EMERGENCY_ONLY, actor="admin", now=T0)
    turn(wired)
    assert wired.entry.mode(MOBILE, T0) == "emergency_only"


def test_how_many_silent_calls_hurry_is_configured(tmp_path: Path, migrated_file: Path) -> None:
    strict = wiring(tmp_path, migrated_file, ("silent_calls: 3", "silent_calls: 2"))
    for n in range(2):
        silent_call(strict.store, MOBILE, at=T0 - n * HOUR)
    turn(strict)
    assert strict.entry.mode(MOBILE, T0) == "limited"
    strict.store.engine.dispose()


def test_reserved_numbers_have_their_pins(wired: Wiring) -> None:
    turn(wired)
    folder = wired.numbers_folder
    numbers = (folder / "numbers.txt").read_text().split()
    assert len(numbers) == wired.config.line.numbers_reserved
    assert (folder / "pins.txt").read_text().split() == [wired.pin_of(n) for n in numbers]


def test_pins_that_are_missing_are_written_though_no_number_is_new(wired: Wiring) -> None:
    line = _Line(wired)
    line._refill()
    (wired.numbers_folder / "pins.txt").unlink()
    assert pins.short(wired.numbers_folder)
    line._refill()
    assert not pins.short(wired.numbers_folder)


def test_questions_that_no_rule_counts_are_forgotten(wired: Wiring) -> None:
    with wired.store.write() as db:
        status.inquire(
            db, number=make_number(1), pin="0000", caller=MOBILE, now=T0, rules=wired.inquiry_rules
        )
    turn(wired, T0 + 89 * DAY)
    with wired.store.read() as db:
        assert len(db.scalars(select(StatusAttempt)).all()) == 1
    turn(wired, T0 + 90 * DAY)
    with wired.store.read() as db:
        assert db.scalars(select(StatusAttempt)).all() == []


def test_the_secret_and_the_limits_come_from_the_deployment(wired: Wiring) -> None:
    rules = wired.inquiry_rules
    assert rules.secret == wired.secret_key
    assert wired.secret_key not in repr(rules)
    assert rules.limits == wired.config.guessing


def test_a_conversation_is_never_filed_as_lost_while_it_may_go_on() -> None:
    config = load(ROOT / "config.yaml")
    line = config.line.model_copy(update={"calls_out": CallsOut()})
    longer = config.model_copy(update={"line": line})
    assert _longest_call_s(longer) - _longest_call_s(config) == 3600
