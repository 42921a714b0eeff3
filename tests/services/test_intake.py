"""What was heard becomes a call, and a complaint where somebody spoke; once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from callcenter.domain.complaint import ComplaintState
from callcenter.services import intake
from callcenter.services.intake import Clip, HeardCall
from callcenter.store.models import Call, Complaint, History
from callcenter.store.session import Store
from ivr.numbers import is_valid, make_number

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
NUMBER = make_number(7)
HEARD = HeardCall(
    call_uid="pbx1-1764000000.1",
    line="pbx1",
    caller_raw="0812 3456 7890",
    called="5501000",
    started_at=NOW - timedelta(minutes=2),
    ended_at=NOW,
    cause="16",
    mode="app",
    consent_at=NOW - timedelta(minutes=1),
    number=NUMBER,
    number_heard=True,
    path=((NOW.timestamp(), "started", "pbx1"),),
    clips=(),
)


def clip(speech: float, kind: str = "complaint", take: int = 1, uid: str = HEARD.call_uid) -> Clip:
    path = f"calls/{uid}/{kind}-{take}.wav"
    return Clip(kind, take, path, "0" * 64, bytes=1000, seconds=9.0, speech_seconds=speech)


def file(store: Store, heard: HeardCall) -> tuple[Call, Complaint | None]:
    with store.write() as session:
        call = intake.file_call(session, heard, now=NOW, silent_below=0.5)
        return call, call.complaint


def test_who_spoke_has_a_complaint_with_the_number_that_was_read(store: Store) -> None:
    call, complaint = file(store, replace(HEARD, clips=(clip(3.0),)))
    assert complaint
    assert complaint.public_number == NUMBER
    assert (complaint.state, complaint.channel) == (ComplaintState.RECEIVED, "phone")
    assert complaint.received_at == HEARD.started_at
    assert call.caller == complaint.reporter_phone == "+6281234567890"
    with store.read() as session:
        (row,) = session.scalars(select(History))
    assert (row.verb, row.to_state, row.actor, row.why) == ("receive", "received", "line:pbx1", "")


@pytest.mark.parametrize(("speech", "silent"), [(0.0, True), (0.49, True), (0.5, False)])
def test_what_is_silent(store: Store, speech: float, silent: bool) -> None:
    call, complaint = file(store, replace(HEARD, clips=(clip(speech),)))
    assert (call.silent, complaint is None) == (silent, silent)


def test_who_says_only_a_name_has_spoken(store: Store) -> None:
    _, complaint = file(store, replace(HEARD, clips=(clip(0.0), clip(1.0, "name"))))
    assert complaint


def test_a_second_filing_adds_only_what_was_missing(store: Store) -> None:
    file(store, replace(HEARD, clips=(clip(0.0),)))
    for _ in range(2):
        call, complaint = file(store, replace(HEARD, clips=(clip(0.0), clip(2.0, take=9))))
    assert [(one.kind, one.take) for one in call.recordings] == [("complaint", 1), ("complaint", 9)]
    assert complaint
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(Complaint)) == 1
        assert session.scalar(select(func.count()).select_from(History)) == 1


def test_without_a_number_the_application_gives_one_and_says_so(store: Store) -> None:
    _, complaint = file(store, replace(HEARD, number=None, clips=(clip(2.0),)))
    assert complaint
    assert is_valid(complaint.public_number)
    with store.read() as session:
        (row,) = session.scalars(select(History))
    assert row.why == "number given by the application"


def test_a_number_that_a_complaint_has_already_is_not_given_to_a_second(store: Store) -> None:
    _, first = file(store, replace(HEARD, clips=(clip(2.0),)))
    uid = "pbx1-1764000000.2"
    call, second = file(store, replace(HEARD, call_uid=uid, clips=(clip(2.0, uid=uid),)))
    assert first
    assert second
    assert first.public_number == NUMBER != second.public_number
    assert call.public_number == NUMBER  # what the caller was told stays in the log


@pytest.mark.parametrize("number", ["12345678", "", "1234567", "abcdefgh"])
def test_a_number_that_is_none_is_not_kept(store: Store, number: str) -> None:
    call, _ = file(store, replace(HEARD, number=number))
    assert call.public_number is None


def test_hostile_text_is_cut_and_cleaned_for_every_database(store: Store) -> None:
    evil = "\0\x1b[31m\n" + "x" * 900
    call, _ = file(
        store,
        replace(
            HEARD, line=evil, caller_raw=evil, called=evil, cause=evil, mode=evil,
            path=tuple((0.0, evil, evil) for _ in range(900)),
        ),
    )  # fmt: skip
    for text in (call.line, call.caller_raw, call.called, call.cause, call.mode, call.path[0][2]):
        assert text.isprintable()
        assert len(text) <= 80
    assert call.caller is None
    assert len(call.path) == 500


def test_later_steps_are_added_up_to_a_limit(store: Store) -> None:
    for hour in range(3):
        steps = tuple((hour * 1000.0 + n, "step", "x") for n in range(300))
        call, _ = file(store, replace(HEARD, path=steps))
    assert len(call.path) == 500
