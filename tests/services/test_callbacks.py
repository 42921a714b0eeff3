"""Who asked, or could not speak, is called back: once at a time, in the hours, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from callcenter.domain.call_back import Outcome, Reason, State, next_morning, next_try
from callcenter.domain.window import Night
from callcenter.services import callbacks, silence
from callcenter.services.callbacks import LEASE, QUIET, Claim
from callcenter.services.errors import NotFound, Refused
from callcenter.services.filing import Filing
from callcenter.store.line_models import CallBack, CallBackRequest, CallBackTry
from callcenter.store.models import Audit
from callcenter.store.session import Store
from ivr.spool import Spool
from tests.services.calls import CONSENT, call_with_speech, file, heard
from tests.services.conftest import DAY, HOUR, MINUTE, POSTGRES, T0, TICK, together

WITA = ZoneInfo("Asia/Makassar")
HOURS = Night(time(20, 0), time(8, 0), WITA)  # forbidden
MAYOR, FARMER, LANDLINE = "+6281234567801", "+6281234567802", "+623665501111"
ASKED = ("call_back", "asked")


def local(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of March 2026 in WITA."""
    return datetime(2026, 3, day, hour, minute, tzinfo=WITA).astimezone(UTC)


def asks(store: Store, caller: str = MAYOR, at: datetime = T0) -> None:
    file(store, heard(caller, at, CONSENT, ASKED, ("step", "served")))


def rings_off(store: Store, caller: str = MAYOR, at: datetime = T0) -> None:
    """Hangs up before the consent was heard."""
    file(store, heard(caller, at, ("step", "language")))


def entries(store: Store) -> list[CallBack]:
    with store.read() as db:
        rows = db.scalars(select(CallBack).order_by(CallBack.id)).all()
        for row in rows:
            _ = (row.requests, row.attempts)
        return list(rows)


def entry(store: Store) -> CallBack:
    [only] = entries(store)
    return only


def claim(store: Store, at: datetime = T0 + MINUTE, by: str = "dialler") -> Claim | None:
    with store.write() as db:
        return callbacks.claim(db, at, by=by, forbidden=HOURS)


def held(store: Store, at: datetime = T0 + MINUTE) -> Claim:
    taken = claim(store, at)
    assert taken is not None
    return taken


def settle(store: Store, taken: Claim, outcome: Outcome, at: datetime) -> bool:
    with store.write() as db:
        return callbacks.settle(db, taken, outcome, now=at, forbidden=HOURS)


def called(store: Store, outcome: Outcome, at: datetime, actor: str = "operator") -> None:
    with store.write() as db:
        callbacks.called(db, entry(store).id, outcome, actor=actor, now=at, forbidden=HOURS)


# ---------------------------------------------------------------- hours and pauses


@pytest.mark.parametrize(
    ("now", "failed", "again"),
    [
        (local(2, 10), 1, local(2, 10, 5)),
        (local(2, 10), 2, local(2, 10, 30)),
        (local(2, 10), 3, local(2, 12)),
        (local(2, 10), 4, local(3, 8)),
        (local(2, 10), 5, None),
        (local(2, 19, 54), 1, local(2, 19, 59)),
        (local(2, 19, 55), 1, local(3, 8)),  # 20:00 sharp is forbidden
        (local(2, 18), 3, local(3, 8)),
        (local(2, 8), 4, local(3, 8)),
        (local(2, 0, 30), 4, local(3, 8)),
    ],
)
def test_pauses_grow_and_keep_the_hours(now: datetime, failed: int, again: datetime | None) -> None:
    assert next_try(failed, now, HOURS) == again


