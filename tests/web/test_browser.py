"""The console in a real browser: accessible, nothing typed is lost, new calls by themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import FilePayload, Page, expect

from callcenter.wiring import Wiring
from tests.web.conftest import Filer, Live, Sent, axe, shot
from tests.web.test_calls_count import counted
from tests.web.test_officer import PIN, Link, picture

pytestmark = pytest.mark.browser

Tab = Callable[..., Page]

PAGES = (
    "/",
    "/?tab=silent",
    "/?tab=running",
    "/complaints",
    "/complaints/1",
    "/complaints/2",
    "/tickets",
    "/tickets/1",
    "/tickets/2",
    "/waiting",
    "/reports",
    "/calls",
    "/calls/1",
    "/messages",
    "/machinery",
    "/nothing-here",
)


@pytest.fixture
def busy(wired: Wiring, file_call: Filer, a_ticket: Callable[..., Sent]) -> Sent:
    """One late ticket, one in time, a new complaint, a silent call, two counts of last night."""
    counted(wired, 1204)
    counted(wired, 1203, node="pbx2")
    late = a_ticket(1, ago=timedelta(hours=25))
    a_ticket(2)
    file_call(3)
    file_call(4, kinds=())
    return late


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_of_the_console_is_accessible(page_as: Tab, busy: Sent, dark: bool) -> None:
    page = page_as("supervisor", dark=dark)
    for path in PAGES:
        page.goto(path)
        assert axe(page) == [], path
        assert _overflow(page) <= 0, path
        shot(page, f"{'dark' if dark else 'light'}{path.replace('/', '-').replace('?', '-')}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_without_a_sign_in_are_accessible(
    tab: Tab, busy: Sent, link_of: Link, dark: bool
) -> None:
    page = tab(width=320, height=700, dark=dark)
    head = link_of(busy.ticket_id, "pupr_head")
    for name, path in {
        "sign-in": "/sign-in",
        "officer": f"/p/{busy.token}",
        "head": f"/p/{head}",
        "gone": "/p/x",
    }.items():
        page.goto(path)
        for details in page.locator("details").all():
            details.evaluate("node => { node.open = true; }")
        assert axe(page) == [], name
        assert _overflow(page) <= 0, name
        shot(page, f"{'dark' if dark else 'light'}-320-{name}")


def _overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_a_new_call_appears_in_an_open_inbox(page_as: Tab, file_call: Filer) -> None:
    page = page_as("operator")
    expect(page.get_by_text("Tidak ada yang menunggu di sini.")).to_be_visible()
    complaint_id = file_call(1)
    expect(page.locator(f"#c{complaint_id}")).to_be_visible(timeout=2000)
    expect(page.locator("#say")).to_have_text("1 aduan baru menunggu")


def test_a_change_elsewhere_takes_nothing_from_who_is_typing(
    page_as: Tab, file_call: Filer
) -> None:
    complaint_id = file_call(1)
    page = page_as("operator")
    page.goto(f"/complaints/{complaint_id}")
    page.locator("#transcript").press_sequentially("Pohon tum")
    with page.expect_response(
        lambda r: "/complaints/" in r.url and r.request.headers.get("hx-request") == "true"
    ):
        file_call(2)
    page.keyboard.type("bang di jalan")
    expect(page.locator("#transcript")).to_have_value("Pohon tumbang di jalan")
    expect(page.locator("#transcript")).to_be_focused()


def test_the_category_proposes_agency_and_urgency(page_as: Tab, file_call: Filer) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.select_option("#category_key", "fire")
    expect(page.locator("#agency_key")).to_have_value("damkar")
    expect(page.locator("#why-agency")).to_contain_text("biasanya dijawab Pemadam Kebakaran")
    expect(page.get_by_label("Darurat", exact=True)).to_be_checked()


def test_the_countdown_ticks_and_a_late_ticket_is_red(page_as: Tab, busy: Sent) -> None:
    page = page_as("operator")
    page.goto("/tickets")
    late = page.locator("tr.hot .count")
    expect(late).to_have_class("count late")
    before = late.text_content()
    assert before is not None
    assert before.startswith("−01:00:")
    expect(late).not_to_have_text(before, timeout=3000)


def test_the_keyboard_alone_reaches_the_desk(page_as: Tab, file_call: Filer) -> None:
    complaint_id = file_call(1)
    page = page_as("operator")
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Langsung ke isi")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == f"c{complaint_id}":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#transcript")).to_be_visible()


def test_an_ended_session_says_so_and_keeps_the_typing(
    page_as: Tab, live: Live, file_call: Filer
) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.fill("#transcript", "Masih di sini")
    page.context.clear_cookies()
    with page.expect_response(lambda r: r.status == 401):
        file_call(2)
    expect(page.locator("#ended")).to_be_visible()
    expect(page.locator("#transcript")).to_have_value("Masih di sini")


def test_an_officer_without_scripts_does_everything(
    tab: Tab, a_ticket: Callable[..., Sent]
) -> None:
    sent = a_ticket(1)
    page = tab(width=320, height=700, scripts=False)
    page.goto(f"/p/{sent.token}")
    page.get_by_role("button", name="Terima tugas ini").click()
    expect(page.get_by_text("Tersimpan. Terima kasih.")).to_be_visible()
    page.get_by_text("Tanggapi", exact=True).click()
    page.fill("#response", "Besok ditambal.")
    page.get_by_role("button", name="Kirim tanggapan").click()
    expect(page.get_by_text("Tepat waktu")).to_be_visible()
    page.locator("summary", has_text="Laporan penanganan").click()
    page.fill("#report", "Sudah ditambal.")
    photo = FilePayload(name="a.jpg", mimeType="image/jpeg", buffer=picture())
    page.set_input_files("#photos", [photo])
    page.fill("#pin", PIN)
    page.fill("#pin_again", PIN)
    page.get_by_role("button", name="Kirim laporan ke pimpinan").click()
    expect(page.get_by_role("img")).to_have_count(1)
    shot(page, "officer-320-reported")
