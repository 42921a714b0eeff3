"""The whole way, once, for real: a phone call becomes a ticket that an agency answers.

`aduan24 up` in a folder of its own, its demonstration call over real SIP, and people in a real
browser: operator, officer on a phone, head of the agency. A picture of every page is kept in
test-artifacts/way/, which git ignores.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserType, FilePayload, Page, expect

from callcenter.config.template import rendered
from tests.running import ROOT, Up, free_block, until
from tests.web.conftest import CHROMIUM, axe, eventually, executable
from tests.web.test_officer import picture

pytestmark = [pytest.mark.line, pytest.mark.browser, pytest.mark.timeout(300)]

SHOTS = ROOT / "test-artifacts" / "way"


@pytest.fixture(scope="module")
def browser(chromium: BrowserType) -> Iterator[Browser]:
    """The machine's own Chromium."""
    with chromium.launch(executable_path=executable(), args=list(CHROMIUM)) as started:
        yield started


@pytest.fixture
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A first start on an empty folder, with its demonstration call."""
    folder = tmp_path_factory.mktemp("way")
    (folder / "config.yaml").write_text(rendered(free_block()), encoding="utf-8")
    run = Up(folder)
    yield run
    if run.process.poll() is None:
        run.process.kill()
        run.process.wait()
    until(lambda: not run.left(), 15, lambda: str(run.left()))


class Walk:
    """Tabs of one deployment, and the pictures that are taken on the way."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._count = 0

    def tab(self, *, phone: bool = False) -> Page:
        """A fresh browser: a desk's screen, or a telephone's."""
        width, height = (360, 740) if phone else (1366, 768)
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            locale="id-ID",
            base_url=self._url,
            has_touch=phone,
        )
        return context.new_page()

    def signed_in(self, up: Up, username: str) -> Page:
        """With the password that the first start printed."""
        found = re.search(rf"sign in as {username}\s+(\S+)", up.said)
        assert found, up.said
        page = self.tab()
        page.goto("/sign-in")
        if username == "operator":
            self.shot(page, "sign-in")
        page.fill("#username", username)
        page.fill("#password", found[1])
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    def shot(self, page: Page, name: str) -> None:
        """A picture of the page as it is now; the page must be free of accessibility faults."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self._count += 1
        page.screenshot(path=str(SHOTS / f"{self._count:02d}-{name}.png"), full_page=True)
        assert axe(page) == [], name


def _url(folder: Path) -> str:
    found = re.search(r"(?m)^  public_url: (\S+)", (folder / "config.yaml").read_text())
    assert found
    return found[1]


def test_from_the_new_call_to_the_delivered_report(up: Up, browser: Browser) -> None:
    walk = Walk(browser, _url(up.folder))
    up.waits_for("READY", 60)
    desk = walk.signed_in(up, "operator")
    expect(desk.get_by_text("Tidak ada yang menunggu di sini.")).to_be_visible()
    walk.shot(desk, "inbox-empty")

    up.waits_for("filed as complaint", 180)
    number = _demonstrated(up)
    row = desk.get_by_role("link", name=number)
    expect(row).to_be_visible(timeout=5000)  # the open inbox shows it by itself
    walk.shot(desk, "inbox-new-call")

    _write_down_and_dispatch(walk, desk, row)
    walk.shot(desk, "desk-dispatched")

    supervisor = walk.signed_in(up, "supervisor")
    officer = _officer_answers(walk, _link(supervisor, walk, "I Ketut Lestari"))
    walk.shot(officer, "officer-reported")
    until(lambda: "✉" in up.said, 10)  # in the sample set-up notices are shown in the terminal

    head = _open(walk, _link(supervisor, walk, "I Made Widiani"))
    expect(head.get_by_text("Dua lampu diganti.")).to_be_visible()
    expect(head.get_by_role("img")).to_have_count(1)
    walk.shot(head, "head-report")

    _citizen_is_asked(walk, desk)
    (complaint,) = up.facts("complaints", "list")
    assert (complaint["state"], complaint["outcome"]) == ("closed", "solved")
    (ticket,) = up.facts("tickets", "list")
    assert (ticket["state"], ticket["standing"]) == ("closed", "met")
    assert up.end(signal.SIGTERM) == 0
    assert up.left() == []
    _starts_again(up.folder)


def _demonstrated(up: Up) -> str:
    """What the first start told of its call is so; the number as the console writes it."""
    assert "heard: the welcome and the consent" in up.said
    assert "heard: the public number" in up.said
    for user in ("operator", "supervisor", "admin", "petugas"):
        assert f"sign in as {user}" in up.said
    assert (up.folder / "var/sample-sign-ins.txt").stat().st_mode & 0o777 == 0o600
    filed = re.search(r"filed as complaint (\d{8})", up.said)
    assert filed
    (complaint,) = up.facts("complaints", "list")
    assert complaint["number"] == filed[1]
    call = up.facts("calls", "show", "1")
    assert (call["number_heard"], call["mode"]) == (True, "app")
    assert call["speech_seconds"] > 5
    return " ".join(filed[1][at : at + 2] for at in range(0, 8, 2))


def _starts_again(folder: Path) -> None:
    """Soon, and without a second demonstration: the database is not empty any more."""
    again = Up(folder)
    try:
        assert again.waits_for("READY", 30) < 15  # measured 5 s alone; other tests run beside it
        assert "sign in as operator" in again.said
        assert "phoning" not in again.said
        assert again.end(signal.SIGINT) == 0
        assert again.left() == []
    finally:
        again.process.kill()
        until(lambda: not again.left(), 15, lambda: str(again.left()))


def _write_down_and_dispatch(walk: Walk, desk: Page, row: object) -> None:
    """Listen, transcribe, categorise, choose the place, dispatch."""
    row.click()  # type: ignore[attr-defined]
    desk.wait_for_url("**/complaints/*")  # until its scripts are there
    audio = "document.querySelector('audio')"
    desk.evaluate(f"{audio}.play()")
    eventually(desk, f"{audio}.currentTime > 0.2")
    desk.evaluate(f"{audio}.currentTime = 5")
    eventually(desk, f"{audio}.currentTime >= 5")
    desk.fill("#transcript", "Lampu jalan di depan Pasar Kintamani mati sejak tiga hari.")
    desk.select_option("#category_key", "street_light")
    expect(desk.locator("#agency_key")).to_have_value("dishub")
    desk.fill("#village_code-find", "Kintamani")
    desk.keyboard.press("Enter")
    desk.fill("#place_note", "Depan Pasar Kintamani")
    desk.fill("#order", "Periksa dan ganti lampunya.")
    walk.shot(desk, "desk-written-down")
    desk.get_by_role("button", name="Simpan dan teruskan").click()
    expect(desk.get_by_text("Tersimpan dan diteruskan.")).to_be_visible()
    countdown = desk.locator("[role=timer]").first
    expect(countdown).to_contain_text("23:59:")


def _link(supervisor: Page, walk: Walk, name: str) -> str:
    """The signed link that this person was sent, from the messages page."""
    supervisor.goto("/messages")
    link = supervisor.get_by_role("link", name=f"Buka halaman {name}").first
    for _ in range(100):
        if link.count() and supervisor.locator("tr", has_text=name).first.locator(".ok").count():
            break
        time.sleep(0.1)
        supervisor.reload()
    walk.shot(supervisor, f"messages-{name.rsplit(maxsplit=1)[-1].lower()}")
    return link.get_attribute("href") or ""


def _open(walk: Walk, link: str) -> Page:
    page = walk.tab(phone=True)
    page.goto(link)
    return page


def _officer_answers(walk: Walk, link: str) -> Page:
    """On a telephone: accept, respond, file the report with a photo."""
    page = _open(walk, link)
    expect(page.get_by_text("Periksa dan ganti lampunya.")).to_be_visible()
    walk.shot(page, "officer-new")
    page.get_by_role("button", name="Terima tugas ini").click()
    expect(page.get_by_text("Tersimpan. Terima kasih.")).to_be_visible()
    walk.shot(page, "officer-accepted")
    page.get_by_text("Tanggapi", exact=True).click()
    page.fill("#response", "Petugas berangkat siang ini.")
    page.get_by_role("button", name="Kirim tanggapan").click()
    expect(page.get_by_text("Tepat waktu")).to_be_visible()
    walk.shot(page, "officer-responded")
    page.locator("summary", has_text="Laporan penanganan").click()
    page.fill("#report", "Dua lampu diganti.")
    photo = FilePayload(name="lampu.jpg", mimeType="image/jpeg", buffer=picture())
    page.set_input_files("#photos", [photo])
    page.fill("#pin", "2580")
    page.fill("#pin_again", "2580")
    walk.shot(page, "officer-report")
    page.get_by_role("button", name="Kirim laporan ke pimpinan").click()
    expect(page.get_by_role("img")).to_have_count(1)
    return page


def _citizen_is_asked(walk: Walk, desk: Page) -> None:
    expect(desk.get_by_role("button", name="Sudah ditanya")).to_be_visible(timeout=5000)
    desk.get_by_role("button", name="Sudah ditanya").click()
    desk.get_by_role("button", name="Selesai", exact=True).click()
    expect(desk.get_by_text("Selesai menurut warga").first).to_be_visible()
    walk.shot(desk, "desk-closed")
    for name in ("tickets?tab=done", "tickets/1", "calls", "calls/1"):
        desk.goto(f"/{name}")
        walk.shot(desk, re.sub(r"\W+", "-", name))
