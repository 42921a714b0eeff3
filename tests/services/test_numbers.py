"""A public number is given out once, whatever crashed, was restored or was lost."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import select

from callcenter.doctor.line import _numbers as doctors_finding
from callcenter.services import intake, numbers
from callcenter.services.intake import HeardCall
from callcenter.services.numbers import NumbersExhausted, given_out, left, refill, short
from callcenter.store.models import NumberBlock
from callcenter.store.session import Store
from ivr.numbers import MAX_SERIAL, is_valid, make_number, serial_of
from tests.databases import Database

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
WANTED = 20
_serial = count(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "numbers"


class Killed(BaseException):
    """As by kill -9: nothing catches it."""


def give(folder: Path) -> str | None:
    """What the dialplan's [aduan-number] does."""
    index = given_out(folder)
    line = (folder / "numbers.txt").read_bytes()[index * 9 : index * 9 + 9]
    if len(line) < 9 or not line[:8].isdigit() or line.startswith(b"0"):
        return None
    with (folder / "taken").open("ab") as taken:
        taken.write(line)
    (folder / "next").write_text(f"{index + 1}\n")
    return line[:8].decode()


def all_of(folder: Path) -> list[str]:
    """Every number that can still be given out, by giving it out."""
    return list(iter(lambda: give(folder), None))


def file_call(store: Store, number: str) -> None:
    """A call that was given this number."""
    heard = HeardCall(
        call_uid=f"pbx1-{next(_serial)}.1", line="pbx1", caller_raw="", called="",
        started_at=NOW, ended_at=NOW, cause="16", mode="app", consent_at=NOW,
        number=number, number_heard=True, path=(), clips=(),
    )  # fmt: skip
    with store.write() as session:
        intake.file_call(session, heard, now=NOW, silent_below=0.5)


def from_the_application(store: Store) -> str:
    with store.write() as session:
        return numbers.take(session, NOW)


def lines(folder: Path) -> list[str]:
    return (folder / "numbers.txt").read_text().splitlines()


# ---------------------------------------------------------------- an ordinary day


def test_the_first_refill_reserves_a_block_and_the_next_ones_nothing(
    store: Store, folder: Path
) -> None:
    assert refill(store, "pbx1", folder, WANTED, NOW) == WANTED
    before = (folder / "numbers.txt").read_bytes()
    assert len(before) == 9 * WANTED
    assert all(is_valid(number) for number in lines(folder))
    assert refill(store, "pbx1", folder, WANTED, NOW) == WANTED
    assert (folder / "numbers.txt").read_bytes() == before


def test_at_least_half_is_always_there(store: Store, folder: Path) -> None:
    given = []
    for _ in range(100):
        refill(store, "pbx1", folder, WANTED, NOW)
        assert left(folder) >= WANTED // 2
        given.append(give(folder))
    assert None not in given
    assert len(set(given)) == 100


