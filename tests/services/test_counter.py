"""The counter: every way to the desk is a complaint with its source, or has a reason."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from callcenter.domain.complaint import ComplaintState
from callcenter.services import counter
from callcenter.services.errors import Conflict, NotFound, Refused
from callcenter.store import desk_queries, queries
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint
from ivr.numbers import is_valid
from tests.services.conftest import DAY, HOUR, T0, Town, together


def _message(
    town: Town, body: str = "Jalan rusak", result: str = "stranger", at: datetime = T0
) -> int:
    with town.store.write() as db:
        row = InboundMessage(
            provider_id=f"SM{body}{at}",
            channel="whatsapp",
            sender="+6281234567890",
            body=body,
            received_at=at,
            result=result,
        )
        db.add(row)
        db.flush()
        return row.id


def _waiting(town: Town) -> list[int]:
    with town.store.read() as db:
        assert queries.inbox_counts(db)["messages"] == len(desk_queries.messages(db))
        return [row.id for row in desk_queries.messages(db)]


def _take_down(town: Town, **changed: object) -> Complaint:
    fields = {
        "source": "letter",
        "text": "Jalan rusak",
        "came_at": T0 - DAY,
        "reference": "12/2026",
        "actor": "ani",
        "now": T0,
    }
    with town.store.write() as db:
        return counter.take_down(db, **{**fields, **changed})  # type: ignore[arg-type]


def test_a_letter_becomes_a_complaint_with_its_source(town: Town) -> None:
    complaint = _take_down(town)
    found = town.found(complaint.id)
    assert is_valid(found.public_number)
    assert (found.channel, found.received_at, found.state) == (
        "letter",
        T0 - DAY,
        ComplaintState.RECEIVED,
    )
    (row,) = town.history(complaint_id=complaint.id)
    assert (row.verb, row.actor, row.why) == ("receive", "ani", "12/2026")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", "pigeon"),
        ("source", "phone"),
        ("text", " \n "),
        ("text", "x" * 20_001),
        ("came_at", T0 + HOUR),
        ("came_at", T0 - timedelta(days=366)),
        ("reference", "x" * 301),
    ],
)
def test_a_mistake_is_named_at_its_field(town: Town, field: str, value: object) -> None:
    with pytest.raises(Refused) as refused:
        _take_down(town, **{field: value})
    assert refused.value.field == field
    assert town.count(Complaint) == 0


def test_messages_of_citizens_wait_the_oldest_first_and_officers_do_not(town: Town) -> None:
    young, old = _message(town, "b", at=T0 + HOUR), _message(town, "a")
    _message(town, "c", result="done")
    assert _waiting(town) == [old, young]


def test_a_message_becomes_a_complaint_once(town: Town) -> None:
    message_id = _message(town)

    def take() -> int:
        with town.store.write() as db:
            return counter.from_message(db, message_id, actor="ani", now=T0).id

    results = together(take, take)
    (complaint_id,) = [r for r in results if isinstance(r, int)]
    assert [type(r) for r in results if not isinstance(r, int)] == [Conflict]
    found = town.found(complaint_id)
    assert (found.channel, found.transcript, found.reporter_phone) == (
        "whatsapp",
        "Jalan rusak",
        "+6281234567890",
    )
    assert _waiting(town) == []
    with town.store.read() as db:
        assert [m.id for m in desk_queries.messages_of(db, complaint_id)] == [message_id]


def test_a_message_joins_the_complaint_with_its_number(town: Town) -> None:
    complaint_id = town.complaint()
    number = town.found(complaint_id).public_number
    message_id = _message(town)
    with pytest.raises(Refused, match="delapan angka"), town.store.write() as db:
        counter.join(db, message_id, "99", actor="ani", now=T0)
    with town.store.write() as db:
        counter.join(db, message_id, f"{number[:4]} {number[4:]}", actor="ani", now=T0)
    assert _waiting(town) == []
    assert town.history(complaint_id=complaint_id)[-1].verb == "message"


def test_a_message_is_only_put_aside_with_a_reason(town: Town) -> None:
    message_id = _message(town)
    with pytest.raises(Refused), town.store.write() as db:
        counter.put_aside(db, message_id, why=" ", actor="ani", now=T0)
    assert _waiting(town) == [message_id]
    with town.store.write() as db:
        counter.put_aside(db, message_id, why="Ucapan terima kasih", actor="ani", now=T0)
    assert _waiting(town) == []
    with town.store.read() as db:
        assert db.get_one(InboundMessage, message_id).settled_why == "Ucapan terima kasih"


def test_an_officers_message_is_nobodys_complaint(town: Town) -> None:
    message_id = _message(town, result="done")
    with pytest.raises(NotFound), town.store.write() as db:
        counter.from_message(db, message_id, actor="ani", now=T0)
