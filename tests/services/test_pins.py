"""A PIN follows from the number and the secret alone, and the exchange's file agrees with it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callcenter.services import numbers
from callcenter.services.pins import matches, pin_of, write_pins
from callcenter.store.session import Store
from ivr.numbers import make_number

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SECRET = "the installation's own secret"
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "numbers"


def lines(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}.txt").read_text().splitlines()


def agree(folder: Path, secret: str = SECRET) -> bool:
    """Whether every number has its PIN beside it."""
    return lines(folder, "pins") == [pin_of(n, secret) for n in lines(folder, "numbers")]


def write_numbers(folder: Path, *serials: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "numbers.txt").write_text("".join(f"{make_number(s)}\n" for s in serials))


# ---------------------------------------------------------------- one PIN


def test_a_pin_never_changes_because_citizens_wrote_it_down() -> None:
    assert pin_of(make_number(0), SECRET) == "4395"
    assert pin_of(make_number(1), SECRET) == "4209"


def test_another_secret_or_number_makes_another_pin() -> None:
    few = [pin_of(make_number(serial), SECRET) for serial in range(20)]
    assert few != [pin_of(make_number(serial), SECRET + "!") for serial in range(20)]
    assert len(set(few)) > 15


def test_every_pin_is_about_as_likely_as_any_other() -> None:
    """A guesser must not do better than one in ten thousand: chi-square over the first digits."""
    pins = [pin_of(make_number(serial), SECRET) for serial in range(20_000)]
    assert {len(pin) for pin in pins} == {4}
    for place in range(4):
        counted = Counter(pin[place] for pin in pins)
        chi_square = sum((counted[str(digit)] - 2000) ** 2 / 2000 for digit in range(10))
        assert chi_square < 33.7  # nine degrees of freedom, one in ten thousand


@pytest.mark.parametrize("number", ["", "12345678", "1000001", "１００００００８", "1000 0008"])
def test_only_a_public_number_has_a_pin(number: str) -> None:
    with pytest.raises(ValueError, match="public number"):
        pin_of(number, SECRET)


def test_without_a_secret_there_is_no_pin() -> None:
    with pytest.raises(ValueError, match="secret"):
        pin_of(make_number(1), "")


@pytest.mark.parametrize("pin", ["", "000", "00000", "４３９５", "abcd"])
def test_what_is_not_the_pin_does_not_match(pin: str) -> None:
    number = make_number(0)
    assert matches(pin_of(number, SECRET), number, SECRET)
    assert not matches(pin, number, SECRET)


# ---------------------------------------------------------------- the exchange's file


@SQLITE
def test_every_reserved_number_has_its_pin_beside_it(store: Store, folder: Path) -> None:
    numbers.refill(store, "pbx1", folder, 50, NOW)
    assert write_pins(folder, SECRET) == 50
    assert agree(folder)
    assert {len(line) for line in (folder / "pins.txt").read_bytes().splitlines(True)} == {5}


def test_only_new_lines_are_written(folder: Path) -> None:
    write_numbers(folder, 1, 2, 3)
    write_pins(folder, SECRET)
    first = (folder / "pins.txt").read_bytes()
    write_numbers(folder, 1, 2, 3, 4, 5)
    assert write_pins(folder, SECRET) == 5
    assert (folder / "pins.txt").read_bytes().startswith(first)
    assert agree(folder)


def test_a_repeat_changes_nothing(folder: Path) -> None:
    write_numbers(folder, 1, 2, 3)
    write_pins(folder, SECRET)
    before = (folder / "pins.txt").stat()
    write_pins(folder, SECRET)
    after = (folder / "pins.txt").stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)


@pytest.mark.parametrize("left_over", [b"", b"40", b"4395\n21", b"9999\n9999\n9999\n9999\n9999\n"])
def test_what_a_crash_left_is_mended(folder: Path, left_over: bytes) -> None:
    write_numbers(folder, 0, 1, 2)
    (folder / "pins.txt").write_bytes(left_over)
    write_pins(folder, SECRET)
    assert agree(folder)


def test_numbers_that_were_replaced_get_their_own_pins(folder: Path) -> None:
    write_numbers(folder, 1, 2, 3)
    write_pins(folder, SECRET)
    write_numbers(folder, 1, 7, 8)
    write_pins(folder, SECRET)
    assert agree(folder)


def test_a_line_that_nobody_may_give_out_has_no_pin(folder: Path) -> None:
    folder.mkdir()
    (folder / "numbers.txt").write_text(f"00000000\n{make_number(1)}\n{make_number(2)}\n1000")
    assert write_pins(folder, SECRET) == 3
    assert lines(folder, "pins") == ["----", *(pin_of(make_number(s), SECRET) for s in (1, 2))]


def test_without_numbers_there_are_no_pins(folder: Path) -> None:
    assert write_pins(folder, SECRET) == 0
    assert lines(folder, "pins") == []


def test_nobody_but_the_owner_and_the_exchange_may_read_them(folder: Path) -> None:
    write_numbers(folder, 1)
    write_pins(folder, SECRET)
    assert (folder / "pins.txt").stat().st_mode & 0o007 == 0


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    write_numbers(folder, 1)
    (tmp_path / "elsewhere").write_text("kept")
    (folder / "pins.txt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        write_pins(folder, SECRET)
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_killed_at_any_moment_the_file_is_a_prefix_of_whole_lines_and_the_next_run_ends_it(
    folder: Path,
) -> None:
    """The disk is full at every length in turn: the system cuts the write short."""
    write_numbers(folder, *range(6))
    whole = b"".join(f"{pin_of(make_number(s), SECRET)}\n".encode() for s in range(6))
    for room in range(len(whole)):
        (folder / "pins.txt").unlink(missing_ok=True)
        _child_with_room_for(room, folder)
        assert whole.startswith((folder / "pins.txt").read_bytes())
        write_pins(folder, SECRET)
        assert agree(folder)


def _child_with_room_for(room: int, folder: Path) -> None:
    """Write the PINs in a process that may write so many bytes, and no more."""
    import resource

    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        try:
            write_pins(folder, SECRET)
        except OSError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
