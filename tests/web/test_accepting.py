"""An officer accepts at the console what came to the own agency."""

from __future__ import annotations

from collections.abc import Callable

from flask.testing import FlaskClient

from callcenter.domain.ticket import TicketState
from callcenter.store.models import Ticket
from callcenter.wiring import Wiring
from tests.web.conftest import Sent, post


def _ticket(wired: Wiring, sent: Sent) -> Ticket:
    with wired.store.read() as db:
        return db.get_one(Ticket, sent.ticket_id)


def test_the_agencys_officer_accepts_once(
    wired: Wiring, a_ticket: Callable[..., Sent], as_user: Callable[[str], FlaskClient]
) -> None:
    sent, officer = a_ticket(), as_user("officer")
    page = f"/tickets/{sent.ticket_id}"
    assert "Terima tugas ini" in officer.get(page).text
    assert post(officer, f"{page}/accept", "/tickets").status_code == 302
    ticket = _ticket(wired, sent)
    assert (ticket.state, ticket.accepted_by) == (TicketState.ACCEPTED, "officer")
    assert "Terima tugas ini" not in officer.get(page).text
    assert post(officer, f"{page}/accept", "/tickets").status_code == 302
    assert _ticket(wired, sent).accepted_at == ticket.accepted_at


def test_another_agencys_ticket_is_not_there(
    wired: Wiring, a_ticket: Callable[..., Sent], as_user: Callable[[str], FlaskClient]
) -> None:
    sent = a_ticket(agency="pdam")
    answer = post(as_user("officer"), f"/tickets/{sent.ticket_id}/accept", "/tickets")
    assert answer.status_code == 404
    assert _ticket(wired, sent).state is TicketState.DISPATCHED


def test_who_is_no_officer_is_not_asked(
    a_ticket: Callable[..., Sent], as_user: Callable[[str], FlaskClient]
) -> None:
    page = as_user("supervisor").get(f"/tickets/{a_ticket().ticket_id}").text
    assert "Terima tugas ini" not in page
