"""Recordings that are turned into words: asked for when filed, written once, never in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from callcenter.gateways.hearing import EngineFailed, EngineStopped, Heard, NoSound, Word
from callcenter.services import intake, privacy, speech_drafts
from callcenter.services.speech_drafts import DONE, FAILED, RUNNING, TRIES, WANTED
from callcenter.store.models import Complaint, Recording
from callcenter.store.session import Store
from callcenter.store.speech_models import SpeechDraft
from tests.services.calls import CONSENT, heard
from tests.services.conftest import MINUTE, T0, Town, together

SAID = Heard((Word("jalan", 0.1, 0.5, 0.98), Word("rusak", 0.5, 1.1, 0.31)), "id", 2.0)
LONG = timedelta(hours=1)


@dataclass
class Ear:
    """An engine that answers what it is told to, and calls `meanwhile` while it listens."""

    answer: Heard | Exception = SAID
    meanwhile: Callable[[], object] = lambda: None
    heard: list[Path] = field(default_factory=list)
    name: str = "ear"
    model: str = "large"

    def listen(self, sound: Path) -> Heard:
        self.heard.append(sound)
        self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Room:
    """A deployment with speech to text."""

    store: Store
    folder: Path

    def file(self, uid: str = "pbx1-1.1", *, speech: float = 1.8, drafts: bool = True) -> int:
        """File a call; the id of its complaint."""
        call = heard("08123456789", T0, CONSENT, speech=speech, uid=uid)
        with self.store.write() as db:
            filed = intake.file_call(db, call, now=T0, silent_below=0.5, drafts=drafts)
            return filed.complaint.id if filed.complaint else 0

    def drafts(self) -> list[SpeechDraft]:
        with self.store.read() as db:
            return list(db.query(SpeechDraft).order_by(SpeechDraft.id))

    def due(self, at: datetime) -> list[tuple[int, int]]:
        with self.store.read() as db:
            return speech_drafts.due(db, at)

    def write(self, ear: Ear, at: datetime = T0, draft_id: int = 1) -> bool:
        return speech_drafts.write(self.store, draft_id, ear, self.folder, lambda: at)


@pytest.fixture
def room(town: Town) -> Room:
    return Room(town.store, town.folder)


def test_nothing_is_asked_for_where_it_is_off(room: Room) -> None:
    room.file(drafts=False)
    assert room.drafts() == []


def test_a_recording_is_asked_for_with_its_filing_and_once(room: Room) -> None:
    for _ in range(2):
        room.file()
    (draft,) = room.drafts()
    assert (draft.state, draft.wanted_at, draft.tries, draft.words) == (WANTED, T0, 0, [])
    assert room.due(T0) == [(draft.id, 0)]


def test_a_filing_that_fails_asks_for_nothing(room: Room) -> None:
    call = heard("08123456789", T0, CONSENT, speech=1.8)
    with pytest.raises(RuntimeError, match="the disk"), room.store.write() as db:
        intake.file_call(db, call, now=T0, silent_below=0.5, drafts=True)
        raise RuntimeError("the disk")
    assert room.drafts() == []


def test_silence_is_not_listened_to(room: Room) -> None:
    room.file(speech=0.19)
    assert room.drafts() == []


def test_a_draft_is_written_beside_the_text_and_never_into_it(room: Room) -> None:
    complaint_id, ear = room.file(), Ear()
    assert room.write(ear)
    (draft,) = room.drafts()
    assert (draft.state, draft.engine, draft.model) == (DONE, "ear", "large")
    assert (draft.language, draft.words) == ("id", SAID.rows)
    assert ear.heard == [room.folder / "calls/pbx1-1.1/complaint-1.wav"]
    with room.store.read() as db:
        complaint = db.get_one(Complaint, complaint_id)
        assert (complaint.transcript, complaint.state.value) == ("", "received")


def test_running_it_again_does_nothing(room: Room) -> None:
    room.file()
    ear = Ear()
    assert [room.write(ear, T0 + n * LONG) for n in range(3)] == [True, False, False]
    assert len(ear.heard) == 1
    assert room.due(T0 + 9 * LONG) == []


def test_of_two_at_once_one_listens(room: Room) -> None:
    room.file()
    ears = [Ear(), Ear()]
    results = together(*(lambda ear=ear: room.write(ear) for ear in ears))  # type: ignore[misc]
    assert sorted(map(bool, results)) == [False, True]
    assert sum(len(ear.heard) for ear in ears) == 1


def test_a_draft_whose_worker_died_is_due_when_its_lease_ends(room: Room) -> None:
    room.file()
    ends = T0 + speech_drafts.lease_of(2.0)

    def dies() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        room.write(Ear(meanwhile=dies))
    assert room.drafts()[0].state == RUNNING
    assert room.due(ends - timedelta(microseconds=1)) == []
    assert room.due(ends) == [(1, 1)]
    assert room.write(Ear(), ends)
    assert room.drafts()[0].state == DONE


def test_a_worker_that_comes_back_too_late_changes_nothing(room: Room) -> None:
    room.file()
    other = Heard((Word("lampu", 0, 1, 0.9),), "id", 2.0)
    late = Ear(other, meanwhile=lambda: room.write(Ear(), T0 + LONG))
    assert room.write(late)
    (draft,) = room.drafts()
    assert (draft.words, draft.fence, draft.tries) == (SAID.rows, 2, 2)


def test_a_late_result_is_refused_while_another_worker_writes(room: Room) -> None:
    room.file()
    claims = []
    for at in (T0, T0 + LONG):
        with room.store.write() as db:
            claims.append(speech_drafts.take(db, 1, now=at))
    late, present = claims
    assert late is not None
    assert present is not None
    for claim, won in ((late, False), (present, True), (present, False)):
        with room.store.write() as db:
            settled = speech_drafts.settle(db, claim, SAID, Ear(), now=T0 + LONG, took_s=1)
        assert settled is won
    assert room.drafts()[0].state == DONE


def test_an_engine_that_dies_costs_its_draft_alone_and_is_tried_again_some_times(
    room: Room,
) -> None:
    room.file()
    room.file("pbx1-2.1")
    dead = Ear(EngineFailed("the engine died (signal 9)"))
    at, tries = T0, 0
    while [row for row in room.due(at) if row[0] == 1]:
        assert room.write(dead, at)
        tries, at = tries + 1, at + 3 * MINUTE
    broken, other = room.drafts()
    assert (tries, broken.state, broken.tries) == (TRIES, FAILED, TRIES)
    assert (broken.error, broken.ended_at is not None) == ("the engine died (signal 9)", True)
    assert room.write(Ear(), at, other.id)
    assert room.drafts()[1].state == DONE


def test_between_two_tries_there_is_a_pause(room: Room) -> None:
    room.file()
    room.write(Ear(EngineFailed("no answer within 60 s")))
    assert room.due(T0 + timedelta(seconds=9)) == []
    assert room.due(T0 + timedelta(seconds=10)) == [(1, 1)]


def test_a_worker_that_dies_each_time_does_not_go_on_for_ever(room: Room) -> None:
    room.file()
    at = T0
    for _ in range(TRIES):
        with room.store.write() as db:
            assert speech_drafts.take(db, 1, now=at)
        at += LONG
    assert room.due(at) == [(1, TRIES)]
    ear = Ear()
    assert not room.write(ear, at)
    (draft,) = room.drafts()
    assert (draft.state, draft.error, ear.heard) == (FAILED, "whoever wrote it died 3 times", [])


def test_what_is_no_sound_is_not_tried_again(room: Room) -> None:
    room.file()
    assert room.write(Ear(NoSound("cannot be read")))
    (draft,) = room.drafts()
    assert (draft.state, draft.tries, draft.error) == (FAILED, 1, "cannot be read")


def test_a_stop_is_no_try(room: Room) -> None:
    room.file()
    for _ in range(TRIES + 2):
        assert room.write(Ear(EngineStopped("the worker stops")))
        assert room.due(T0) == [(1, 0)]


def test_a_place_outside_of_the_recordings_is_not_opened(room: Room) -> None:
    room.file()
    with room.store.write() as db:
        db.get_one(Recording, 1).path = "../secret.key"
    ear = Ear()
    room.write(ear)
    assert (room.drafts()[0].state, ear.heard) == (FAILED, [])


def test_who_is_forgotten_has_no_draft_either_and_gets_none_again(room: Room) -> None:
    complaint_id = room.file()
    room.file("pbx1-2.1")

    def forget() -> None:
        with room.store.write() as db:
            privacy.forget_person(db, complaint_id, why="Diminta.", actor="supervisor", now=T0)

    assert room.write(Ear(meanwhile=forget))  # in the middle of the work
    assert [draft.recording_id for draft in room.drafts()] == [2]
    room.file()  # filed once more, after a crash
    assert [draft.recording_id for draft in room.drafts()] == [2]


def test_few_are_posted_at_a_time_the_oldest_first(room: Room) -> None:
    for number in range(25):
        room.file(f"pbx1-{number + 1}.1")
    with room.store.write() as db:
        db.get_one(SpeechDraft, 25).next_at = T0 - MINUTE
    waiting = room.due(T0)
    assert (len(waiting), waiting[0]) == (20, (25, 0))