def test_the_next_morning_is_the_local_one() -> None:
    assert next_morning(local(2, 23, 59), HOURS) == local(3, 8)
    assert next_morning(local(3, 0, 0), HOURS) == local(4, 8)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (local(3, 8), True),
        (local(3, 8) - TICK, False),
        (local(3, 20) - TICK, True),
        (local(3, 20), False),
        (local(3, 3), False),
    ],
)
def test_nobody_is_called_outside_the_hours(store: Store, now: datetime, due: bool) -> None:
    asks(store, at=local(2, 10))
    with store.read() as db:
        assert (callbacks.next_due(db, now, HOURS) is not None) is due
    assert (claim(store, now) is not None) is due


# ---------------------------------------------------------------- asked for


def test_who_asks_in_the_queue_is_on_the_list(store: Store) -> None:
    asks(store)
    found = entry(store)
    assert (found.caller, found.reason, found.state) == (MAYOR, Reason.ASKED, State.WAITING)
    assert [r.reason for r in found.requests] == [Reason.ASKED]


def test_one_entry_per_person_however_often_they_call(store: Store) -> None:
    for n in range(4):
        asks(store, at=T0 + n * MINUTE)
    asks(store, FARMER)
    assert [(e.caller, len(e.requests)) for e in entries(store)] == [(MAYOR, 4), (FARMER, 1)]


def test_filing_a_call_again_asks_for_nothing_new(store: Store) -> None:
    call = heard(MAYOR, T0, CONSENT, ASKED)
    for _ in range(3):
        file(store, call)
    assert len(entry(store).requests) == 1


def test_a_hidden_number_cannot_be_called(store: Store) -> None:
    asks(store, "anonymous")
    assert entries(store) == []


def test_who_asks_on_a_landline_is_called_too(store: Store) -> None:
    asks(store, LANDLINE)
    assert entry(store).caller == LANDLINE


def test_after_the_end_of_one_a_new_wish_is_a_new_entry(store: Store) -> None:
    asks(store)
    called(store, Outcome.TALKED, T0 + HOUR)
    asks(store, at=T0 + 2 * HOUR)
    assert [e.state for e in entries(store)] == [State.TALKED, State.WAITING]


@pytest.mark.parametrize("note", [("call_back", "asked"), ("key", "2")])
def test_the_wish_comes_from_the_lines_own_notes_on_disk(
    store: Store, tmp_path: Path, note: tuple[str, str]
) -> None:
    """What the line writes beside its recordings is what is filed, on a landline too."""
    spool = Spool(tmp_path / "spool", tmp_path / "quarantine")
    spool.prepare()
    told = [("started", "pbx1"), ("caller", LANDLINE), note, ("ended", "16")]
    spool.open_call("pbx1-1772416800.1", told)
    [call] = spool.ready()
    Filing(store, spool, tmp_path, silent_below=0.5).file(call, call.started_at + MINUTE)
    assert [e.caller for e in entries(store)] == ([LANDLINE] if note[0] == "call_back" else [])


# ---------------------------------------------------------------- missed


def test_who_hung_up_before_they_could_speak_is_called_back(store: Store) -> None:
    rings_off(store)
    file(store, heard(FARMER, T0, CONSENT, ("step", "record_complaint")))
    assert [(e.caller, e.reason) for e in entries(store)] == [
        (MAYOR, Reason.MISSED),
        (FARMER, Reason.MISSED),
    ]


@pytest.mark.parametrize("caller", [LANDLINE, "", "+6591234567"])
def test_a_missed_call_is_answered_on_a_known_mobile_only(store: Store, caller: str) -> None:
    rings_off(store, caller)
    assert entries(store) == []


def test_who_spoke_or_was_served_missed_nothing(store: Store) -> None:
    call_with_speech(store, MAYOR, at=T0)
    file(store, heard(FARMER, T0, CONSENT, ("inquiry", "found"), ("step", "served")))
    assert entries(store) == []


def test_a_call_that_has_not_ended_is_not_missed_yet(store: Store) -> None:
    lost = replace(heard(MAYOR, T0), ended_at=None)
    file(store, lost)
    assert entries(store) == []


