"""The map at the desk: a pin by mouse, keys and text; nothing is loaded before it is opened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect

from callcenter.domain.position import Position
from callcenter.store.models import Complaint
from callcenter.wiring import Wiring
from tests.web.conftest import ROOT, Closing, Filer, Sent, axe, build, enter, eventually, shot
from tests.web.test_correspondence import Tab

HERE = "-8.45410, 115.35440"


def test_the_officer_gets_the_pin_as_a_link_and_in_words(
    client: FlaskClient, wired: Wiring, a_ticket: Callable[..., Sent]
) -> None:
    sent = a_ticket()
    page = client.get(f"/p/{sent.token}").text
    assert "geo:" not in page
    with wired.store.write() as db:
        complaint = db.get_one(Complaint, sent.complaint_id)
        complaint.latitude, complaint.longitude = -8.4541, 115.3544
    page = client.get(f"/p/{sent.token}").text
    assert 'href="geo:-8.45410,115.35440">8,45410° LS, 115,35440° BT</a>' in page
    assert "query=-8.45410%2C%20115.35440" in page


def test_only_the_page_with_the_map_may_load_tiles(
    wired: Wiring, file_call: Filer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from callcenter.web import create_app

    def policies(made: Wiring) -> list[str]:
        app = create_app(made)
        app.test_client_class = Closing
        operator = enter(app.test_client(), "operator")
        pages = (f"/complaints/{complaint_id}", "/complaints")
        return [operator.get(page).headers["Content-Security-Policy"] for page in pages]

    complaint_id = file_call(1)
    assert all("img-src 'self';" in policy for policy in policies(wired))
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    tiles = "  map: {tiles: 'https://tiles.example:8443/{z}/{x}/{y}.png', credit: '<b>'}\n"
    folder = wired.config.storage.state.parent
    made = build(folder, text.replace("\ndesk:\n", f"\ndesk:\n{tiles}"))
    desk, elsewhere = policies(made)
    made.store.engine.dispose()
    assert "img-src 'self' https://tiles.example:8443;" in desk
    assert "img-src 'self';" in elsewhere


# ---------------------------------------------------------------- in a browser


@pytest.mark.browser
def test_the_pin_by_keys_by_text_and_by_mouse(
    page_as: Tab, wired: Wiring, file_call: Filer
) -> None:
    page = page_as("operator")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    complaint_id = file_call(1)
    page.goto(f"/complaints/{complaint_id}")
    expect(page.locator("#map-box summary")).to_be_visible()
    assert not any("leaflet" in url for url in asked)
    page.keyboard.press("Alt+m")
    eventually(page, "document.getElementById('map').dataset.ready === 'yes'")
    expect(page.locator("#map")).to_be_focused()
    page.keyboard.press("ArrowUp")
    first = page.input_value("#position")
    page.keyboard.press("Shift+ArrowRight")
    second = page.input_value("#position")
    assert float(second.split(",")[1]) > float(first.split(",")[1])
    assert second.split(",")[0] == first.split(",")[0]
    page.keyboard.press("+")
    page.locator("#map").click(position={"x": 60, "y": 200})
    assert page.input_value("#position") != second
    page.fill("#position", HERE)
    page.locator("#position").blur()
    expect(page.locator("#map .pin")).to_be_visible()
    assert axe(page) == []
    page.locator("#map-box").scroll_into_view_if_needed()
    shot(page, "map")
    page.get_by_role("button", name="Simpan", exact=True).click()
    expect(page.get_by_text("Tersimpan.", exact=True)).to_be_visible()
    expect(page.locator("#position")).to_have_value(HERE)
    with wired.store.read() as db:
        assert db.get_one(Complaint, complaint_id).position == Position(-8.4541, 115.3544)
    page.locator("#map-box summary").click()
    expect(page.locator("#map .pin")).to_be_visible()
    page.get_by_role("button", name="English").click()
    page.emulate_media(color_scheme="dark")
    page.locator("#map-box summary").click()
    eventually(page, "document.getElementById('map').dataset.ready === 'yes'")
    page.locator("#map-box").scroll_into_view_if_needed()
    assert axe(page) == []
    shot(page, "map-dark")


@pytest.mark.browser
def test_a_location_by_whatsapp_is_the_pin(page_as: Tab, wired: Wiring, file_call: Filer) -> None:
    from callcenter.store.inbound_models import InboundMessage

    with wired.store.write() as db:
        db.add(
            InboundMessage(
                provider_id="SM1",
                channel="whatsapp",
                sender="+6281234567801",
                body="",
                latitude=-8.4541,
                longitude=115.3544,
                received_at=datetime.now(UTC),
                result="stranger",
            )
        )
    page = page_as("operator")
    page.goto("/?tab=messages")
    expect(page.locator(".messages")).to_contain_text("Lokasi")
    page.get_by_role("button", name="Jadikan aduan").click()
    expect(page.locator("#position")).to_have_value(HERE)
