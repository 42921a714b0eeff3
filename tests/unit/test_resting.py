"""Who has just called and not spoken: marks that a dialplan can read."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from ivr.resting import RESTS_S, Resting


def mark(folder: Path, digits: str) -> Path:
    return folder / hashlib.md5(digits.encode(), usedforsecurity=False).hexdigest()


def test_a_number_of_indonesia_is_marked_in_both_ways_in_which_it_is_shown(tmp_path: Path) -> None:
    Resting(tmp_path).hold(["+6281234567801"])
    assert {p.name for p in tmp_path.iterdir()} == {
        mark(tmp_path, "6281234567801").name,
        mark(tmp_path, "081234567801").name,
    }
    assert mark(tmp_path, "081234567801").read_text() == "1"


def test_who_speaks_is_forgotten_at_once(tmp_path: Path) -> None:
    mark(tmp_path, "0812345").write_text("1")
    mark(tmp_path, "0812346").write_text("1")
    Resting(tmp_path).spoke("0812345")
    assert [p.name for p in tmp_path.iterdir()] == [mark(tmp_path, "0812346").name]
    Resting(tmp_path).spoke("0812345")  # nothing to forget


def test_what_is_older_than_it_matters_is_taken_away(tmp_path: Path) -> None:
    now = time.time()
    for age, name in ((RESTS_S - 1, "young"), (RESTS_S, "old"), (2 * RESTS_S, "older")):
        (tmp_path / name).write_text("1")
        os.utime(tmp_path / name, (now - age,) * 2)
    Resting(tmp_path).forget(now)
    assert [p.name for p in tmp_path.iterdir()] == ["young"]


def test_hostile_numbers_name_no_file_outside(tmp_path: Path) -> None:
    resting = Resting(tmp_path / "resting")
    for shown in ("../../x", "", "anonymous", "0" * 500, "٠٨١٢", "08\n12"):
        resting.spoke(shown)
    resting.hold(["+62812\n../x"])
    assert [p.name for p in tmp_path.iterdir()] == ["resting"]


def test_a_line_without_the_folder_lets_nobody_rest(tmp_path: Path) -> None:
    for resting in (Resting(None), Resting(tmp_path / "missing")):
        resting.spoke("0812")
        resting.forget()
    Resting(None).hold(["+62812"])


def test_a_mark_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Resting(tmp_path / "file").hold(["+6281234567801"])
    Resting(tmp_path / "file").spoke("081234567801")
