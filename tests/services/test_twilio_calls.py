"""Calls at Twilio on both databases: what is told twice, or by two at once, is told once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callcenter.services import twilio_calls
from callcenter.services.number_lease import Lease
from callcenter.services.twilio_calls import Request, TwilioLine
from callcenter.services.twilio_courses import Course, Courses, Turn
from callcenter.store.line_models import TwilioCall, TwilioRecording
from callcenter.store.models import NumberBlock
from callcenter.store.session import Store
from ivr.flow import Clip
from ivr.menu import build_menu
from ivr.twilio import Addresses

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SID, OTHER, RECORDING = "CA" + "1" * 32, "CA" + "2" * 32, "RE" + "1" * 32


@pytest.fixture
def line(store: Store, tmp_path: Path) -> TwilioLine:
    return line_on(store, tmp_path)


def line_on(store: Store, folder: Path) -> TwilioLine:
    """The line as a process has it that has just begun."""
    courses, addresses = Courses(folder / "courses"), Addresses("https://x/twilio", str)
    return TwilioLine(build_menu(), courses, Lease(store).take, lambda _: addresses)


@dataclass(frozen=True)
class Asking:
    """Asks one line about one call."""

    store: Store
    line: TwilioLine

    def __call__(self, step: int | None, call_sid: str = SID, **form: str) -> str:
        told = {"From": "+6281234567890", **form}
        request = Request(call_sid, step, 0, told)
        return twilio_calls.answer(self.store, request, self.line, now=NOW)


@pytest.fixture
def ask(store: Store, line: TwilioLine) -> Asking:
    return Asking(store, line)


def course_of(line: TwilioLine, call_sid: str = SID) -> Course:
    course = line.courses.read(call_sid)
    assert course
    return course


def at_once(work: Callable[[int], object], times: int = 8) -> list[object]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))


def test_eight_first_requests_are_one_call_and_take_one_number(ask: Asking) -> None:
    assert len(set(at_once(lambda _: ask(None)))) == 1
    ask(None, OTHER)
    first, second = (course_of(ask.line, sid).public_number or "" for sid in (SID, OTHER))
    assert int(second[:-1]) == int(first[:-1]) + 1


def test_eight_answers_to_one_question_are_one_event(ask: Asking) -> None:
    ask(None)
    assert len(set(at_once(lambda key: ask(0, Digits=str(key % 3 + 1))))) == 1
    assert len(course_of(ask.line).events) == 1


def test_eight_words_about_one_recording_are_one_recording(store: Store) -> None:
    at_once(lambda _: twilio_calls.recorded(store, SID, RECORDING, "complaint-1", now=NOW))
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(TwilioRecording)) == 1


def test_two_recordings_of_one_clip_are_two_takes(store: Store) -> None:
    sids = [f"RE{number:032x}" for number in range(6)]
    at_once(lambda n: twilio_calls.recorded(store, SID, sids[n], "complaint-1", now=NOW), 6)
    with store.read() as db:
        takes = list(db.scalars(select(TwilioRecording.take).order_by(TwilioRecording.take)))
    assert takes == [1, 2, 3, 4, 5, 6]


def test_the_end_of_a_call_is_written_once(ask: Asking) -> None:
    ask(None)
    courses = ask.line.courses
    at_once(lambda _: twilio_calls.hung_up(courses, SID, "completed", now=NOW))
    twilio_calls.hung_up(courses, SID, "ringing", now=NOW)
    call = course_of(ask.line)
    assert [kept["event"] for kept in call.events] == ["HungUp"]
    assert call.ended_at == NOW


def test_names_of_clips_are_ours_or_none() -> None:
    assert twilio_calls.clip_from("talk-2") == Clip("talk", 2)
    for name in ("", "complaint", "complaint-0", "../x-1", "citizen-1", "complaint-1\n", "name-٣"):
        assert twilio_calls.clip_from(name) is None


# ---------------------------------------------------------------- what a death leaves


def to_the_beep(ask: Asking) -> None:
    """Language, consent heard, the first key of the menu, its text: the next word is recorded."""
    ask(None)
    for step, digits in enumerate(("", "", "1", "")):
        ask(step, Digits=digits)


def recorded_at(ask: Asking, step: int) -> str:
    return ask(step, RecordingDuration="9", RecordingSid=RECORDING, Digits="")


def test_a_process_that_dies_between_two_steps_takes_nothing_with_it(
    ask: Asking, store: Store, tmp_path: Path
) -> None:
    to_the_beep(ask)
    answered = recorded_at(ask, 4)
    for _ in range(2):  # each time another process, which has heard nothing
        again = Asking(store, line_on(store, tmp_path))
        assert recorded_at(again, 4) == answered
    assert len(course_of(ask.line).events) == 5


def test_two_processes_at_once_tell_one_event(ask: Asking, store: Store, tmp_path: Path) -> None:
    ask(None)
    askings = [ask, *(Asking(store, line_on(store, tmp_path)) for _ in range(7))]
    assert len(set(at_once(lambda n: askings[n](0, Digits=str(n % 3 + 1))))) == 1
    assert len(course_of(ask.line).events) == 1
    assert {one(0) for one in askings} == {ask(0)}


@pytest.mark.parametrize("left", [b'{"at":17', b"\0" * 300, b'{"at":1.0,"event":"Pressed"}\n[1]\n'])
def test_half_a_line_is_cut_off_and_the_call_goes_on(
    ask: Asking, store: Store, tmp_path: Path, left: bytes
) -> None:
    asked = ask(None)
    file = tmp_path / "courses" / f"{SID}.course"
    whole = file.read_bytes()
    file.write_bytes(whole + left.removeprefix(b'{"at":1.0,"event":"Pressed"}\n'))
    again = Asking(store, line_on(store, tmp_path))
    assert again(None) == asked
    assert file.read_bytes() == whole
    again(0, Digits="")
    assert len(course_of(ask.line).events) == 1


def test_a_file_whose_beginning_was_lost_is_a_call_that_begins(ask: Asking, tmp_path: Path) -> None:
    (tmp_path / "courses").mkdir()
    (tmp_path / "courses" / f"{SID}.course").write_bytes(b"")
    assert ask(None) == ask(3, Digits="1")
    assert course_of(ask.line).public_number


def test_facts_are_on_the_disk_before_the_answer_and_steps_are_not_waited_for(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(os.fstat(file).st_size))

    def waits(step: int | None, **form: str) -> bool:
        before = len(synced)
        ask(step, **form)
        assert not synced[before:] or synced[-1] == _size(ask)
        return len(synced) > before

    assert not waits(None)
    assert not waits(0, Digits="")  # which language
    assert waits(1, Digits="")  # consent heard
    assert not waits(2, Digits="1")  # the menu
    assert not waits(3, Digits="")
    assert waits(4, RecordingDuration="9", RecordingSid=RECORDING, Digits="")
    assert not waits(4, RecordingDuration="9", RecordingSid=RECORDING, Digits="")
    assert waits(5, Digits="*")  # an emergency


def _size(ask: Asking) -> int:
    return (ask.line.courses.folder / f"{SID}.course").stat().st_size


def test_the_end_is_on_the_disk_when_it_was_told(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(None)
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    twilio_calls.hung_up(ask.line.courses, SID, "completed", now=NOW)
    assert len(synced) == 1


def test_a_recording_is_known_even_if_its_event_could_not_be_written(
    ask: Asking, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twilio asks once more, or takes its own way: the audio is fetched in any case."""
    to_the_beep(ask)

    def full(_turn: Turn, _lines: object, *, lasting: bool) -> None:
        raise OSError(ENOSPC, f"lasting: {lasting}")

    with monkeypatch.context() as away:
        away.setattr(Turn, "add", full)
        with pytest.raises(OSError, match="lasting: True"):
            recorded_at(ask, 4)
    with store.read() as db:
        assert db.get_one(TwilioRecording, RECORDING).kind == "complaint"
    assert recorded_at(ask, 4) == recorded_at(ask, 4)
    assert len(course_of(ask.line).events) == 5


