"""Work that waits is prolonged as often as configured, each time approved, and told."""

from __future__ import annotations

from datetime import datetime

import pytest

from callcenter.domain.ticket import TicketState
from callcenter.services.errors import Refused
from tests.services.conftest import DAY, HOUR, T0, Mail, Town

MOST = 2  # config.yaml: waiting.prolonged_at_most


def _waits(town: Town, until: datetime = T0 + 10 * DAY) -> int:
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + HOUR)
    town.wait(ticket_id, T0 + 2 * HOUR, until)
    return ticket_id


def _verbs(town: Town, ticket_id: int) -> list[str]:
    verbs = ("wait", "prolong", "wake", "start")
    return [h.verb for h in town.history(ticket_id=ticket_id) if h.verb in verbs]


def test_it_is_prolonged_while_it_waits_and_sleeps_on(town: Town) -> None:
    ticket_id = _waits(town)
    town.wait(ticket_id, T0 + 9 * DAY, T0 + 20 * DAY)
    ticket = town.ticket(ticket_id)
    assert (ticket.state, ticket.waiting_until) == (TicketState.WAITING, T0 + 20 * DAY)
    assert ticket.waiting_since == T0 + 2 * HOUR
    town.wake(T0 + 10 * DAY)
    assert town.ticket(ticket_id).state is TicketState.WAITING
    town.wake(T0 + 20 * DAY)
    ticket = town.ticket(ticket_id)
    assert (ticket.state, ticket.waited_s) == (TicketState.IN_PROGRESS, (20 * 24 - 2) * 3600)
    assert _verbs(town, ticket_id) == ["wait", "prolong", "wake"]


@pytest.mark.parametrize("way", ["asleep", "woken", "started"])
def test_it_is_prolonged_so_often_and_not_once_more(town: Town, way: str) -> None:
    """Going on for an hour in between is no way around."""
    ticket_id = _waits(town)
    for turn in range(1, MOST + 2):
        at = T0 + 10 * turn * DAY
        if way == "woken":
            town.wake(at)
        elif way == "started":
            town.start(ticket_id, at - HOUR)
        again = at - HOUR if way == "asleep" else at + HOUR
        if turn <= MOST:
            town.wait(ticket_id, again, at + 10 * DAY)
        else:
            with pytest.raises(Refused) as refused:
                town.wait(ticket_id, again, at + 10 * DAY)
            assert refused.value.field == "until"


@pytest.mark.parametrize(
    ("until", "approver", "note", "field"),
    [
        (T0 + 10 * DAY, "Pimpinan", "Surat 2", "until"),  # no later than before
        (T0 + 20 * DAY, "", "Surat 2", "approver"),
        (T0 + 20 * DAY, "Pimpinan", " ", "evidence"),
        (T0 + 367 * DAY + 9 * DAY, "Pimpinan", "Surat 2", "until"),
    ],
)
def test_each_time_with_evidence_approval_and_a_later_day(
    town: Town, until: datetime, approver: str, note: str, field: str
) -> None:
    ticket_id = _waits(town)
    with pytest.raises(Refused) as refused:
        town.wait(ticket_id, T0 + 9 * DAY, until, approver=approver, note=note)
    assert refused.value.field == field
    assert town.ticket(ticket_id).waiting_until == T0 + 10 * DAY


def test_the_citizen_is_told_each_time_by_day_and_without_the_pin(town: Town, mail: Mail) -> None:
    ticket_id = _waits(town)
    night = T0 + 9 * DAY + 13 * HOUR  # eleven in the evening
    town.wait(ticket_id, night, T0 + 20 * DAY)
    first, second = town.notices(kind="news")
    assert "material" in first.body
    assert "12-03-2026" in first.body
    assert "22-03-2026" in second.body
    assert (first.not_before, second.not_before) == (T0 + 2 * HOUR, night + 7 * HOUR)
    mail.work(night + 7 * HOUR)
    told = [m for m in mail.whatsapp.sent if m.to == "+628123456789"]
    assert [m.text for m in told] == [first.body, second.body]


@pytest.mark.parametrize("phone", ["", "(0366) 91234"])
def test_who_has_no_mobile_is_written_nothing(town: Town, phone: str) -> None:
    ticket_id = town.sent(reporter_phone=phone)
    town.respond(ticket_id, T0 + HOUR)
    town.wait(ticket_id, T0 + 2 * HOUR, T0 + DAY)
    assert town.notices(kind="news") == []
