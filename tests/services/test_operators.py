"""Operators' word is kept; the database follows the queue, however often it looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from callcenter.domain.call_back import Reason as Why
from callcenter.domain.people import Role
from callcenter.domain.presence import (
    NO_ANSWER,
    Board,
    Leg,
    Member,
    Phone,
    State,
    Wanted,
)
from callcenter.domain.window import Night
from callcenter.services import intake, presences, receipts, talks
from callcenter.services.errors import NotFound, Refused
from callcenter.services.intake import HeardCall
from callcenter.services.talks import Follower
from callcenter.store.line_models import CallBack
from callcenter.store.models import Audit, Call, Complaint, Notice, User
from callcenter.store.operator_models import OperatorCall, OperatorEvent, Presence
from callcenter.store.session import Store
from ivr.numbers import make_number
from tests.services.calls import CONSENT, file, heard
from tests.services.conftest import MINUTE, T0

KNOWN = ("op1", "op2")
PAUSES = {"meal": "Makan", "prayer": "Sembahyang"}
WRAP = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
CALLER = "+6281234567801"
UID = "pbx1-1772000000.1"
QUEUE = ("step", "queue")


@pytest.fixture
def people(store: Store) -> dict[str, int]:
    """Two operators; their ids."""
    with store.write() as db:
        users = [
            User(
                username=name,
                name=name.title(),
                role=Role.OPERATOR,
                password_hash="x",
                created_at=T0,
            )
            for name in ("ayu", "budi")
        ]
        db.add_all(users)
        db.flush()
        return {user.username: user.id for user in users}


def sign_in(store: Store, user_id: int, extension: str = "op1", at: datetime = T0) -> None:
    with store.write() as db:
        presences.sign_in(db, user_id, extension, known=KNOWN, actor="ayu", now=at)


def presence(store: Store, user_id: int) -> Presence:
    with store.read() as db:
        return db.get_one(Presence, user_id)


# ---------------------------------------------------------------- the operator's word


def test_who_signs_in_is_ready_and_it_is_written_down(store: Store, people: dict[str, int]) -> None:
    sign_in(store, people["ayu"])
    row = presence(store, people["ayu"])
    assert (row.state, row.extension, row.since) == (State.READY, "op1", T0)
    with store.write() as db:
        presences.pause(db, people["ayu"], "meal", known=PAUSES, actor="ayu", now=T0 + MINUTE)
    row = presence(store, people["ayu"])
    assert (row.state, row.reason, row.since) == (State.PAUSED, "meal", T0 + MINUTE)
    with store.write() as db:
        presences.ready(db, people["ayu"], actor="ayu", now=T0 + 2 * MINUTE)
        presences.sign_out(db, people["ayu"], actor="ayu", now=T0 + 3 * MINUTE)
        presences.sign_out(db, people["ayu"], actor="ayu", now=T0 + 4 * MINUTE)
    row = presence(store, people["ayu"])
    assert (row.state, row.extension, row.last_extension) == (State.OUT, None, "op1")
    assert row.since == T0 + 3 * MINUTE
    with store.read() as db:
        actions = db.scalars(select(Audit.action).order_by(Audit.id)).all()
        events = db.scalars(select(OperatorEvent.what).order_by(OperatorEvent.id)).all()
    assert actions == ["operator_ready", "operator_paused", "operator_ready", "operator_out"]
    assert events == ["ready", "paused", "ready", "out"]


def test_a_telephone_has_one_operator(store: Store, people: dict[str, int]) -> None:
    sign_in(store, people["ayu"])
    with pytest.raises(Refused, match="dipakai operator lain"):
        sign_in(store, people["budi"])
    sign_in(store, people["budi"], "op2")
    sign_in(store, people["budi"], "op2")  # again: nothing is lost by it
    with pytest.raises(Refused, match="Pilih pesawat"):
        sign_in(store, people["ayu"], "op9")
    with store.write() as db:
        presences.sign_out(db, people["ayu"], actor="ayu", now=T0)
    sign_in(store, people["budi"], "op1")
    assert presence(store, people["budi"]).extension == "op1"


def test_who_is_out_cannot_pause(store: Store, people: dict[str, int]) -> None:
    with store.write() as db, pytest.raises(Refused, match="Masuk ke antrean dulu"):
        presences.pause(db, people["ayu"], "meal", known=PAUSES, actor="ayu", now=T0)
    with store.write() as db, pytest.raises(NotFound):
        presences.sign_out(db, people["ayu"], actor="ayu", now=T0)
    sign_in(store, people["ayu"])
    with store.write() as db, pytest.raises(Refused, match="Pilih alasan"):
        presences.pause(db, people["ayu"], NO_ANSWER, known=PAUSES, actor="ayu", now=T0)


# ---------------------------------------------------------------- following the queue


class Exchange:
    """How the queue stands, and looks at it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.members: dict[str, Member] = {}
        self.calls: dict[str, HeardCall] = {}
        self.follower = Follower("pbx1", WRAP, self.calls.get)

    def misses(self, at: datetime, extension: str = "op1") -> None:
        board = Board(dict(self.members), frozenset(), frozenset())
        with self.store.write() as db:
            talks.follow(db, board, (), self.follower, now=at, missed=[extension])

    def comes(self, uid: str = UID, caller: str = CALLER, number: str | None = None) -> HeardCall:
        call = heard(caller, T0, CONSENT, ("language", "ban"), QUEUE, uid=uid, number=number)
        self.calls[uid] = replace(call, ended_at=None, cause="")
        return self.calls[uid]

    def look(self, at: datetime = T0, *legs: Leg, waiting: tuple[str, ...] = ()) -> None:
        """Twice: the second look finds nothing to do."""
        board = Board(dict(self.members), frozenset(waiting), frozenset(legs))
        for _ in range(2):
            with self.store.write() as db:
                before = db.scalar(select(func.count()).select_from(OperatorEvent))
                talks.follow(db, board, waiting, self.follower, now=at)
                after = db.scalar(select(func.count()).select_from(OperatorEvent))
        assert before == after

    @property
    def row(self) -> OperatorCall:
        with self.store.read() as db:
            row = db.scalars(select(OperatorCall)).one()
            _ = row.call.complaint
            return row

    def complaints(self) -> list[Complaint]:
        with self.store.read() as db:
            return list(db.scalars(select(Complaint).order_by(Complaint.id)))

    def events(self) -> list[str]:
        with self.store.read() as db:
            return list(db.scalars(select(OperatorEvent.what).order_by(OperatorEvent.id)))