def test_a_disk_that_takes_half_a_line_leaves_none(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(None)
    before, write = _size(ask), os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, data: write(file, data[:9]))
        with pytest.raises(OSError, match="space"):
            ask(0, Digits="")
    assert _size(ask) == before
    ask(0, Digits="")
    assert len(course_of(ask.line).events) == 1


def test_a_call_that_began_when_rows_held_its_course_goes_on(ask: Asking, store: Store) -> None:
    begun = {"number": "10000007", "caller_known": True, "pin": "", "mode": "normal"}
    event = {"at": NOW.timestamp(), "event": "Pressed", "key": "2"}
    with store.write() as db:
        for sid, ended in ((SID, None), (OTHER, NOW)):
            row = TwilioCall(call_sid=sid, call_uid=sid[2:], begun=begun, events=[event])
            row.started_at, row.ended_at = NOW, ended
            db.add(row)
    assert ask(0, Digits="1") != ask(None)
    assert len(course_of(ask.line).events) == 1
    assert "<Hangup" in ask(0, OTHER, Digits="1")
    assert ask.line.courses.call_sids() == [SID]


def test_numbers_are_taken_a_few_at_a_time_and_never_twice(store: Store) -> None:
    leases = [Lease(store, 3), Lease(store, 3)]
    taken = [str(number) for number in at_once(lambda n: leases[n % 2].take(NOW), 8)]
    assert len(set(taken)) == 8
    with store.read() as db:
        block = db.scalars(select(NumberBlock)).one()
    assert block.next - block.first == 12
