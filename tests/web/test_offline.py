"""The officer's telephone without a network: nothing typed is lost, and it arrives once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps

import pytest
from playwright.sync_api import Error, FilePayload, Page, expect
from sqlalchemy import func, select

from callcenter.domain.ticket import TicketState
from callcenter.store.models import Attachment, HandlingReport, History, Ticket
from callcenter.wiring import Wiring
from tests.web.conftest import Live, Sent, axe, eventually, shot
from tests.web.test_officer import PIN, picture

pytestmark = pytest.mark.browser

KEPT = "caches.open('officer-1').then(c => c.match(location.pathname)).then(Boolean)"


@pytest.fixture
def sent(a_ticket: Callable[..., Sent]) -> Sent:
    """A ticket at PUPR."""
    return a_ticket(1)


@pytest.fixture
def phone(tab: Callable[..., Page], sent: Sent) -> Page:
    """The officer's page, opened once while there was a network, and ready for none."""
    page = tab(width=320, height=700)
    page.goto(f"/p/{sent.token}")
    eventually(page, "document.body.dataset.ready === '1'")
    eventually(page, KEPT)
    return page


def _fill_in(page: Page) -> None:
    page.locator("summary", has_text="Laporan penanganan").click()
    page.fill("#report", "Lubang ditambal.")
    page.set_input_files("#photos", [_photo(n) for n in range(2)])
    _type_pin(page)
    expect(page.locator("#photos-list li")).to_have_count(2)
    eventually(
        page, "box.draft(location.pathname + '#report').then(d => d.files.photos.length === 2)"
    )


def _type_pin(page: Page) -> None:
    page.fill("#pin", PIN)
    page.fill("#pin_again", PIN)


def _photo(n: int) -> FilePayload:
    return FilePayload(name=f"{n}.jpg", mimeType="image/jpeg", buffer=picture((640 + n, 480)))


def _becomes(page: Page, script: str) -> None:
    """Wait until `script` is true, on whatever page of its own accord the officer's page shows."""
    for _ in range(100):
        with suppress(Error):  # it is just being loaded anew
            if page.evaluate(script):
                return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {script}")


def _count(wired: Wiring, table: type) -> int:
    with wired.store.read() as db:
        return db.scalar(select(func.count()).select_from(table)) or 0


def test_a_draft_survives_a_reload_without_a_network_and_is_sent_once(
    phone: Page, wired: Wiring, sent: Sent
) -> None:
    phone.context.set_offline(True)
    _fill_in(phone)
    phone.reload()
    eventually(phone, "document.body.dataset.ready === '1'")
    expect(phone.locator("#report")).to_have_value("Lubang ditambal.")
    expect(phone.locator("#photos-list li")).to_have_count(2)
    expect(phone.locator("#box")).to_have_text("Yang belum dikirim masih ada.")
    expect(phone.locator("#pin")).to_have_value("")  # a draft never holds it
    _type_pin(phone)
    phone.get_by_role("button", name="Kirim laporan ke pimpinan").click()
    expect(phone.locator("#box")).to_contain_text("Dikirim sendiri begitu ada jaringan")
    assert axe(phone) == []
    shot(phone, "officer-320-offline")
    phone.reload()
    expect(phone.locator("#box")).to_contain_text("Dikirim sendiri begitu ada jaringan")
    assert _count(wired, HandlingReport) == 0
    phone.context.set_offline(False)
    expect(phone.get_by_text("Tersimpan. Terima kasih.")).to_be_visible()
    phone.reload()
    assert phone.evaluate("box.waiting()") == []
    assert _count(wired, HandlingReport) == 1
    assert _count(wired, Attachment) == 2
    with wired.store.read() as db:
        assert db.get_one(Ticket, sent.ticket_id).state is TicketState.HANDLED


def test_an_answer_that_is_lost_on_the_way_is_asked_for_again_and_counts_once(
    phone: Page, live: Live, wired: Wiring, sent: Sent
) -> None:
    """The server took it, the telephone never heard so."""
    act, lost = live.app.view_functions["officer.act"], []

    @wraps(act)
    def silent(**values: str) -> object:
        act(**values)
        lost.append(values["verb"])
        return "", 502

    live.app.view_functions["officer.act"] = silent
    phone.get_by_text("Tanggapi", exact=True).click()
    phone.fill("#response", "Besok ditambal.")
    phone.get_by_role("button", name="Kirim tanggapan").click()
    expect(phone.locator("#box")).to_contain_text("Dikirim sendiri begitu ada jaringan")
    assert set(lost) == {"respond"}  # the worker tries again by itself
    live.app.view_functions["officer.act"] = act
    phone.reload()
    expect(phone.get_by_text("Tepat waktu")).to_be_visible()
    _becomes(phone, "box.waiting().then(items => items.length === 0)")
    # The repeat is no mistake of the officer's: nothing comes back into the form.
    _becomes(phone, "box.draft(location.pathname + '#respond').then(kept => !kept)")
    expect(phone.locator("#box")).to_be_hidden()
    with wired.store.read() as db:
        rows = db.scalars(select(History).where(History.verb == "respond")).all()
    assert len(rows) == 1


def test_what_the_server_refuses_comes_back_into_its_form(phone: Page, wired: Wiring) -> None:
    phone.context.set_offline(True)
    _fill_in(phone)
    phone.fill("#done_at", "2020-01-01T10:00")
    phone.get_by_role("button", name="Kirim laporan ke pimpinan").click()
    expect(phone.locator("#box")).to_contain_text("begitu ada jaringan")
    phone.context.set_offline(False)
    expect(phone.locator("#box")).to_have_text("Isi kapan pekerjaan selesai.")
    expect(phone.locator("#done_at")).to_have_attribute("aria-invalid", "true")
    expect(phone.locator("#report")).to_have_value("Lubang ditambal.")
    expect(phone.locator("#photos-list li")).to_have_count(2)
    assert _count(wired, HandlingReport) == 0


def test_a_page_from_the_shelf_keeps_its_policy(phone: Page) -> None:
    phone.context.set_offline(True)
    answer = phone.reload()
    assert answer is not None
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    expect(phone.get_by_text("Jalan rusak")).to_be_visible()
