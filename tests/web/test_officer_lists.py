"""The team's list and the head's: behind a PIN, of one agency, with a tap that asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import select

from callcenter.services import closing_pins
from callcenter.store.models import Notice
from callcenter.wiring import Wiring
from tests.web.conftest import Sent, axe, post, shot
from tests.web.test_officer import PIN, Link, report_fields


@pytest.fixture
def sent(a_ticket: Callable[..., Sent]) -> Sent:
    """A ticket at PUPR."""
    return a_ticket(1)


def _unlock(client: FlaskClient, token: str, pin: str = PIN) -> int:
    url = f"/p/{token}/unlock"
    return post(client, url, f"/p/{token}/tickets", pin=pin, pin_again=pin).status_code


def _chases(wired: Wiring) -> list[Notice]:
    with wired.store.read() as db:
        return list(db.scalars(select(Notice).where(Notice.kind.startswith("chase-"))))


def test_a_link_alone_opens_no_list(client: FlaskClient, sent: Sent, link_of: Link) -> None:
    head = link_of(sent.ticket_id, "pupr_head")
    page = client.get(f"/p/{head}/tickets").text
    assert "Buat PIN" in page
    assert "Jalan rusak" not in page
    for url in (f"/p/{head}/tickets/{sent.ticket_id}", f"/p/{head}/tickets/999"):
        assert client.get(url).headers["Location"] == f"/p/{head}/tickets"


def test_the_pin_opens_the_agencys_own_tickets_and_no_others(
    client: FlaskClient, sent: Sent, a_ticket: Callable[..., Sent]
) -> None:
    late = a_ticket(2, ago=timedelta(hours=26))
    other = a_ticket(3, agency="bpbd")
    assert _unlock(client, sent.token) == 302
    page = client.get(f"/p/{sent.token}/tickets").text
    assert f"/p/{sent.token}/tickets/{late.ticket_id}" in page
    assert "Terlambat 2 jam" in page
    assert f"/tickets/{other.ticket_id}" not in page
    assert "I Wayan Contoh" not in page
    assert client.get(f"/p/{sent.token}/tickets/{other.ticket_id}").status_code == 404
    opened = client.get(f"/p/{sent.token}/tickets/{late.ticket_id}", follow_redirects=True)
    assert "Jalan rusak" in opened.text


def test_the_list_is_open_for_one_person_one_browser_and_some_hours(
    app: Flask, client: FlaskClient, wired: Wiring, sent: Sent, link_of: Link
) -> None:
    assert _unlock(client, sent.token) == 302
    head = link_of(sent.ticket_id, "pupr_head")
    assert "Jalan rusak" not in client.get(f"/p/{head}/tickets").text
    assert "Jalan rusak" not in app.test_client().get(f"/p/{sent.token}/tickets").text
    hours = timedelta(hours=wired.config.web.session_hours)
    with time_machine.travel(datetime.now(UTC) + hours):
        assert "Jalan rusak" not in client.get(f"/p/{sent.token}/tickets").text
    assert "Jalan rusak" in client.get(f"/p/{sent.token}/tickets").text
    with wired.store.write() as db:
        closing_pins.forget(db, "pupr_1", actor="supervisor", now=datetime.now(UTC))
    assert "Jalan rusak" not in client.get(f"/p/{sent.token}/tickets").text


def test_a_wrong_pin_opens_nothing(client: FlaskClient, app: Flask, sent: Sent) -> None:
    assert _unlock(client, sent.token) == 302
    stranger = app.test_client()
    assert _unlock(stranger, sent.token, "1357") == 400
    assert "Jalan rusak" not in stranger.get(f"/p/{sent.token}/tickets").text


def test_the_head_asks_with_one_tap_and_not_twice(
    client: FlaskClient,
    wired: Wiring,
    sent: Sent,
    link_of: Link,
    audits: Callable[[str], int],
) -> None:
    head = link_of(sent.ticket_id, "pupr_head")
    _unlock(client, head)
    page, url = f"/p/{head}/tickets", f"/p/{head}/tickets/{sent.ticket_id}/chase"
    assert f'action="{url}"' in client.get(page).text
    for _ in range(2):
        assert post(client, url, page).status_code == 302
    assert [notice.person_key for notice in _chases(wired)] == ["pupr_1"]
    assert audits("ticket_chased") == 1
    shown = client.get(page).text
    assert "tunggu satu jam" in shown
    assert f'action="{url}"' not in shown


def test_an_officer_asks_nobody_and_neither_does_a_head_without_the_pin(
    client: FlaskClient, wired: Wiring, sent: Sent, link_of: Link
) -> None:
    head = link_of(sent.ticket_id, "pupr_head")
    assert post(client, f"/p/{head}/tickets/{sent.ticket_id}/chase").status_code == 302
    _unlock(client, sent.token)
    url = f"/p/{sent.token}/tickets/{sent.ticket_id}/chase"
    assert url not in client.get(f"/p/{sent.token}/tickets").text
    assert post(client, url).status_code == 403
    assert _chases(wired) == []


def test_offices_of_the_regency_have_no_list_here(
    client: FlaskClient, sent: Sent, link_of: Link
) -> None:
    office = link_of(sent.ticket_id, "sekda")
    assert client.get(f"/p/{office}/tickets").status_code == 403


# ---------------------------------------------------------------- on the console


@pytest.fixture
def reported(client: FlaskClient, sent: Sent, link_of: Link) -> str:
    """A filed report; the token of the head's link."""
    page = f"/p/{sent.token}"
    assert post(client, f"{page}/report", page, **report_fields()).status_code == 302
    return link_of(sent.ticket_id, "pupr_head")


