"""The screens' queries on both databases: right tabs, pages without gaps, nobody else's tickets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.domain.ticket import TicketState
from callcenter.store import queries, search
from callcenter.store.models import (
    Agency,
    Audit,
    Call,
    Complaint,
    Escalation,
    Heartbeat,
    History,
    Notice,
    NoticeAttempt,
    Person,
    Recording,
    Ticket,
)
from callcenter.store.session import Store
from ivr.numbers import make_number

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
S, T = ComplaintState, TicketState
_serials = count(1)


def _number() -> str:
    return make_number(next(_serials))


def _call(**given: Any) -> Call:
    number = _number()
    return Call(
        call_uid=f"pbx1-{number}",
        line="pbx1",
        started_at=NOW,
        filed_at=NOW,
        **{"path": [], **given},
    )


def _complaint(state: ComplaintState = S.RECEIVED, **given: Any) -> Complaint:
    values = {"channel": "phone", "received_at": NOW, **given}
    return Complaint(public_number=_number(), state=state, **values)


def _ticket(state: TicketState = T.DISPATCHED, agency: str = "pupr", **given: Any) -> Ticket:
    values = {"dispatched_at": NOW, "due_at": NOW + 24 * HOUR, "urgency": Urgency.REPORT, **given}
    return Ticket(complaint=_complaint(S.DISPATCHED), agency_key=agency, state=state, **values)


def _notice(state: str = "queued", **given: Any) -> Notice:
    values = {"not_before": NOW, "created_at": NOW, "subject": "Tiket baru", "body": "", **given}
    return Notice(key=f"dispatch:{_number()}", kind="dispatch", state=state, **values)


@pytest.fixture
def put(store: Store) -> Callable[..., list[int]]:
    """Stores rows, each after the one before it; their ids."""

    def write(*rows: Any) -> list[int]:
        with store.write() as session:
            for row in rows:
                session.add(row)
                session.flush()
            return [row.id for row in rows]

    return write


@pytest.fixture
def agencies(store: Store) -> None:
    """Two agencies, of which each may only see its own."""
    with store.write() as session:
        session.add_all(
            [
                Agency(key="pupr", name="PUPR Perkim", kind="OPD"),
                Agency(key="pdam", name="PDAM", kind="BUMD"),
            ]
        )


@pytest.fixture
def db(store: Store) -> Iterator[Session]:
    """A session for reading."""
    with store.read() as session:
        yield session


def _ids(rows: Sequence[Any]) -> list[int]:
    return [row.id for row in rows]


Put = Callable[..., list[int]]


# ---------------------------------------------------------------- the inbox


def test_every_state_stands_in_the_tab_where_somebody_has_to_act(put: Put, db: Session) -> None:
    put(*(_complaint(state) for state in S))
    put(_complaint(S.RECEIVED, reject_proposed_by="operator"))
    tabs = {tab: {c.state for c in queries.inbox(db, tab)} for tab in queries.INBOX_TABS}
    assert tabs == {
        "new": {S.RECEIVED, S.TRANSCRIBED, S.CATEGORISED, S.REOPENED},
        "proposed": {S.RECEIVED},
        "running": {S.DISPATCHED},
        "ask": {S.ANSWERED},
    }


def test_a_proposed_rejection_waits_for_the_second_person_and_nowhere_else(
    put: Put, db: Session
) -> None:
    (proposed,) = put(_complaint(reject_proposed_by="operator"))
    put(_complaint(S.NOT_ACTIONABLE, reject_proposed_by="operator"))
    assert _ids(queries.inbox(db, "proposed")) == [proposed]
    assert queries.inbox(db, "new") == []


def test_emergencies_come_first_then_the_oldest(put: Put, db: Session) -> None:
    young, old, emergency, same = put(
        _complaint(received_at=NOW),
        _complaint(received_at=NOW - HOUR),
        _complaint(received_at=NOW + HOUR, urgency=Urgency.EMERGENCY),
        _complaint(received_at=NOW),
    )
    assert _ids(queries.inbox(db, "new")) == [emergency, old, young, same]


def test_badges_count_each_tab_and_the_silent_calls(put: Put, db: Session) -> None:
    put(_complaint(), _complaint(S.REOPENED), _complaint(reject_proposed_by="operator"))
    put(_complaint(S.ANSWERED), _call(silent=True), _call(silent=False))
    assert queries.inbox_counts(db) == {
        "new": 2,
        "messages": 0,
        "proposed": 1,
        "running": 0,
        "ask": 1,
        "silent": 1,
    }


def test_a_badge_stops_counting_at_its_cap(store: Store, db: Session) -> None:
    rows = [
        {
            "call_uid": f"pbx1-{n}",
            "line": "pbx1",
            "started_at": NOW,
            "filed_at": NOW,
            "silent": True,
            "path": [],
        }
        for n in range(1005)
    ]
    with store.write() as session:
        session.execute(insert(Call), rows)
    assert queries.inbox_counts(db)["silent"] == 999


# ---------------------------------------------------------------- pages


Pages = Callable[[Session, int | None], Sequence[Any]]


@pytest.mark.usefixtures("agencies")
@pytest.mark.parametrize(
    ("make", "page"),
    [
        (_call, lambda db, before: queries.calls(db, before=before)),
        (_notice, lambda db, before: queries.messages(db, before=before)),
        (
            lambda: _ticket(T.CLOSED),
            lambda db, before: queries.tickets(db, tab="done", before=before),
        ),
    ],
    ids=["calls", "messages", "tickets"],
)
def test_pages_go_from_the_newest_to_the_oldest_without_gap_or_repeat(
    put: Put, store: Store, make: Callable[[], Any], page: Pages
) -> None:
    """Also when new rows arrive while somebody turns the pages."""
    ids = put(*(make() for _ in range(2 * queries.PAGE + 1)))
    seen: list[int] = []
    for wanted in (queries.PAGE, queries.PAGE, 1, 0):
        with store.read() as db:
            rows = _ids(page(db, seen[-1] if seen else None))
        assert len(rows) == wanted
        seen += rows
        put(make())
    assert seen == ids[::-1]


def test_calls_are_split_into_silent_and_spoken(put: Put, db: Session) -> None:
    silent, spoken = put(_call(silent=True), _call(silent=False))
    assert _ids(queries.calls(db)) == [spoken, silent]
    assert _ids(queries.calls(db, silent=True)) == [silent]
    assert _ids(queries.calls(db, silent=False)) == [spoken]


def test_messages_are_found_by_state(put: Put, db: Session) -> None:
    _queued, dead = put(_notice("queued"), _notice("dead"))
    assert _ids(queries.messages(db, state="dead")) == [dead]


# ---------------------------------------------------------------- tickets


@pytest.mark.usefixtures("agencies")
def test_every_state_of_a_ticket_stands_in_exactly_one_tab(put: Put, db: Session) -> None:
    put(*(_ticket(state) for state in T))
    tabs = {tab: {t.state for t in queries.tickets(db, tab=tab)} for tab in queries.TICKET_TABS}
    assert tabs == {
        "unanswered": {T.DISPATCHED, T.ACCEPTED},
        "answered": {T.RESPONDED, T.WAITING, T.IN_PROGRESS, T.HANDLED},
        "done": {T.REPORTED, T.CLOSED, T.RETURNED},
    }
    assert queries.ticket_counts(db) == {tab: len(states) for tab, states in tabs.items()}


@pytest.mark.usefixtures("agencies")
@pytest.mark.parametrize(("tab", "state"), [("unanswered", T.ACCEPTED), ("answered", T.WAITING)])
def test_open_tickets_are_in_the_order_of_their_remaining_time(
    put: Put, db: Session, tab: str, state: TicketState
) -> None:
    later, soon, soon_too = put(
        _ticket(state, due_at=NOW + 2 * HOUR),
        _ticket(state, due_at=NOW),
        _ticket(state, due_at=NOW),
    )
    assert _ids(queries.tickets(db, tab=tab)) == [soon, soon_too, later]


@pytest.mark.usefixtures("agencies")
def test_late_is_from_the_last_moment_of_the_window_on(put: Put, db: Session) -> None:
    put(_ticket(T.DISPATCHED, due_at=NOW), _ticket(T.RESPONDED, due_at=NOW - HOUR))
    instant = timedelta(microseconds=1)
    assert [
        queries.late_unanswered(db, NOW + shift) for shift in (-instant, 0 * HOUR, instant)
    ] == [
        0,
        1,
        1,
    ]


@pytest.mark.usefixtures("agencies")
@pytest.mark.parametrize("state", list(T))
def test_an_agency_sees_its_own_tickets_and_no_others(
    put: Put, db: Session, state: TicketState
) -> None:
    own, others = put(
        _ticket(state, due_at=NOW - HOUR), _ticket(state, agency="pdam", due_at=NOW - HOUR)
    )
    tab = next(tab for tab, states in queries.TICKET_TABS.items() if state in states)
    late = 1 if tab == "unanswered" else 0
    assert _ids(queries.tickets(db, tab=tab, agency_key="pupr")) == [own]
    assert queries.ticket_counts(db, "pupr")[tab] == 1
    assert queries.ticket_counts(db)[tab] == 2
    assert queries.late_unanswered(db, NOW, "pupr") == late
    assert queries.late_unanswered(db, NOW) == 2 * late
    found = queries.ticket(db, own, "pupr")
    assert found is not None
    assert found.id == own
    assert queries.ticket(db, others, "pupr") is None
    assert queries.ticket(db, others) is not None


def test_a_ticket_that_is_not_there(db: Session) -> None:
    assert queries.ticket(db, 4711) is None
    assert queries.ticket(db, 4711, "pupr") is None


@pytest.mark.usefixtures("agencies")
def test_a_tickets_history_is_its_own_in_order(put: Put, db: Session) -> None:
    mine, other = put(first := _ticket(), _ticket())
    rows = [
        {"complaint_id": first.complaint_id, "at": NOW, "actor": "clock"} | more
        for more in (
            {"ticket_id": mine, "verb": "dispatch"},
            {"ticket_id": other, "verb": "dispatch"},
            {"verb": "transcribe"},
            {"ticket_id": mine, "verb": "accept"},
        )
    ]
    put(*(History(**row) for row in rows))
    assert [h.verb for h in queries.ticket_history(db, mine)] == ["dispatch", "accept"]


# ---------------------------------------------------------------- one thing


def test_a_call_and_a_recording_by_id(put: Put, db: Session) -> None:
    (call_id,) = put(_call())
    (recording_id,) = put(_recording(call_id))
    found = queries.call(db, call_id)
    assert found is not None
    assert _ids(found.recordings) == [recording_id]
    assert queries.recording(db, recording_id) is found.recordings[0]
    assert queries.call(db, call_id + 1) is None
    assert queries.recording(db, recording_id + 1) is None


def _recording(call_id: int) -> Recording:
    return Recording(
        call_id=call_id,
        kind="complaint",
        take=1,
        path=f"calls/{call_id}.wav",
        sha256="0" * 64,
        bytes=44,
        seconds=1.0,
        speech_seconds=1.0,
    )


@pytest.mark.parametrize(
    ("row", "heard"),
    [
        ({}, True),
        ({"at": NOW - timedelta(microseconds=1)}, False),
        ({"actor": "operator2"}, False),
        ({"thing": "recording:2"}, False),
        ({"action": "recording_listed"}, False),
    ],
)
def test_a_playback_is_known_by_who_what_and_since_when(
    put: Put, db: Session, row: dict[str, Any], heard: bool
) -> None:
    played = {"actor": "operator", "action": "recording_played", "thing": "recording:1", "at": NOW}
    put(Audit(**{**played, **row}))
    assert queries.heard_since(db, "operator", "recording:1", NOW) is heard


def test_heartbeats_by_the_name_of_the_part(store: Store, db: Session) -> None:
    with store.write() as session:
        session.add_all([Heartbeat(part="worker-1", at=NOW), Heartbeat(part="clock", at=NOW)])
    assert [beat.part for beat in queries.heartbeats(db)] == ["clock", "worker-1"]


# ---------------------------------------------------------------- the pulse


@pytest.mark.usefixtures("agencies")
def test_the_pulse_changes_with_whatever_a_list_shows(store: Store, put: Put) -> None:
    def pulse() -> queries.Pulse:
        with store.read() as db:
            return queries.pulse(db)

    (ticket_id,) = put(ticket := _ticket())
    seen = [pulse()]
    assert pulse() == seen[0]
    (notice_id,) = put(_notice())
    seen.append(pulse())
    for row in (
        _call(),
        History(complaint_id=ticket.complaint_id, at=NOW, actor="clock", verb="dispatch"),
        NoticeAttempt(notice_id=notice_id, fence=1, channel="sms", started_at=NOW),
        Escalation(ticket_id=ticket_id, step_key="missed", due_at=NOW, taken_at=NOW),
    ):
        put(row)
        seen.append(pulse())
    with store.write() as session:
        session.get_one(Notice, notice_id).state = "delivered"
    seen.append(pulse())
    assert len(set(seen)) == len(seen)


def test_the_pulse_of_an_empty_database(db: Session) -> None:
    assert queries.pulse(db) == queries.Pulse(0, 0, 0, 0, 0, "", (0, 0), (), (0, 0, 0, 0))


# ---------------------------------------------------------------- no query per row


@contextmanager
def _statements(store: Store) -> Iterator[list[str]]:
    heard: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        heard.append(statement)

    event.listen(store.engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(store.engine, "before_cursor_execute", hear)


def _show_inbox(db: Session) -> None:
    for row in queries.inbox(db, "running"):
        assert row.call is not None
        assert len(row.call.recordings) == len(row.tickets) == 1


def _show_calls(db: Session) -> None:
    assert [(call.complaint is not None, len(call.recordings)) for call in queries.calls(db)]


def _complaints(db: Session) -> list[Complaint]:
    return search.complaints(db, search.page(db, search.Sought(), search.Cursor()).ids)


def _show_complaints(db: Session) -> None:
    assert [len(row.call.recordings) for row in _complaints(db) if row.call]


def _show_tickets(db: Session) -> None:
    assert [
        (t.complaint.public_number, t.agency.name) for t in queries.tickets(db, tab="unanswered")
    ]


def _show_messages(db: Session) -> None:
    assert [(n.person and n.person.name, len(n.attempts)) for n in queries.messages(db)]


@pytest.mark.usefixtures("agencies")
@pytest.mark.parametrize(
    "show", [_show_inbox, _show_calls, _show_complaints, _show_tickets, _show_messages]
)
def test_a_long_list_asks_the_database_no_more_often_than_a_short_one(
    store: Store, show: Callable[[Session], None]
) -> None:
    asked = []
    for more in (1, 20):
        with store.write() as session:
            for _ in range(more):
                _file_a_whole_complaint(session)
        with _statements(store) as heard, store.read() as db:
            show(db)
        asked.append(len(heard))
    assert asked[0] == asked[1]


def _file_a_whole_complaint(session: Session) -> None:
    """One row of everything that a list shows beside it."""
    call = _call()
    session.add(call)
    session.flush()
    ticket = _ticket()
    ticket.complaint.call_id = call.id
    person = Person(key=f"pupr_{call.id}", agency_key="pupr", post="officer", name="I Wayan")
    notice = _notice(person=person)
    notice.attempts.append(NoticeAttempt(fence=1, channel="sms", started_at=NOW))
    session.add_all([_recording(call.id), ticket, notice])
