"""The desk in a real browser: by keyboard, with the ears on the recording and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from callcenter.store.models import Complaint
from callcenter.wiring import Wiring
from tests.web.conftest import Filer, Live, axe, eventually, shot
from tests.web.test_counter import wrote

pytestmark = pytest.mark.browser

Tab = Callable[..., Page]
TEXT = "#transcript"


def kept(page: Page) -> None:
    """Wait until the server has what is typed."""
    eventually(page, "document.querySelector('form[data-draft]').dataset.kept === 'yes'")


class Keyboard:
    """Counts what is pressed beside the text itself."""

    def __init__(self, page: Page) -> None:
        self._page, self.pressed = page, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)
            self.pressed += 1

    def write(self, text: str) -> None:
        """The text of the complaint: not counted."""
        self._page.keyboard.type(text)


def test_from_the_recording_to_the_ticket_with_the_keyboard_alone(
    page_as: Tab, wired: Wiring, file_call: Filer
) -> None:
    older, younger = file_call(1, ago=timedelta(minutes=9)), file_call(2)
    page = page_as("operator")
    keys = Keyboard(page)
    keys.press("Alt+n")
    page.wait_for_url(f"**/complaints/{older}")
    keys.press("Alt+t", "Alt+p")
    eventually(page, "document.querySelector('audio').currentTime > 0.5")
    keys.press("Alt+j", "Alt+,")
    keys.write("Jalan di depan Pasar Kidul berlubang, tadi malam ada yang jatuh.")
    keys.press("Alt+k", "J", "a", "l")
    keys.press("Alt+v", "k", "a", "w", "Enter")
    keys.press("Tab")
    keys.write("Depan Pasar Kidul")
    keys.press("Tab")
    keys.write("I Wayan Contoh")
    keys.press("Alt+o")
    keys.write("Periksa dan tambal.")
    keys.press("Alt+Enter")
    page.wait_for_url(f"**/complaints/{younger}")
    print(f"\nfrom the inbox to the ticket: {keys.pressed} keys beside the text")
    assert keys.pressed <= 25
    with wired.store.read() as db:
        sent = db.get_one(Complaint, older)
        (ticket,) = sent.tickets
        assert (sent.category_key, sent.village_code) == ("road_damage", "51.06.02.1004")
        assert (sent.place_note, sent.reporter_name) == ("Depan Pasar Kidul", "I Wayan Contoh")
        assert (ticket.agency_key, ticket.order) == ("pupr", "Periksa dan tambal.")


# ---------------------------------------------------------------- typing


def test_what_is_typed_survives_a_closed_tab_until_it_is_saved(
    page_as: Tab, file_call: Filer
) -> None:
    complaint_id = file_call(1)
    page = page_as("operator")
    page.goto(f"/complaints/{complaint_id}")
    page.locator(TEXT).press_sequentially("Belum disimpan")
    kept(page)
    page.close()
    page = page_as("operator")
    page.goto(f"/complaints/{complaint_id}")
    expect(page.locator(TEXT)).to_have_value("Belum disimpan")
    expect(page.locator("#draft")).to_be_visible()
    page.get_by_role("button", name="Simpan", exact=True).click()
    expect(page.get_by_text("Tersimpan.", exact=True)).to_be_visible()
    expect(page.locator("#draft")).to_be_hidden()
    expect(page.locator(TEXT)).to_have_value("Belum disimpan")


def test_a_reload_in_mid_word_and_a_server_that_is_away_lose_nothing(
    page_as: Tab, file_call: Filer
) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.route("**/draft", lambda route: route.abort())
    page.locator(TEXT).press_sequentially("Tanpa server")
    expect(page.locator("#kept")).to_contain_text("Belum sampai ke server")
    page.reload()
    expect(page.locator(TEXT)).to_have_value("Tanpa server")
    page.unroute("**/draft")
    kept(page)
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.locator(TEXT)).to_have_value("Tanpa server")


def test_a_second_tab_is_told_and_decides(page_as: Tab, file_call: Filer) -> None:
    complaint_id = file_call(1)
    first, second = page_as("operator"), page_as("operator")
    for page in (first, second):
        page.goto(f"/complaints/{complaint_id}")
    first.locator(TEXT).press_sequentially("Pertama")
    kept(first)
    second.locator(TEXT).press_sequentially("Kedua")
    expect(second.locator("#second")).to_contain_text("Tab Anda yang lain")
    second.get_by_role("button", name="Pakai ketikan di sini").click()
    kept(second)
    with first.expect_response(lambda answer: "lagi" in (answer.request.post_data or "")):
        first.locator(TEXT).press_sequentially(" lagi")
    expect(first.locator("#second")).to_be_visible()
    second.reload()
    expect(second.locator(TEXT)).to_have_value("Kedua")
    expect(second.get_by_text("Pertama lagi")).to_be_visible()


def test_a_take_over_is_told_to_who_is_typing(page_as: Tab, file_call: Filer) -> None:
    complaint_id = file_call(1)
    first, second = page_as("operator"), page_as("operator2")
    first.goto(f"/complaints/{complaint_id}")
    second.goto(f"/complaints/{complaint_id}")
    expect(second.locator(TEXT)).to_be_disabled()
    second.get_by_role("button", name="Ambil alih").click()
    expect(second.locator(TEXT)).to_be_enabled()
    first.locator(TEXT).press_sequentially("Saya masih di sini")
    expect(first.locator("#second")).to_contain_text("operator2 mengerjakan")


def test_who_only_looks_puts_it_back_when_leaving(page_as: Tab, file_call: Filer) -> None:
    complaint_id = file_call(1)
    page = page_as("supervisor")
    page.goto(f"/complaints/{complaint_id}")
    page.goto("/")
    other = page_as("operator")
    other.goto(f"/complaints/{complaint_id}")
    expect(other.locator(TEXT)).to_be_enabled()
    other.goto("/")
    page.goto(f"/complaints/{complaint_id}")
    page.locator(TEXT).press_sequentially("Saya kerjakan")
    kept(page)
    page.goto("/")
    expect(page.get_by_text("di meja Anda")).to_be_visible()


# ---------------------------------------------------------------- listening


def test_the_recording_obeys_keys_while_typing(page_as: Tab, file_call: Filer) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.locator(TEXT).focus()
    page.keyboard.press("Alt+Comma")
    page.keyboard.press("Alt+Comma")
    page.keyboard.press("Alt+p")
    eventually(page, "document.querySelector('audio').currentTime > 0.1")
    assert page.evaluate("document.querySelector('audio').playbackRate") == 0.5
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(2.0, abs=0.05)
    page.keyboard.press("F8")
    eventually(page, "document.querySelector('audio').paused")
    page.keyboard.press("Alt+l")
    eventually(page, "document.querySelector('audio').currentTime >= 1.9")
    page.keyboard.press("Alt+j")
    eventually(page, "document.querySelector('audio').currentTime < 0.1")
    expect(page.locator(TEXT)).to_have_value("")


def test_typing_pauses_rolls_back_and_goes_on(page_as: Tab, file_call: Filer) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.evaluate(
        """window.seen = []; const a = document.querySelector('audio');
        for (const name of ['pause', 'play']) a.addEventListener(name, () =>
            window.seen.push([name, a.currentTime]))"""
    )
    page.locator(TEXT).focus()
    page.keyboard.press("Alt+p")
    eventually(page, "document.querySelector('audio').currentTime > 1.1")
    page.keyboard.type("P")
    eventually(page, "window.seen.length === 3 || window.seen.at(-1)[0] === 'play'")
    eventually(page, "window.seen.filter(s => s[0] === 'play').length === 2")
    paused, resumed = page.evaluate("window.seen.slice(1, 3)")
    assert (paused[0], resumed[0]) == ("pause", "play")
    assert resumed[1] < 1.1  # a second earlier than where it stopped


def test_the_place_in_a_recording_is_remembered(page_as: Tab, file_call: Filer) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.keyboard.press("Alt+p")
    eventually(page, "document.querySelector('audio').currentTime > 0.7")
    page.keyboard.press("Alt+p")
    page.reload()
    page.keyboard.press("Alt+p")
    eventually(page, "document.querySelector('audio').currentTime > 0.6")


# ---------------------------------------------------------------- choosing


@pytest.mark.parametrize(
    ("typed", "village"),
    [
        ("kaw", "Kawan"),
        ("batur sel", "Batur Selatan"),
        ("kayubihi", "Kayubihi"),
        ("kajubii", "Kayubihi"),
        ("pangotan", "Pengotan"),
        ("sonngan", "Songan A"),
        ("trunjan", "Terunyan"),
    ],
)
def test_a_village_is_found_by_a_few_letters_however_they_are_spelt(
    page_as: Tab, file_call: Filer, typed: str, village: str
) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.keyboard.press("Alt+v")
    page.keyboard.type(typed)
    assert village in (page.locator("#village_code-list li").all_inner_texts()[0])
    page.keyboard.press("Enter")
    chosen = page.evaluate("document.querySelector('#village_code').selectedOptions[0].textContent")
    assert chosen == village


def test_words_that_mean_danger_are_marked_and_one_key_makes_it_urgent(
    page_as: Tab, file_call: Filer
) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.locator(TEXT).press_sequentially("Ada kebakaran, apinya besar. Rapi sekali.")
    assert page.locator(".marked mark").all_inner_texts() == ["kebakaran", "apinya"]
    expect(page.locator("#danger")).to_contain_text("kebakaran")
    page.keyboard.press("Alt+u")
    expect(page.get_by_label("Darurat", exact=True)).to_be_checked()
    expect(page.locator("#danger")).to_be_hidden()


def test_a_ready_order_is_inserted(page_as: Tab, file_call: Filer) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.select_option("#answer", label="Periksa lokasi")
    expect(page.locator("#order")).to_have_value("Periksa lokasi dan laporkan hasilnya.")


def test_the_card_of_keys(page_as: Tab, file_call: Filer) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(TEXT).press_sequentially("Mengapa?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Alt+/")
    expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_inbox_desk_and_counter_are_accessible(
    page_as: Tab, wired: Wiring, file_call: Filer, dark: bool, language: str
) -> None:
    free, taken = file_call(1, kinds=("complaint", "name", "village")), file_call(2)
    wrote(wired, "Rumah terbakar!")
    wrote(wired, "Lampu mati")
    other = page_as("operator2")
    other.goto(f"/complaints/{taken}")
    other.locator(TEXT).press_sequentially("Ada kebakaran")
    kept(other)
    page = page_as("operator", dark=dark)
    if language == "en":
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    for path in ("/", "/?tab=messages", "/complaints/new", f"/complaints/{taken}"):
        page.goto(path)
        assert axe(page) == [], path
        shot(page, f"{'dark' if dark else 'light'}-{language}{path.replace('/', '-')}")
    page.goto(f"/complaints/{free}")
    page.locator(TEXT).press_sequentially("Ada kebakaran")
    page.fill("#village_code-find", "bat")
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+/")
    assert axe(page) == []


def test_a_tablet_has_room_for_the_desk(page_as: Tab, file_call: Filer) -> None:
    page = page_as("operator", width=820, height=1180)
    page.goto(f"/complaints/{file_call(1)}")
    wider = "document.documentElement.scrollWidth - window.innerWidth"
    assert page.evaluate(wider) <= 0
    assert page.locator(TEXT).bounding_box()["width"] > 350  # type: ignore[index]


def test_the_page_of_the_desk_is_light(page_as: Tab, file_call: Filer, live: Live) -> None:
    page = page_as("operator")
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"/complaints/{file_call(1)}")
    eventually(page, "document.querySelectorAll('.wave canvas').length === 1")
    expect(page.locator("#village_code-find")).to_be_visible()
    sounds = {url for url in asked if url.endswith((".wav", "/events"))}
    weight = sum(len(page.request.get(url).body()) for url in asked - sounds)
    print(f"\nthe desk's page: {weight / 1000:.0f} KB in {len(asked - sounds)} requests")
    assert 100_000 < weight < 300_000
    assert all(url.startswith(live.url) for url in asked)
