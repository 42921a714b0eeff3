"""Officers answer by message: acted upon once, by nobody else, and answered in any case."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import count

import pytest

from callcenter.domain.ticket import TicketState
from callcenter.services import replies
from callcenter.services.replies import HELP, Inbound, ReplyRules
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import History, Notice
from ivr.numbers import format_number, make_number
from tests.databases import Database
from tests.services.conftest import DAY, HOUR, T0, Town, keys, together

DUTY, SECOND, OTHERS, CITIZEN = (
    "+628120000011",
    "+628120000012",
    "+628120001511",  # PDAM's
    "+628123456789",
)
_ids = count(1)


def _says(
    town: Town, body: str, sender: str = DUTY, at: datetime = T0 + HOUR, sid: str | None = None
) -> str:
    message = Inbound(sid or f"SM{next(_ids):032x}", "whatsapp", sender, body)
    rules = ReplyRules(town.rules, town.folder, "(0366) 5501000")
    with town.store.write() as db:
        return replies.take(db, message, now=at, rules=rules)


def _number(town: Town, ticket_id: int) -> str:
    return town.found(town.complaint_of(ticket_id)).public_number


def _kept(town: Town) -> list[tuple[str, str | None, int | None]]:
    with town.store.read() as db:
        rows = db.query(InboundMessage).order_by(InboundMessage.id)
        return [(row.result, row.person_key, row.ticket_id) for row in rows]


def test_an_officer_accepts_answers_and_reports_by_message(town: Town) -> None:
    ticket_id = town.sent()
    number = _number(town, ticket_id)
    said = _says(town, f"terima {format_number(number)}", SECOND)
    ticket = town.ticket(ticket_id)
    assert (ticket.state, ticket.accepted_by) == (TicketState.ACCEPTED, "person:pupr_2")
    assert "03-03-2026 10.00 WITA" in said
    town.steps(T0 + 3 * HOUR)
    assert keys(town.taken(ticket_id)) == ["dispatch"]

    _says(town, f"JAWAB {number} besok ditambal", at=T0 + 2 * HOUR)
    assert town.ticket(ticket_id).response == "besok ditambal"
    _says(town, f"SELESAI {number} 3 lubang ditambal", at=T0 + DAY)
    ticket = town.ticket(ticket_id)
    assert (ticket.state, ticket.handled_at) == (TicketState.HANDLED, T0 + DAY)
    with town.store.read() as db:
        report = db.get_one(type(ticket), ticket_id).report
        assert report is not None
        assert (report.text, report.people) == ("3 lubang ditambal", "I Nyoman Darmawan")
    assert [n.person_key for n in town.notices(kind="report-filed")] == ["pupr_head"]
    assert [row[0] for row in _kept(town)] == ["done"] * 3


def test_whoever_should_accept_is_told_the_words(town: Town) -> None:
    town.rules = replace(town.rules, replies=True)
    ticket_id = town.sent()
    town.steps(T0 + 13 * HOUR)
    words = f"Balas: TERIMA {_number(town, ticket_id)}"
    told = {n.kind: words in n.body for n in town.notices(ticket_id=ticket_id)}
    assert told == {"dispatch": True, "next_officer": True, "secretary": True}


def test_an_officer_returns_with_a_reason(town: Town) -> None:
    ticket_id = town.sent()
    number = _number(town, ticket_id)
    assert "alasan" in _says(town, f"TOLAK {number}")
    assert town.ticket(ticket_id).state is TicketState.DISPATCHED
    _says(town, f"TOLAK {number} jalan provinsi")
    assert town.ticket(ticket_id).return_reason == "jalan provinsi"
    assert [row[0] for row in _kept(town)] == ["refused", "done"]


def test_what_is_delivered_twice_acts_once_and_is_answered_the_same(
    town: Town, database: Database
) -> None:
    ticket_id = town.sent()
    body = f"TERIMA {_number(town, ticket_id)}"
    others = [Town(database.store(), town.rules, town.folder, []) for _ in range(2)]
    came = together(*(lambda o=other: _says(o, body, sid="SM1") for other in others))
    again = _says(town, body, at=T0 + DAY, sid="SM1")
    assert came == [again, again]
    assert [h.verb for h in town.history(ticket_id=ticket_id)].count("accept") == 1
    assert len(_kept(town)) == 1


@pytest.mark.parametrize("sender", [OTHERS, CITIZEN, "", "anonymous", "+628120000001x"])
@pytest.mark.parametrize("word", ["TERIMA", "TOLAK", "JAWAB", "SELESAI"])
def test_nobody_else_moves_a_ticket(town: Town, sender: str, word: str) -> None:
    ticket_id = town.sent()
    before = town.count(History), town.count(Notice)
    answer = _says(town, f"{word} {_number(town, ticket_id)} sesuatu", sender)
    assert town.ticket(ticket_id).state is TicketState.DISPATCHED
    assert (town.count(History), town.count(Notice)) == before
    if sender == OTHERS:  # a number that is not theirs and one that is nobody's: the same words
        assert _says(town, f"{word} {make_number(995)} sesuatu", sender) == answer
    else:
        assert "5501000" in answer


def test_who_left_is_no_officer_any_more(town: Town) -> None:
    ticket_id = town.sent()
    town.change_person("pupr_1", active=False)
    _says(town, f"TERIMA {_number(town, ticket_id)}")
    assert town.ticket(ticket_id).state is TicketState.DISPATCHED
    assert _kept(town) == [("stranger", None, None)]


def test_an_office_of_the_regency_only_looks(town: Town) -> None:
    ticket_id = town.sent()
    _says(town, f"TERIMA {_number(town, ticket_id)}", "+628120009904")
    assert town.ticket(ticket_id).state is TicketState.DISPATCHED


@pytest.mark.parametrize("body", ["ok", "", "TERIMA", "TERIMA 12345678", "siap pak 👍", "1" * 9000])
def test_what_is_not_understood_is_kept_and_answered_with_help(town: Town, body: str) -> None:
    town.sent()
    assert _says(town, body) == HELP
    assert _kept(town) == [("help", "pupr_1", None)]


def test_what_is_too_late_is_said_so(town: Town) -> None:
    ticket_id = town.sent()
    number = _number(town, ticket_id)
    town.accept(ticket_id, T0 + HOUR)
    assert "tidak berlaku" in _says(town, f"TERIMA {number}", SECOND)
    assert town.ticket(ticket_id).accepted_by == "person:pupr_1"
    assert "Anda terima" in _says(town, f"TERIMA {number}")  # their own second message
    town.return_(ticket_id, T0 + 2 * HOUR)
    assert "tidak ada pada instansi" in _says(town, f"JAWAB {number} ya")


def test_one_telephone_of_two_agencies_acts_for_the_one_that_has_the_ticket(town: Town) -> None:
    town.change_person("pdam_1", whatsapp=DUTY)
    ticket_id = town.sent(agency="pdam")
    _says(town, f"TERIMA {_number(town, ticket_id)}")
    assert town.ticket(ticket_id).accepted_by == "person:pdam_1"