def test_the_console_lists_reports_and_who_has_not_read_them(
    client: FlaskClient, as_user: Callable[[str], FlaskClient], sent: Sent, reported: str
) -> None:
    officer, row = as_user("officer"), f'href="/tickets/{sent.ticket_id}"'
    page = officer.get("/reports").text
    assert row in page
    assert "Tepat waktu" in page
    assert row in officer.get("/reports?unread=1").text
    client.get(f"/p/{reported}/seen.svg")
    assert "Dibaca" in officer.get("/reports").text
    assert row not in officer.get("/reports?unread=1").text
    assert row not in as_user("supervisor").get("/reports?agency=bpbd").text


def test_a_late_answer_stays_visible_beside_its_report(
    client: FlaskClient, as_user: Callable[[str], FlaskClient], a_ticket: Callable[..., Sent]
) -> None:
    late = a_ticket(1, ago=timedelta(hours=26))
    page = f"/p/{late.token}"
    assert post(client, f"{page}/report", page, **report_fields()).status_code == 302
    assert "Terlambat 2 jam" in as_user("officer").get("/reports").text


def test_the_console_sends_a_report_again_once_it_was_sent(
    as_user: Callable[[str], FlaskClient],
    wired: Wiring,
    sent: Sent,
    reported: str,
    audits: Callable[[str], int],
) -> None:
    client, page = as_user("supervisor"), f"/tickets/{sent.ticket_id}"
    post(client, f"{page}/report/again", page)
    assert "masih dalam pengiriman" in client.get(page).text
    with wired.store.write() as db:
        notice = db.scalars(select(Notice).where(Notice.kind == "report-filed")).one()
        notice.state, notice.created_at = "sent", datetime.now(UTC) - timedelta(hours=1)
    post(client, f"{page}/report/again", page)
    assert audits("report_sent_again") == 1


def test_the_desk_asks_an_officer_too(
    as_user: Callable[[str], FlaskClient], wired: Wiring, sent: Sent
) -> None:
    client, page = as_user("operator"), f"/tickets/{sent.ticket_id}"
    assert "Tagih petugas" in client.get(page).text
    assert post(client, f"{page}/chase", page).status_code == 302
    assert len(_chases(wired)) == 1
    assert "Tagih petugas" not in as_user("officer").get(page).text


def test_a_forgotten_pin_is_taken_away_by_the_supervisor(
    client: FlaskClient,
    as_user: Callable[[str], FlaskClient],
    sent: Sent,
    a_ticket: Callable[..., Sent],
    audits: Callable[[str], int],
) -> None:
    assert _unlock(client, sent.token) == 302
    other = a_ticket(2, agency="bpbd")
    boss, page = as_user("supervisor"), f"/tickets/{sent.ticket_id}"
    url = f"{page}/pins/pupr_1/forget"
    assert f'action="{url}"' in boss.get(page).text
    elsewhere = f"/tickets/{other.ticket_id}"
    assert post(boss, f"{elsewhere}/pins/pupr_1/forget", elsewhere).status_code == 404
    assert post(boss, url, page).status_code == 302
    assert audits("pin_forgotten") == 1
    assert "Buat PIN" in client.get(f"/p/{sent.token}/tickets").text


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_lists_are_accessible_on_the_smallest_telephone(
    tab: Callable[..., Page], sent: Sent, link_of: Link, dark: bool
) -> None:
    page, head = tab(width=320, height=700, dark=dark), link_of(sent.ticket_id, "pupr_head")
    page.goto(f"/p/{head}/tickets")
    assert axe(page) == []
    page.fill("#pin", PIN)
    page.fill("#pin_again", PIN)
    page.get_by_role("button", name="Buka daftar").click()
    expect(page.get_by_role("button", name="Tagih petugas")).to_be_visible()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    shot(page, f"{'dark' if dark else 'light'}-320-list")