@pytest.fixture
def exchange(store: Store) -> Exchange:
    return Exchange(store)


RINGS, TALKS = Leg(UID, "op1", answered=False), Leg(UID, "op1", answered=True)


def test_a_call_from_the_queue_to_the_end_of_the_conversation(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    sign_in(store, people["ayu"])
    number = make_number(7)
    exchange.comes(number=number)
    exchange.members = {"op1": Member("op1", Phone.FREE)}
    exchange.look(T0, waiting=(UID,))
    row = exchange.row
    assert (row.joined_at, row.ringing, row.language) == (T0, [], "ban")
    assert row.call.caller == CALLER and row.call.complaint is None
    exchange.look(T0 + 5 * SECOND, RINGS, waiting=(UID,))
    assert exchange.row.ringing == ["op1"]
    exchange.look(T0 + 9 * SECOND, TALKS)
    row = exchange.row
    assert (row.answered_at, row.user_id, row.ringing) == (T0 + 9 * SECOND, people["ayu"], [])
    [draft] = exchange.complaints()
    assert (draft.public_number, draft.reporter_phone, draft.channel) == (number, CALLER, "phone")
    exchange.look(T0 + 69 * SECOND)
    row = exchange.row
    assert row.ended_at == T0 + 69 * SECOND
    assert presence(store, people["ayu"]).wrap_until == T0 + 99 * SECOND
    exchange.look(T0 + 98 * SECOND)
    assert presence(store, people["ayu"]).wrap_until is not None
    exchange.look(T0 + 99 * SECOND)
    assert presence(store, people["ayu"]).wrap_until is None
    assert exchange.events() == [
        *("ready", "joined", "phone", "rings", "rings_no_more", "talks", "talked", "wrapped_up"),
    ]
    with store.read() as db:
        assert talks.usual_seconds(db) == 60
        assert talks.open_calls(db) == []


def test_the_filed_call_brings_its_recording_to_the_draft(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    sign_in(store, people["ayu"])
    call = exchange.comes(number=make_number(8))
    exchange.look(T0, TALKS)
    [draft] = exchange.complaints()
    whole = heard(
        *(CALLER, T0, CONSENT, QUEUE, ("connected", "talked")),
        speech=20.0,
        uid=UID,
        number=call.number,
    )
    assert file(store, replace(whole, mode="fallback-died")) == draft.id
    assert file(store, whole) == draft.id
    with store.read() as db:
        filed = db.scalars(select(Call)).one()
        assert (len(filed.recordings), filed.ended_at) == (1, whole.ended_at)
        assert (filed.mode, filed.silent) == ("fallback-died", False)
        assert db.get_one(Complaint, draft.id).version == draft.version  # the form can be saved
    assert [each.id for each in exchange.complaints()] == [draft.id]


def test_a_conversation_that_was_filed_before_anybody_saw_it_has_its_complaint(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    sign_in(store, people["ayu"])
    call = exchange.comes(number=make_number(9))
    filed = file(store, replace(call, clips=heard(CALLER, T0, speech=5.0).clips, ended_at=T0))
    exchange.look(T0, TALKS)
    assert [each.id for each in exchange.complaints()] == [filed]


@pytest.mark.parametrize(
    ("more", "why"),
    [((), Why.ABANDONED), ((("step", "hung_up"),), Why.ABANDONED)],
)
def test_who_hangs_up_while_waiting_is_called_back(
    store: Store, exchange: Exchange, more: tuple[tuple[str, str], ...], why: Why
) -> None:
    exchange.comes()
    exchange.look(T0, waiting=(UID,))
    exchange.look(T0 + MINUTE)
    assert exchange.row.ended_at == T0 + MINUTE and exchange.row.answered_at is None
    file(store, heard(CALLER, T0, CONSENT, QUEUE, *more, uid=UID))
    with store.read() as db:
        entry = db.scalars(select(CallBack)).one()
        assert (entry.reason, entry.caller) == (why, CALLER)


@pytest.mark.parametrize(
    ("notes", "speech"),
    [
        ((QUEUE, ("connected", "talked")), 9.0),
        ((QUEUE, ("step", "no_operator")), 3.0),
        ((("step", "menu"),), 3.0),
    ],
)
def test_who_talked_or_left_a_complaint_is_not_called_back(
    store: Store, notes: tuple[tuple[str, str], ...], speech: float
) -> None:
    file(store, heard(CALLER, T0, CONSENT, *notes, speech=speech))
    with store.read() as db:
        assert db.scalars(select(CallBack)).all() == []


def test_who_was_sent_on_to_record_and_said_nothing_is_called_back(store: Store) -> None:
    file(store, heard(CALLER, T0, CONSENT, ("step", "no_operator"), ("step", "record_complaint")))
    with store.read() as db:
        assert db.scalars(select(CallBack)).one().reason is Why.ABANDONED
    file(store, heard(CALLER, T0 + MINUTE, CONSENT, speech=3.0))
    with store.read() as db:
        assert db.scalars(select(CallBack)).one().closed_at is not None


def test_all_telephones_ring_and_one_answers(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    sign_in(store, people["ayu"])
    sign_in(store, people["budi"], "op2")
    exchange.comes()
    other = Leg(UID, "op2", answered=False)
    exchange.look(T0, RINGS, other, waiting=(UID,))
    assert exchange.row.ringing == ["op1", "op2"]
    exchange.look(T0 + SECOND, Leg(UID, "op2", answered=True))
    assert (exchange.row.user_id, exchange.row.ringing) == (people["budi"], [])
    exchange.look(T0 + MINUTE)
    assert presence(store, people["budi"]).wrap_until == T0 + MINUTE + WRAP
    assert presence(store, people["ayu"]).wrap_until is None


def test_who_does_not_answer_twice_in_a_row_is_paused_until_they_say_so(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    sign_in(store, people["ayu"])
    exchange.members = {"op1": Member("op1", Phone.FREE)}
    exchange.misses(T0 + MINUTE)
    row = presence(store, people["ayu"])
    assert (row.state, row.missed) == (State.READY, 1)
    exchange.misses(T0 + 2 * MINUTE)
    row = presence(store, people["ayu"])
    assert (row.state, row.reason) == (State.PAUSED, NO_ANSWER)
    with store.read() as db:
        assert talks.wanted(db, T0) == {"op1": Wanted(State.PAUSED, NO_ANSWER)}
        assert db.scalars(select(Audit.actor).order_by(Audit.id.desc())).first() == "line:pbx1"
    with store.write() as db:
        presences.ready(db, people["ayu"], actor="ayu", now=T0 + 3 * MINUTE)
    exchange.look(T0 + 3 * MINUTE)
    row = presence(store, people["ayu"])
    assert (row.state, row.missed) == (State.READY, 0)


def test_who_answers_in_between_is_not_paused(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    sign_in(store, people["ayu"])
    exchange.comes()
    exchange.misses(T0)
    exchange.look(T0 + SECOND, TALKS)
    exchange.look(T0 + 2 * SECOND)
    exchange.misses(T0 + MINUTE)
    assert presence(store, people["ayu"]).state is State.READY


def test_nobody_is_in_a_call_of_a_dead_exchange(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    """And where it was not dead after all, the conversation is found again."""
    sign_in(store, people["ayu"])
    exchange.comes()
    exchange.look(T0, TALKS)
    with store.write() as db:
        talks.all_over(db, exchange.follower, now=T0 + 20 * SECOND)
    assert exchange.row.ended_at == T0 + 20 * SECOND
    exchange.look(T0 + MINUTE, TALKS)
    assert exchange.row.ended_at is None and len(exchange.complaints()) == 1


def test_a_lost_exchange_says_nothing_of_telephones(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    sign_in(store, people["ayu"])
    exchange.members = {"op1": Member("op1", Phone.FREE)}
    exchange.look()
    assert presence(store, people["ayu"]).phone is Phone.FREE
    with store.write() as db:
        talks.lost(db, now=T0)
    row = presence(store, people["ayu"])
    assert (row.phone, row.state) == (Phone.UNKNOWN, State.READY)


def test_ready_before_the_time_to_write_is_over(
    store: Store, exchange: Exchange, people: dict[str, int]
) -> None:
    sign_in(store, people["ayu"])
    exchange.comes()
    exchange.look(T0, TALKS)
    exchange.look(T0 + MINUTE)
    with store.read() as db:
        assert talks.wanted(db, T0 + MINUTE)["op1"].wraps_up
        assert talks.next_due(db) == T0 + MINUTE + WRAP
    with store.write() as db:
        presences.ready(db, people["ayu"], actor="ayu", now=T0 + MINUTE + SECOND)
    with store.read() as db:
        assert not talks.wanted(db, T0 + MINUTE + SECOND)["op1"].wraps_up


def test_a_caller_who_asks_again_in_the_same_call_waits_in_the_same_row(
    exchange: Exchange,
) -> None:
    exchange.comes()
    exchange.look(T0, waiting=(UID,))
    exchange.look(T0 + SECOND)
    exchange.look(T0 + 2 * SECOND, waiting=(UID,))
    assert exchange.row.ended_at is None


def test_a_call_that_nobody_has_heard_of_is_left_alone(exchange: Exchange) -> None:
    exchange.look(T0, waiting=("pbx1-1.9",))
    assert exchange.events() == []


@pytest.mark.parametrize("mode", ["out", "out-back"])
def test_a_call_that_the_line_places_is_not_a_caller_s(exchange: Exchange, mode: str) -> None:
    exchange.calls[UID] = replace(exchange.comes(), mode=mode)
    exchange.look(T0, RINGS)
    exchange.look(T0, TALKS)
    assert exchange.events() == [] and exchange.complaints() == []


def test_no_receipt_while_they_talk(
    store: Store,
    exchange: Exchange,
    people: dict[str, int],
) -> None:
    night = Night(time(22), time(6), ZoneInfo("Asia/Makassar"))
    rules = receipts.ReceiptRules("24 Jam", "(0366) 5501000", night)

    def written() -> int:
        with store.write() as db:
            return receipts.write_receipts(db, now=T0 + 2 * MINUTE, rules=rules)

    sign_in(store, people["ayu"])
    exchange.comes()
    exchange.look(T0, TALKS)
    assert written() == 0
    exchange.look(T0 + MINUTE)
    assert written() == 1
    with store.read() as db:
        assert db.scalars(select(Notice)).one().complaint_id == exchange.complaints()[0].id


def test_a_telephone_without_an_operator_talks_all_the_same(exchange: Exchange) -> None:
    """Somebody signed out in the moment of the answer."""
    exchange.comes()
    exchange.look(T0, TALKS)
    assert (exchange.row.user_id, exchange.row.extension) == (None, "op1")
    assert len(exchange.complaints()) == 1


def test_an_open_call_is_opened_once(store: Store, exchange: Exchange) -> None:
    call = exchange.comes()
    with store.write() as db:
        first = intake.open_call(db, call, now=T0).id
        assert intake.open_call(db, call, now=T0).id == first
        assert db.get_one(Call, first).ended_at is None