def test_whether_there_is_something_to_do_is_known_without_writing(
    store: Store, folder: Path
) -> None:
    def asked() -> bool:
        with store.read() as session:
            return short(session, "pbx1", folder, WANTED)

    assert asked()
    refill(store, "pbx1", folder, WANTED, NOW)
    assert not asked()
    for _ in range(WANTED // 2 + 1):
        give(folder)
    assert asked()
    refill(store, "pbx1", folder, WANTED, NOW)
    assert not asked()


def test_what_lies_in_the_file_is_never_rewritten(store: Store, folder: Path) -> None:
    refill(store, "pbx1", folder, WANTED, NOW)
    first = (folder / "numbers.txt").read_bytes()
    for _ in range(WANTED):
        give(folder)
    refill(store, "pbx1", folder, WANTED, NOW)
    assert (folder / "numbers.txt").read_bytes()[: len(first)] == first


def test_two_nodes_and_the_application_share_no_number(
    database: Database, store: Store, tmp_path: Path
) -> None:
    def exchange(node: str) -> list[str]:
        own, given = database.store(), []
        for _ in range(40):
            refill(own, node, tmp_path / node, 4, NOW)
            given.append(give(tmp_path / node) or "none")
        return given

    def application(_: int) -> list[str]:
        own = database.store()
        return [from_the_application(own) for _ in range(20)]

    with ThreadPoolExecutor(6) as pool:
        nodes = [pool.submit(exchange, f"pbx{n}") for n in range(4)]
        given = [number for one in map(application, range(2)) for number in one]
        given += [number for future in nodes for number in future.result()]
    assert "none" not in given
    assert len(set(given)) == len(given) == 4 * 40 + 2 * 20


def test_two_refills_of_one_node_at_once_append_a_block_once(
    database: Database, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second must not see what the first has reserved and not yet appended."""
    arrived: list[int] = []
    second, append = threading.Event(), numbers._append

    def slowly(file: int, data: bytes) -> None:
        arrived.append(file)
        if len(arrived) == 2:
            second.set()
        second.wait(0.5)
        append(file, data)

    monkeypatch.setattr(numbers, "_append", slowly)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: refill(database.store(), "pbx1", folder, WANTED, NOW), range(2)))
    assert len(lines(folder)) == len(set(lines(folder))) == WANTED


def test_no_exchange_can_be_named_as_the_application() -> None:
    assert not numbers.APP_NODE.isalnum()


# ---------------------------------------------------------------- crashes


@pytest.mark.parametrize("step", ["_carry_out", "_append", "_sync_folder", "_mark_handed_over"])
def test_a_kill_at_any_step_loses_no_number_and_doubles_none(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(numbers, step, killed)
        with pytest.raises(Killed):
            refill(store, "pbx1", folder, WANTED, NOW)
    assert refill(store, "pbx1", folder, WANTED, NOW) == WANTED
    assert refill(store, "pbx1", folder, WANTED, NOW) == WANTED
    assert sorted(map(serial_of, lines(folder))) == list(range(WANTED))


def test_a_kill_before_the_commit_leaves_the_file_alone(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in the file must be reserved already."""

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(numbers, "_Plan", killed)
        with pytest.raises(Killed):
            refill(store, "pbx1", folder, WANTED, NOW)
    assert (folder / "numbers.txt").read_bytes() == b""


@pytest.mark.parametrize("size", [1, 8, 9 * 7 + 4, 9 * 7])
def test_half_a_line_is_mended_and_what_was_reserved_follows(
    store: Store, folder: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power failed while the block was being appended."""

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(numbers, "_mark_handed_over", killed)
    with pytest.raises(Killed):
        refill(store, "pbx1", folder, WANTED, NOW)
    monkeypatch.undo()
    os.truncate(folder / "numbers.txt", size)
    refill(store, "pbx1", folder, WANTED, NOW)
    assert list(map(serial_of, lines(folder))) == list(range(WANTED))


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_full_disk_leaves_half_a_block_that_is_completed_later(
    store: Store, folder: Path
) -> None:
    with full_after(100), pytest.raises(OSError, match="No space"):
        refill(store, "pbx1", folder, WANTED, NOW)
    assert (folder / "numbers.txt").stat().st_size == 100
    assert give(folder) == make_number(0)
    refill(store, "pbx1", folder, WANTED, NOW)
    assert list(map(serial_of, lines(folder))) == list(range(WANTED))
    assert give(folder) == make_number(1)


def test_a_damaged_line_does_not_block_those_behind_it(store: Store, folder: Path) -> None:
    refill(store, "pbx1", folder, WANTED, NOW)
    given = [give(folder), give(folder)]
    content = bytearray((folder / "numbers.txt").read_bytes())
    content[27:36] = bytes(9)  # the fourth line
    (folder / "numbers.txt").write_bytes(content)
    refill(store, "pbx1", folder, WANTED, NOW)
    rest = all_of(folder)
    assert len(rest) == WANTED - 3
    assert not set(rest) & set(given)
    assert len(set(rest)) == len(rest)


# ---------------------------------------------------------------- restored and lost


def test_a_new_database_takes_over_what_the_file_holds(
    database: Database, store: Store, folder: Path
) -> None:
    refill(store, "pbx1", folder, WANTED, NOW)
    given = [give(folder) for _ in range(3)]
    forget_blocks(store)
    refill(store, "pbx1", folder, WANTED, NOW)
    given += [from_the_application(store) for _ in range(5)]
    given += all_of(folder)
    refill(store, "pbx1", folder, WANTED, NOW)
    given += all_of(folder)
    assert len(set(given)) == len(given) == 3 + 5 + (WANTED - 3) + WANTED


def forget_blocks(store: Store) -> None:
    with store.write() as session:
        for block in session.scalars(select(NumberBlock)):
            session.delete(block)


def test_numbers_that_another_node_has_by_now_are_not_given_out(store: Store, folder: Path) -> None:
    """The database was restored, and the application was quicker than this exchange."""
    refill(store, "pbx1", folder, WANTED, NOW)
    given = [give(folder)]
    forget_blocks(store)
    with store.write() as session:
        numbers.reserve(session, "pbx2", 5, NOW)
    refill(store, "pbx1", folder, WANTED, NOW)
    given += all_of(folder)
    assert not {make_number(serial) for serial in range(1, 5)} & set(given)
    assert len(set(given)) == len(given) >= WANTED - 5


def test_a_copied_folder_gives_nothing_out_twice(store: Store, tmp_path: Path) -> None:
    refill(store, "pbx1", tmp_path / "pbx1", WANTED, NOW)
    (tmp_path / "pbx2").mkdir()
    (tmp_path / "pbx2/numbers.txt").write_bytes((tmp_path / "pbx1/numbers.txt").read_bytes())
    refill(store, "pbx2", tmp_path / "pbx2", WANTED, NOW)
    given = all_of(tmp_path / "pbx1") + all_of(tmp_path / "pbx2")
    assert len(set(given)) == len(given) == 2 * WANTED


def test_a_lost_folder_begins_with_new_numbers(store: Store, folder: Path) -> None:
    refill(store, "pbx1", folder, WANTED, NOW)
    given = [give(folder) for _ in range(3)]
    for name in ("numbers.txt", "taken", "next"):
        (folder / name).unlink()
    assert refill(store, "pbx1", folder, WANTED, NOW) == WANTED
    assert not set(all_of(folder)) & set(given)


def test_a_lost_file_begins_behind_what_was_taken(store: Store, folder: Path) -> None:
    refill(store, "pbx1", folder, WANTED, NOW)
    given = [give(folder) for _ in range(3)]
    (folder / "numbers.txt").unlink()
    assert refill(store, "pbx1", folder, WANTED, NOW) == WANTED
    assert not set(all_of(folder)) & set(given)


def test_an_older_copy_of_the_folder_gives_out_nothing_that_a_call_has(
    store: Store, folder: Path
) -> None:
    """So it is after a power failure that lost the end of `taken`."""
    refill(store, "pbx1", folder, WANTED, NOW)
    given = [give(folder) for _ in range(5)]
    for number in given:
        file_call(store, number or "")
    os.truncate(folder / "taken", 9 * 2 + 3)
    (folder / "next").unlink()
    assert give(folder) in given[3:]  # the harm that is to be undone
    os.truncate(folder / "taken", 9 * 2 + 3)
    (folder / "next").unlink()
    refill(store, "pbx1", folder, WANTED, NOW)
    assert given_out(folder) == 5
    assert not set(all_of(folder)) & set(given)


def test_of_an_older_copy_of_the_folder_nothing_is_given_out(store: Store, folder: Path) -> None:
    """What was given out since then may lie in calls that nobody has filed yet."""
    refill(store, "pbx1", folder, WANTED, NOW)
    older = (folder / "numbers.txt").read_bytes()
    given = [give(folder) for _ in range(WANTED // 2 + 1)]
    refill(store, "pbx1", folder, WANTED, NOW)
    (folder / "numbers.txt").write_bytes(older)
    for name in ("taken", "next"):
        (folder / name).unlink()
    assert refill(store, "pbx1", folder, WANTED, NOW) == WANTED
    with store.read() as session:
        assert not short(session, "pbx1", folder, WANTED)
    assert not set(all_of(folder)) & set(given)


# ---------------------------------------------------------------- the end of all numbers


def test_the_last_block_is_smaller_and_then_the_error_says_what_to_do(store: Store) -> None:
    with store.write() as session:
        numbers.reserve(session, "pbx1", 1, NOW, above=MAX_SERIAL - 6)
        assert list(numbers.reserve(session, "pbx1", 20, NOW)) == list(
            range(MAX_SERIAL - 4, MAX_SERIAL + 1)
        )
        with pytest.raises(NumbersExhausted, match="widen"):
            numbers.reserve(session, "pbx1", 1, NOW)


# ---------------------------------------------------------------- what the doctor reads


def test_the_doctor_counts_as_the_exchange_does(store: Store, folder: Path) -> None:
    assert doctors_finding(folder).level == "warn"
    refill(store, "pbx1", folder, 1000, NOW)
    for _ in range(3):
        give(folder)
    (folder / "next").write_text("")  # as a kill leaves it
    with (folder / "taken").open("ab") as taken:
        taken.write(b"1")  # as a power failure leaves it: it counts
    finding = doctors_finding(folder)
    assert (finding.level, finding.text.split()[0]) == ("ok", "996")
    with (folder / "taken").open("ab") as taken:
        taken.write(b"x" * 9 * 996)
    assert doctors_finding(folder).level == "fail"


def test_counts_of_past_days_are_forgotten(tmp_path: Path) -> None:
    for day in ("20260221", "20260222", "20260228", "20260301"):
        (tmp_path / f"day-{day}").touch()
    (tmp_path / "numbers.txt").touch()
    numbers.forget_days(tmp_path, NOW)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"day-20260222", "day-20260228", "day-20260301", "numbers.txt"}