def test_who_calls_again_and_speaks_needs_no_call(store: Store) -> None:
    rings_off(store)
    call_with_speech(store, MAYOR, at=T0 + MINUTE)
    assert (entry(store).state, entry(store).open_caller) == (State.REACHED_US, None)
    assert claim(store, T0 + HOUR) is None


def test_whatever_order_the_calls_are_filed_in(store: Store) -> None:
    call_with_speech(store, MAYOR, at=T0 + MINUTE)
    rings_off(store, at=T0)
    assert entries(store) == []


def test_who_asked_to_talk_is_called_though_they_left_a_complaint(store: Store) -> None:
    asks(store)
    call_with_speech(store, MAYOR, at=T0 + MINUTE)
    assert entry(store).state is State.WAITING


def test_who_asks_after_a_missed_call_has_asked(store: Store) -> None:
    rings_off(store)
    asks(store, at=T0 + MINUTE)
    assert entry(store).reason is Reason.ASKED
    assert [r.reason for r in entry(store).requests] == [Reason.MISSED, Reason.ASKED]


def test_a_machine_that_rings_and_hangs_up_is_called_once(store: Store) -> None:
    rings_off(store)
    called(store, Outcome.TALKED, T0 + MINUTE)
    rings_off(store, at=T0 + HOUR)
    rings_off(store, at=T0 + MINUTE + QUIET - HOUR)
    assert len(entries(store)) == 1
    rings_off(store, at=T0 + MINUTE + QUIET)
    assert len(entries(store)) == 2


def test_who_only_ever_is_silent_is_not_called(store: Store) -> None:
    for n in range(3):
        file(store, heard(MAYOR, T0 + n * MINUTE, CONSENT))
    called(store, Outcome.GAVE_UP, T0 + HOUR)
    with store.read() as db:
        assert silence.hurried(db, MAYOR, T0 + HOUR)
    file(store, heard(MAYOR, T0 + 2 * HOUR, CONSENT))
    assert len(entries(store)) == 1
    assert len(entry(store).requests) == 2  # the third call made it one who is hurried


def test_a_missed_call_that_is_filed_days_later_is_past(store: Store) -> None:
    file(store, heard(MAYOR, T0), now=T0 + 3 * DAY)
    assert entries(store) == []


# ---------------------------------------------------------------- claims


def test_who_asked_comes_before_who_hung_up(store: Store) -> None:
    rings_off(store, FARMER)
    asks(store, MAYOR, at=T0 + MINUTE)
    assert [held(store, T0 + HOUR).caller, held(store, T0 + HOUR).caller] == [MAYOR, FARMER]
    assert claim(store, T0 + HOUR) is None


def test_a_claim_writes_the_try_before_it_is_made(store: Store) -> None:
    asks(store)
    taken = held(store)
    found = entry(store)
    assert (found.state, found.claimed_by) == (State.CALLING, "dialler")
    [tried] = found.attempts
    assert (tried.fence, tried.made_by, tried.started_at) == (taken.fence, "dialler", T0 + MINUTE)
    assert (tried.finished_at, tried.outcome) == (None, None)


@POSTGRES
def test_two_who_claim_at_once_never_ring_the_same_person(store: Store) -> None:
    asks(store, MAYOR)
    asks(store, FARMER)
    taken = [c for c in together(*[lambda: claim(store)] * 6) if isinstance(c, Claim)]
    while (more := claim(store)) is not None:
        taken.append(more)
    assert sorted(c.caller for c in taken) == [MAYOR, FARMER]


def test_a_dead_dialler_loses_its_claim_and_its_word_counts_no_more(store: Store) -> None:
    asks(store)
    dead = held(store)
    later = T0 + MINUTE + LEASE
    assert claim(store, later - TICK) is None
    second = held(store, later)
    assert second.fence == dead.fence + 1
    assert settle(store, dead, Outcome.TALKED, later) is False
    assert entry(store).state is State.CALLING
    assert settle(store, second, Outcome.NO_ANSWER, later + MINUTE) is True
    assert [a.outcome for a in entry(store).attempts] == [Outcome.TALKED, Outcome.NO_ANSWER]


