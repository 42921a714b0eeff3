"""The thread with the citizen at the desk: one box, sent once, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import select

from callcenter.services import notices
from callcenter.store.desk_models import DeskDraft
from callcenter.store.models import Complaint, Notice
from callcenter.wiring import Wiring
from tests.web.conftest import Filer, axe, eventually, post, shot
from tests.web.test_counter import wrote

Tab = Callable[..., Page]
ONCE = "ab12" * 8


@pytest.fixture
def operator(as_user: Callable[[str], FlaskClient]) -> FlaskClient:
    """Somebody at the desk."""
    return as_user("operator")


def _replies(wired: Wiring) -> list[Notice]:
    with wired.store.read() as db:
        return list(db.scalars(select(Notice).where(Notice.kind == notices.REPLY)))


def test_a_reply_is_sent_once_and_what_else_was_typed_stays(
    operator: FlaskClient, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call(1)
    page = f"/complaints/{complaint_id}"
    operator.get(page)
    fields = {"reply": "Di mana <b>tepatnya</b>?", "once": ONCE, "transcript": "Belum disimpan"}
    for _ in range(2):
        answer = post(operator, f"{page}/reply", page=page, draft="0", tab="aa", **fields)
        assert answer.status_code == 302
    (sent,) = _replies(wired)
    assert (sent.written_by, sent.complaint_id) == ("operator", complaint_id)
    desk = operator.get(page).text
    assert "Di mana &lt;b&gt;tepatnya&lt;/b&gt;?" in desk
    assert ">Belum disimpan</textarea>" in desk
    with wired.store.read() as db:
        draft = db.get_one(DeskDraft, (complaint_id, ""))
        assert (draft.fields["transcript"], draft.fields["reply"]) == ("Belum disimpan", "")
        assert db.get_one(Complaint, complaint_id).transcript == ""


def test_a_refused_reply_is_named_at_its_box_with_everything_that_was_typed(
    operator: FlaskClient, wired: Wiring, file_call: Filer
) -> None:
    page = f"/complaints/{file_call(1)}"
    fields = {"reply": "", "once": ONCE, "transcript": "Jalan rusak"}
    answer = post(operator, f"{page}/reply", page=page, **fields)
    assert answer.status_code == 400
    assert 'id="reply-problem"' in answer.text
    assert ">Jalan rusak</textarea>" in answer.text
    assert _replies(wired) == []


def test_a_message_of_the_same_number_is_joined_from_the_thread(
    operator: FlaskClient, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call(1)
    message_id = wrote(wired, "Depan pasar", sender="+6281234567801")
    thread = operator.get(f"/complaints/{complaint_id}/thread").text
    assert f'id="join{message_id}"' in thread
    with wired.store.read() as db:
        number = db.get_one(Complaint, complaint_id).public_number
    page = f"/complaints/{complaint_id}"
    post(operator, f"/inbox/messages/{message_id}/join", page=page, number=number)
    after = operator.get(f"/complaints/{complaint_id}/thread").text
    assert "Depan pasar" in after
    assert f'id="join{message_id}"' not in after


def test_who_is_at_the_counter_gets_a_receipt_by_message(
    operator: FlaskClient, wired: Wiring
) -> None:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M+00:00")
    fields = {"source": "walk_in", "text": "Pipa bocor", "came_at": moment}
    page = "/complaints/new"
    wrong = post(operator, page, page=page, **fields, reporter_phone="besok")
    assert wrong.status_code == 400
    assert 'id="reporter_phone-problem"' in wrong.text
    answer = post(operator, page, page=page, **fields, reporter_phone="0812 3456 7801")
    assert answer.status_code == 302
    with wired.store.read() as db:
        receipt = db.scalars(select(Notice).where(Notice.kind == notices.RECEIPT)).one()
        assert receipt.complaint_id == db.scalars(select(Complaint.id)).one()
    assert "Tanda terima" not in operator.get(answer.location).text
    assert receipt.body.splitlines()[0] in operator.get(answer.location).text


# ---------------------------------------------------------------- in a browser


@pytest.mark.browser
def test_a_ready_text_a_reply_and_a_sign_out_in_mid_word(
    page_as: Tab, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call(1)
    wrote(wired, "Di depan pasar, masih gelap", sender="+6281234567801")
    page = page_as("operator")
    page.goto(f"/complaints/{complaint_id}")
    page.get_by_role("button", name="Gabungkan ke aduan ini").click()
    page.locator("#transcript").fill("Lampu mati")
    page.locator("#ready").select_option(label="Minta foto")
    expect(page.locator("#reply")).to_have_value(
        "Bila aman, mohon kirim foto keadaannya lewat percakapan ini."
    )
    page.get_by_role("button", name="Kirim balasan").click()
    expect(page.locator(".thread .ours")).to_contain_text("mohon kirim foto")
    expect(page.locator("#transcript")).to_have_value("Lampu mati")
    expect(page.locator("#reply")).to_have_value("")
    page.wait_for_load_state()  # the keys come with the script
    page.keyboard.press("Alt+b")
    expect(page.locator("#reply")).to_be_focused()
    page.keyboard.type("Terima kas")
    page.get_by_role("button", name="Keluar").click()
    page.wait_for_url("**/sign-in*")
    page = page_as("operator")
    page.goto(f"/complaints/{complaint_id}")
    expect(page.locator("#reply")).to_have_value("Terima kas")
    assert len(_replies(wired)) == 1
    assert axe(page) == []
    shot(page, "desk-thread")


@pytest.mark.browser
def test_while_the_server_is_away_nobody_signs_out_of_unsaved_words(
    page_as: Tab, file_call: Filer
) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{file_call(1)}")
    page.route("**/draft", lambda route: route.abort())
    page.locator("#transcript").press_sequentially("Hanya di sini")
    expect(page.locator("#kept")).to_contain_text("Belum sampai ke server")
    page.get_by_role("button", name="Keluar").click()
    eventually(page, "sessionStorage.length > 0")
    page.unroute("**/draft")
    eventually(page, "document.querySelector('form[data-draft]').dataset.kept === 'yes'")
    page.get_by_role("button", name="Keluar").click()
    page.wait_for_url("**/sign-in*")


@pytest.mark.browser
def test_the_thread_is_accessible_in_english_and_in_the_dark(
    page_as: Tab, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call(1)
    wrote(wired, "Masih gelap", sender="+6281234567801")
    page = page_as("operator", dark=True)
    page.get_by_role("button", name="English").click()
    page.goto(f"/complaints/{complaint_id}")
    assert axe(page) == []
    shot(page, "desk-thread-dark")
    page.goto("/complaints/new")
    assert axe(page) == []
    shot(page, "counter-dark")
