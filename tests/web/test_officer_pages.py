"""Every page of an officer's telephone: small, whole on the narrowest screen, in both languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from tests.web.conftest import Live, Sent, axe, eventually, post, shot
from tests.web.test_officer import PIN, Link, picture, report_fields

pytestmark = pytest.mark.browser

LANGUAGES = ("id", "en")
WIDTHS = (320, 390)
MOST_BYTES = 60_000
#: What a thumb hits: buttons, links that stand alone, what unfolds, fields.
_SMALL = """() => [...document.querySelectorAll('button, .button, summary, input, textarea')]
  .filter(node => node.type !== 'hidden' && node.checkVisibility())
  .filter(node => node.type !== 'radio' && node.getBoundingClientRect().height < 44)
  .map(node => node.outerHTML.slice(0, 80))"""
_WIDER = """() => [...document.querySelectorAll('main *')]
  .filter(node => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1)
  .map(node => node.outerHTML.slice(0, 80))"""


@dataclass(frozen=True, slots=True)
class Agency:
    """Tokens of one agency's people: a new ticket, a late one that is reported, and its head."""

    fresh: str
    reported: str
    head: str

    @property
    def pages(self) -> dict[str, str]:
        """What an officer may open, by name; the lists are behind the PIN."""
        return {
            "ticket": f"/p/{self.fresh}",
            "reported": f"/p/{self.reported}",
            "head": f"/p/{self.head}",
            "pin": f"/p/{self.fresh}/tickets",
            "gone": "/p/x",
        }


@pytest.fixture
def agency(client: FlaskClient, a_ticket: Callable[..., Sent], link_of: Link) -> Agency:
    """PUPR with a ticket of now, and one that was answered late, with photos."""
    late = a_ticket(1, ago=timedelta(hours=26))
    fields = report_fields(picture((640, 480)), picture((480, 640)))
    url = f"/p/{late.token}"
    assert post(client, f"{url}/report", url, **fields).status_code == 302
    fresh = a_ticket(2)
    return Agency(fresh.token, late.token, link_of(late.ticket_id, "pupr_head"))


def _in(page: Page, language: str) -> None:
    """Show this browser the screens in that language."""
    page.goto("/p/x")
    if language == "en":
        page.get_by_role("button", name="English").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")


def _looks_right(page: Page, name: str) -> None:
    for details in page.locator("details").all():
        details.evaluate("node => { node.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
    assert page.evaluate(f"({_WIDER})()") == [], name
    assert page.evaluate(f"({_SMALL})()") == [], name
    assert axe(page) == [], name
    page.evaluate("scrollTo(0, 0)")
    shot(page, name, whole=True)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_whole_on_a_narrow_screen(
    tab: Callable[..., Page], agency: Agency, language: str, width: int
) -> None:
    page = tab(width=width, height=700)
    _in(page, language)
    for name, path in agency.pages.items():
        page.goto(path)
        _looks_right(page, f"officer-{width}-{language}-{name}")
    for name, token in {"team": agency.fresh, "heads": agency.head}.items():
        page.goto(f"/p/{token}/tickets")
        page.fill("#pin", PIN)
        if page.locator("#pin_again").count():
            page.fill("#pin_again", PIN)
        page.locator("main form button").first.click()
        expect(page.locator(".badge").first).to_be_visible()
        _looks_right(page, f"officer-{width}-{language}-{name}-list")


@contextmanager
def _counted(live: Live) -> Iterator[list[tuple[str, int]]]:
    """What the server sends meanwhile: path and bytes, headers included."""
    sent: list[tuple[str, int]] = []
    inner = live.app.wsgi_app

    def counting(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        head = 0

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal head
            head = len(status) + sum(len(key) + len(value) + 4 for key, value in headers)
            return start_response(status, headers, *rest)

        body = inner(environ, start)
        try:
            size = 0
            for part in body:
                size += len(part)
                yield part
            sent.append((environ["PATH_INFO"], head + size))
        finally:
            if hasattr(body, "close"):
                body.close()

    live.app.wsgi_app = counting  # type: ignore[assignment,method-assign]
    try:
        yield sent
    finally:
        live.app.wsgi_app = inner  # type: ignore[method-assign]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_load_is_small_with_all_that_works_offline(
    tab: Callable[..., Page], live: Live, agency: Agency, language: str
) -> None:
    """Page, styles, scripts, and what the worker keeps for a day without a network."""
    for name in ("ticket", "reported", "head"):
        page = tab(width=320, height=700)
        _in(page, language)
        path = agency.pages[name]
        page.context.clear_cookies() if language == "id" else None
        with _counted(live) as sent:
            page.goto(path)
            eventually(
                page,
                "caches.open('officer-1').then(c => c.match(location.pathname)).then(Boolean)",
            )
        loaded = [(where, size) for where, size in sent if "/photos/" not in where]
        assert any(where.endswith("worker.js") for where, _ in loaded)
        assert sum(size for _, size in loaded) < MOST_BYTES, sorted(loaded)
        page.context.close()