def test_a_result_is_written_once(store: Store) -> None:
    asks(store)
    taken = held(store)
    assert settle(store, taken, Outcome.BUSY, T0 + 2 * MINUTE) is True
    assert settle(store, taken, Outcome.TALKED, T0 + 3 * MINUTE) is False
    assert (entry(store).state, entry(store).tries) == (State.WAITING, 1)
    assert entry(store).attempts[0].outcome is Outcome.BUSY


# ---------------------------------------------------------------- to the end


def test_five_tries_without_an_answer_are_the_end(store: Store) -> None:
    asks(store, at=local(2, 9))
    now, tried = local(2, 10), []
    while (taken := claim(store, now)) is not None:
        tried.append(now)
        settle(store, taken, Outcome.NO_ANSWER, now + MINUTE)
        again = entry(store).next_at
        if again is None:
            break
        assert claim(store, again - TICK) is None
        now = again
    assert tried == [
        local(2, 10),
        local(2, 10, 6),
        local(2, 10, 37),
        local(2, 12, 38),
        local(3, 8),
    ]
    found = entry(store)
    assert (found.state, found.open_caller, found.tries) == (State.GIVEN_UP, None, 5)
    assert found.closed_at == local(3, 8, 1)


def test_a_talk_is_the_end(store: Store) -> None:
    asks(store)
    settle(store, held(store), Outcome.TALKED, T0 + HOUR)
    found = entry(store)
    assert (found.state, found.closed_at, found.next_at) == (State.TALKED, T0 + HOUR, None)


def test_whoever_calls_may_give_up(store: Store) -> None:
    asks(store)
    settle(store, held(store), Outcome.GAVE_UP, T0 + HOUR)
    assert entry(store).state is State.GIVEN_UP


def test_an_operator_says_what_came_of_a_call_by_hand(store: Store) -> None:
    asks(store)
    called(store, Outcome.NO_ANSWER, T0 + MINUTE)
    called(store, Outcome.TALKED, T0 + 2 * MINUTE, actor="operator2")
    found = entry(store)
    assert found.state is State.TALKED
    assert [(a.made_by, a.outcome) for a in found.attempts] == [
        ("operator", Outcome.NO_ANSWER),
        ("operator2", Outcome.TALKED),
    ]
    with store.read() as db:
        rows = db.scalars(select(Audit).where(Audit.action == "called_back")).all()
    assert [row.detail for row in rows] == [{"outcome": "no_answer"}, {"outcome": "talked"}]


def test_what_is_closed_or_being_called_is_left_alone(store: Store) -> None:
    asks(store)
    taken = held(store)
    with pytest.raises(Refused):
        called(store, Outcome.TALKED, T0 + 2 * MINUTE)
    settle(store, taken, Outcome.TALKED, T0 + 3 * MINUTE)
    with pytest.raises(Refused):
        called(store, Outcome.NO_ANSWER, T0 + 4 * MINUTE)
    assert [a.outcome for a in entry(store).attempts] == [Outcome.TALKED]


def test_what_does_not_exist_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound), store.write() as db:
        callbacks.called(db, 7, Outcome.TALKED, actor="operator", now=T0, forbidden=HOURS)


@POSTGRES
def test_many_calls_of_one_person_at_once_make_one_entry(store: Store) -> None:
    results = together(*[lambda: asks(store)] * 8)
    assert [r for r in results if isinstance(r, Exception)] == []
    with store.read() as db:
        assert len(db.scalars(select(CallBack)).all()) == 1
        assert len(db.scalars(select(CallBackRequest)).all()) == 8
        assert db.scalars(select(CallBackTry)).all() == []


def test_the_lease_outlasts_the_longest_call_that_may_be_configured() -> None:
    assert timedelta(seconds=3600) < LEASE
