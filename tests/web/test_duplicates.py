"""Similar complaints at the desk: shown while somebody types, merged with a reason, taken apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page
from werkzeug.test import TestResponse

from callcenter.domain.complaint import ComplaintState
from callcenter.services import desk
from callcenter.store.models import Complaint
from callcenter.wiring import Wiring
from tests.web.conftest import TYPED, VILLAGE, Filer, Sent, axe, eventually, post, shot

As = Callable[[str], FlaskClient]
TEXT = "Lubang besar di jalan depan pasar, semalam ada yang jatuh"


def _similar(
    client: FlaskClient, complaint_id: int, text: str = TEXT, **typed: str
) -> TestResponse:
    page = f"/complaints/{complaint_id}"
    fields = {"transcript": text, "village_code": VILLAGE, "category_key": "road_damage", **typed}
    return post(client, f"{page}/similar", page=page, **fields)


def _merge(client: FlaskClient, complaint_id: int, **fields: object) -> TestResponse:
    page = f"/complaints/{complaint_id}"
    return post(client, f"{page}/merge", page=page, **fields)


def _state(wired: Wiring, complaint_id: int) -> ComplaintState:
    with wired.store.read() as db:
        return db.get_one(Complaint, complaint_id).state


@pytest.fixture
def operator(as_user: As) -> FlaskClient:
    """Somebody at the desk."""
    return as_user("operator")


def test_similar_ones_are_shown_with_the_words_and_no_number_of_a_caller(
    operator: FlaskClient, a_ticket: Callable[..., Sent], file_call: Filer
) -> None:
    first = a_ticket(1).complaint_id
    page = _similar(operator, file_call(2)).text
    assert f'href="/complaints/{first}"' in page
    assert "kata yang sama" in page
    assert "812345" not in page


def test_merge_and_part_by_the_desk(
    operator: FlaskClient, wired: Wiring, a_ticket: Callable[..., Sent], file_call: Filer
) -> None:
    lead, complaint = a_ticket(1).complaint_id, file_call(2)
    assert _merge(operator, complaint, lead_id=lead, why="").status_code == 302
    assert _state(wired, complaint) is ComplaintState.RECEIVED
    _merge(operator, complaint, lead_id=lead, why="lubang yang sama")
    assert _state(wired, complaint) is ComplaintState.MERGED
    page = _similar(operator, complaint).text
    assert "Digabung ke" in page
    assert "digabung ke sini" in _similar(operator, lead).text
    action = f"/complaints/{complaint}/links/1/part"
    assert action in page
    post(operator, action, page=f"/complaints/{complaint}", why="ternyata beda")
    assert _state(wired, complaint) is ComplaintState.RECEIVED


@pytest.mark.parametrize("lead", ["", "x", "-1", "0", "999999", "99999999999999999999", "1 OR 1"])
def test_a_lead_that_is_none_is_refused(
    operator: FlaskClient, wired: Wiring, file_call: Filer, lead: str
) -> None:
    complaint = file_call()
    answer = _merge(operator, complaint, lead_id=lead, why="sama")
    assert answer.status_code in (302, 404)
    assert _state(wired, complaint) is ComplaintState.RECEIVED


@pytest.mark.parametrize("text", ["<script>x</script> lubang pasar", "\x00", "x" * 20_000])
def test_hostile_text_stays_text(
    operator: FlaskClient, wired: Wiring, a_ticket: Callable[..., Sent], file_call: Filer, text: str
) -> None:
    first = a_ticket(1).complaint_id
    with wired.store.write() as db:
        form = desk.DeskForm(**{**TYPED, "transcript": "<img src=x onerror=1> lubang pasar jalan"})
        now = datetime.now(UTC)
        desk.save(db, first, form, actor="operator", now=now, rules=wired.rules)
    answer = _similar(operator, file_call(2), text, place_note=text[:300])
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "<img" not in answer.text


def test_only_the_desk_may(as_user: As, file_call: Filer) -> None:
    complaint = file_call()
    officer = as_user("officer")
    for path in ("similar", "merge", "links/1/part"):
        url = f"/complaints/{complaint}/{path}"
        assert post(officer, url, page="/tickets", why="x", lead_id=1).status_code == 403


@pytest.mark.browser
def test_similar_ones_follow_the_typing(
    page_as: Callable[..., Page], a_ticket: Callable[..., Sent], file_call: Filer
) -> None:
    a_ticket(1)
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(2)}")
    page.keyboard.press("Alt+v")
    page.keyboard.type("kawan")
    page.keyboard.press("Enter")
    page.locator("#transcript").type(TEXT)
    eventually(page, "document.querySelectorAll('#duplicates details').length > 0")
    page.locator("#duplicates summary").first.click()
    assert axe(page) == []
    shot(page, "duplicates")
    page.locator("#duplicates input[name=why]").fill("lubang yang sama")
    eventually(page, "!document.querySelector('.htmx-request')")
    page.locator("#duplicates button[value=merge]").click()
    eventually(page, "document.body.textContent.includes('Digabung. Pelapornya')")
