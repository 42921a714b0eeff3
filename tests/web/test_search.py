"""The list of complaints: one box, filters in the address, saved views, keys; in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from callcenter.domain.complaint import ComplaintState
from callcenter.store.models import Complaint
from callcenter.wiring import Wiring
from ivr.numbers import make_number
from tests.web.conftest import Sent, axe, post, shot

Tab = Callable[..., Page]
As = Callable[[str], FlaskClient]


def _many(wired: Wiring, count: int) -> None:
    """Complaints about street lights, from serial 1000 on."""
    with wired.store.write() as db:
        for number in range(count):
            db.add(
                Complaint(
                    public_number=make_number(1000 + number),
                    state=ComplaintState.RECEIVED,
                    channel="walk_in",
                    received_at=datetime.now(UTC),
                    transcript=f"Lampu jalan mati nomor {number}",
                    category_key="street_light",
                )
            )


def _asked(client: FlaskClient, **typed: str) -> str:
    """The address that a search leads to."""
    answer = post(client, "/complaints/search", page="/complaints", **typed)
    assert answer.status_code == 303
    return answer.headers["Location"]


def test_a_search_becomes_an_address_without_empty_parts(as_user: As, a_ticket: Sent) -> None:
    client = as_user("operator")
    address = _asked(client, q=" pasar  kidul ", state="", category="road_damage")
    assert address == "/complaints?q=pasar+kidul&category=road_damage"
    sent = a_ticket(1)
    page = client.get(address).text
    assert f'href="/complaints/{sent.complaint_id}"' in page
    assert 'value="pasar kidul"' in page
    assert "1 aduan" in page


def test_a_telephone_never_stands_in_an_address_and_is_masked(
    as_user: As, a_ticket: Callable[..., Sent], audits: Callable[[str], int]
) -> None:
    sent, client = a_ticket(1), as_user("operator")
    address = _asked(client, q="0812-3456-789")
    assert address == f"/complaints?same={sent.complaint_id}"
    assert client.get("/complaints?q=08123456789").headers["Location"] == address
    assert audits("searched_by_telephone") == 2
    page = client.get(address).text
    assert "•••789" in page
    assert "3456789" not in page
    assert (
        "Tidak ada aduan dari nomor telepon itu"
        in client.get(_asked(client, q="081111111111")).text
    )


def test_an_officer_finds_the_own_agencys_and_opens_the_ticket(
    as_user: As, a_ticket: Callable[..., Sent]
) -> None:
    own, other = a_ticket(1), a_ticket(2, agency="bpbd")
    client = as_user("officer")
    page = client.get("/complaints").text
    assert f'href="/tickets/{own.ticket_id}"' in page
    assert f"c{other.complaint_id}" not in page
    assert "/complaints/1" not in page
    assert "Contoh" not in page
    for hidden in ("contoh", "08123456789", make_number(2)):
        assert f'href="/tickets/{own.ticket_id}"' not in client.get(f"/complaints?q={hidden}").text
    assert "tidak dapat dicari" in client.get("/complaints?q=08123456789").text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "Belum ada aduan."),
        ("?q=yang", "Kata ini ada di hampir setiap aduan"),
        ("?q=10000013", "Tidak ada nomor seperti ini"),
        ("?q=jalan", "Tidak ada aduan yang cocok"),
        ("?state=closed", "Hapus satu saringan"),
        ("?state=x&zone=1", "tidak dikenal dan diabaikan: state."),
        ("?before=99999999999999999999", "diabaikan: before"),
        ("?q=%00%22*'", "Kata ini ada di hampir setiap aduan"),
        ("?q=%FF%FE<script>", "Tidak ada aduan yang cocok"),
    ],
)
def test_an_empty_list_says_why(as_user: As, address: str, words: str) -> None:
    page = as_user("operator").get(f"/complaints{address}").text
    assert words in page
    assert "<script>&" not in page


def test_pages_go_both_ways_and_counts_are_capped(as_user: As, wired: Wiring) -> None:
    _many(wired, 1051)
    client = as_user("operator")
    first = client.get("/complaints?q=lampu+mati").text
    assert "1.000+ aduan" in first
    assert 'rel="prev"' not in first
    assert 'href="/complaints?before=1002&amp;q=lampu+mati"' in first
    second = client.get("/complaints?before=1002&q=lampu+mati").text
    assert 'href="/complaints?after=1001&amp;q=lampu+mati"' in second
    back = client.get("/complaints?after=1001&q=lampu+mati").text
    assert 'id="c1051"' in back
    assert 'rel="prev"' not in back
    assert "12 aduan" not in client.get("/complaints?q=nomor+1050").text
    assert "1 aduan" in client.get("/complaints?q=nomor+1050").text


def test_a_view_is_kept_shared_and_dropped(as_user: As) -> None:
    mine, colleague = as_user("operator"), as_user("operator2")
    kept = {"name": "Pagi ini", "query": "q=jalan&state=open&before=3&evil=1", "shared": "1"}
    answer = post(mine, "/views", page="/complaints", **kept)
    assert answer.headers["Location"] == "/complaints?q=jalan&state=open"
    assert 'href="/complaints?q=jalan&amp;state=open"' in mine.get("/complaints").text
    assert "dari operator" in colleague.get("/complaints").text
    assert "Pagi ini" not in as_user("supervisor").get("/complaints").text
    assert post(colleague, "/views/1/drop", page="/complaints").status_code == 404
    post(mine, "/views/1/drop", page="/complaints")
    assert "Pagi ini" not in mine.get("/complaints").text


@pytest.mark.browser
def test_the_list_goes_by_keyboard(page_as: Tab, wired: Wiring) -> None:
    _many(wired, 53)
    page = page_as("operator")
    page.goto("/complaints")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("lampu")
    page.keyboard.press("Enter")
    page.wait_for_url("**/complaints?q=lampu")
    page.keyboard.press("j")
    expect(page.locator("#c53")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#c52")).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator("#c53")).to_be_focused()
    page.keyboard.press("n")
    page.wait_for_url("**/complaints?before=4&q=lampu")
    page.keyboard.press("p")
    page.wait_for_url("**/complaints?after=3&q=lampu")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.get_by_label("Tombol satu huruf aktif").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("#c53")).not_to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#c53")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/complaints/53")


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [(1366, 768), (820, 1180)], ids=["desk", "tablet"])
def test_the_search_is_accessible_in_both_languages(
    page_as: Tab,
    wired: Wiring,
    a_ticket: Callable[..., Sent],
    dark: bool,
    size: tuple[int, int],
) -> None:
    width, height = size
    _many(wired, 51)
    a_ticket(1)
    page = page_as("operator", dark=dark, width=width, height=height)
    page.goto("/complaints?q=jalan&state=open")
    page.get_by_text("Simpan tampilan ini").click()
    page.get_by_label("Nama tampilan").fill("Jalan, belum selesai")
    page.get_by_label("Bagikan").check()
    page.locator("#keep button").click()
    expect(page.get_by_role("navigation", name="Tampilan tersimpan")).to_be_visible()
    name = f"search-{'dark' if dark else 'light'}-{width}"
    for part, address in {
        "all": "/complaints",
        "found": "/complaints?q=jalan&state=open",
        "empty": "/complaints?q=nangka&window=late",
    }.items():
        page.goto(address)
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        shot(page, f"{name}-{part}")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Search")).to_be_visible()
    page.wait_for_load_state()  # the keys come with the script
    page.keyboard.press("?")
    expect(page.get_by_text("Keys in the list of complaints")).to_be_visible()
    assert axe(page) == []
    shot(page, f"{name}-keys")
