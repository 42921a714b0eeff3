"""Suggestions at the desk: shown while somebody types, taken over by a click alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page
from werkzeug.test import TestResponse

from tests.web.conftest import Filer, axe, eventually, post, shot

As = Callable[[str], FlaskClient]


def _ask(client: FlaskClient, text: str) -> TestResponse:
    return post(client, "/suggestions", page="/complaints/1", transcript=text)


@pytest.fixture
def operator(as_user: As, file_call: Filer) -> FlaskClient:
    """Somebody at the desk, with a complaint."""
    file_call()
    return as_user("operator")


def test_category_agency_and_reasons_are_shown(operator: FlaskClient) -> None:
    page = _ask(operator, "Aspal berlubang di depan pasar").text
    assert page.index("Jalan rusak") < page.index("PUPR Perkim")
    assert "<q>berlubang</q>" in page


def test_a_text_that_says_nothing_gets_nothing(operator: FlaskClient) -> None:
    for text in ("", "   ", "123", "\x00\x07", "😀"):
        answer = _ask(operator, text)
        assert answer.status_code == 200
        assert "<li>" not in answer.text


@pytest.mark.parametrize(
    "text",
    [
        "jalan rusak <script>alert(1)</script>",
        'lubang"><img src=x onerror=alert(1)>',
        "jalan " * 5000,
        "lubang\u202egnabul \u0000 jalan",
        "a" * 20_000,
    ],
)
def test_hostile_text_stays_text(operator: FlaskClient, text: str) -> None:
    answer = _ask(operator, text)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "<img" not in answer.text


def test_only_the_desk_may_ask(as_user: As, operator: FlaskClient) -> None:
    officer = as_user("officer")
    assert post(officer, "/suggestions", page="/tickets", transcript="jalan").status_code == 403
    assert operator.get("/suggestions?transcript=jalan").status_code == 405
    assert operator.post("/suggestions", data={"transcript": "jalan"}).status_code == 400


@pytest.mark.browser
def test_suggestions_follow_the_typing_and_wait_for_a_click(
    page_as: Callable[..., Page], file_call: Filer
) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call()}")
    page.locator("#transcript").type("Jalan aspal berlubang besar di depan balai banjar")
    eventually(page, "document.querySelectorAll('#suggestions li').length > 0")
    assert page.locator("#category_key").input_value() == ""  # nothing is chosen by itself
    # what the bar at the bottom half covers where the page happens to stand is no small target
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert axe(page) == []
    shot(page, "suggestions")
    page.locator("#suggestions button").first.click()
    assert page.locator("#category_key").input_value() == "road_damage"
    assert page.locator("#agency_key").input_value() == "pupr"
