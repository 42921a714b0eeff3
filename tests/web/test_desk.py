"""The desk: nothing typed is lost, nothing is overwritten, every button does what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from callcenter.domain.complaint import ComplaintState
from callcenter.services import tickets
from callcenter.store.models import Complaint, Notice
from callcenter.web.screen import villages_by_district
from callcenter.wiring import Wiring
from tests.web.conftest import TYPED, Filer, Sent, post

Answer = tuple[int, Any]


@pytest.fixture
def operator(as_user: Callable[[str], FlaskClient]) -> FlaskClient:
    """Somebody at the desk."""
    return as_user("operator")


def _stored(wired: Wiring, complaint_id: int) -> Complaint:
    with wired.store.read() as db:
        found = db.get(Complaint, complaint_id)
        assert found is not None
        assert found.tickets is not None
        return found


def _save(client: FlaskClient, complaint_id: int, **fields: object) -> TestResponse:
    url = f"/complaints/{complaint_id}"
    return post(client, url, page=url, **{**TYPED, **fields})


def test_the_desk_shows_clips_villages_and_the_caller(
    operator: FlaskClient, file_call: Filer
) -> None:
    page = operator.get(f"/complaints/{file_call(kinds=('complaint', 'name', 'village'))}").text
    assert page.count("<audio") == 3
    assert page.count('preload="none"') == 3  # a page that is only opened plays nothing
    assert page.count("<optgroup") == 4
    assert "+6281234567801" in page


def test_the_gazetteer_has_bangli_whole() -> None:
    assert sum(len(villages) for _district, villages in villages_by_district()) == 72


def test_saving_moves_the_complaint_on(
    operator: FlaskClient, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    assert _save(operator, complaint_id).status_code == 302
    found = _stored(wired, complaint_id)
    assert found.state is ComplaintState.CATEGORISED
    assert found.transcript == TYPED["transcript"]
    assert found.reporter_phone == "+628123456789"
    page = operator.get(f"/complaints/{complaint_id}").text
    assert "biasanya dijawab PUPR Perkim" in page
    assert '<option value="pupr" selected>' in page


@pytest.mark.parametrize(
    ("field", "value"),
    [("reporter_phone", "not a number"), ("category_key", "nonsense"), ("village_code", "11.01")],
)
def test_a_mistake_is_named_at_its_field_and_nothing_typed_is_lost(
    operator: FlaskClient, wired: Wiring, file_call: Filer, field: str, value: str
) -> None:
    complaint_id = file_call()
    answer = _save(operator, complaint_id, **{field: value})
    assert answer.status_code == 400
    assert f'id="{field}-problem"' in answer.text
    assert f'aria-describedby="{field}-problem"' in answer.text
    assert str(TYPED["transcript"]) in answer.text
    assert _stored(wired, complaint_id).transcript == ""


def test_two_operators_do_not_overwrite_each_other(
    operator: FlaskClient, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    version = _stored(wired, complaint_id).version
    _save(operator, complaint_id, version=version)
    answer = _save(operator, complaint_id, version=version, transcript="Tulisan kedua.")
    assert answer.status_code == 409
    assert "Tulisan kedua." in answer.text  # what was typed here
    assert str(TYPED["transcript"]) in answer.text  # and what is stored by now
    assert _stored(wired, complaint_id).transcript == TYPED["transcript"]


def _draft(client: FlaskClient, complaint_id: int, text: str, version: int, **more: str) -> Answer:
    url = f"/complaints/{complaint_id}"
    fields = {"transcript": text, "draft": version, "tab": "a1", **more}
    answer = post(client, f"{url}/draft", page="/", **fields)
    return answer.status_code, answer.get_json()


def test_what_is_typed_is_there_after_a_crash_and_gone_after_saving(
    operator: FlaskClient, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    status, told = _draft(operator, complaint_id, "Pohon tum", 0, order="Potong", agency_key="dlh")
    assert (status, told["version"]) == (200, 1)
    page = operator.get(f"/complaints/{complaint_id}").text
    assert ">Pohon tum</textarea>" in page
    assert ">Potong</textarea>" in page
    assert '<option value="dlh" selected>' in page
    assert _stored(wired, complaint_id).transcript == ""
    _save(operator, complaint_id, draft=1, transcript="Pohon tumbang", tab="a1")
    page = operator.get(f"/complaints/{complaint_id}").text
    assert ">Pohon tumbang</textarea>" in page
    assert "Ketikan lain yang disimpan" not in page


def test_a_second_tab_is_told_and_its_text_is_shown(
    operator: FlaskClient, file_call: Filer
) -> None:
    complaint_id = file_call()
    _draft(operator, complaint_id, "Tab pertama", 0)
    status, told = _draft(operator, complaint_id, "Tab kedua", 0, tab="b2")
    assert (status, told["mine"], told["tab"]) == (409, True, "a1")
    page = operator.get(f"/complaints/{complaint_id}").text
    assert ">Tab pertama</textarea>" in page
    assert "Tab kedua" in page.split("Ketikan lain yang disimpan")[1]
    refused = _save(operator, complaint_id, draft=0, tab="b2", transcript="Tab kedua, lagi")
    assert refused.status_code == 409
    assert "Tab kedua, lagi" in refused.text
    assert "Tab pertama" in refused.text  # so that it can be compared


def test_opening_takes_it_and_the_other_operator_can_only_read(
    operator: FlaskClient, as_user: Callable[[str], FlaskClient], wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    url = f"/complaints/{complaint_id}"
    operator.get(url)
    second = as_user("operator2")
    assert "di meja operator" in second.get("/").text
    assert "di meja Anda" in operator.get("/").text
    assert "Sedang dikerjakan operator" in second.get(url).text
    assert _save(second, complaint_id).status_code == 409
    assert _stored(wired, complaint_id).transcript == ""
    assert post(second, f"{url}/claim", page="/").status_code == 409
    post(second, f"{url}/take-over", page="/")
    assert _save(second, complaint_id).status_code == 302
    assert "Diambil alih" in second.get(url).text
    status, told = _draft(operator, complaint_id, "Masih saya", 0)
    assert (status, told["by"]) == (409, "operator2")


def test_dispatching_opens_the_next_that_nobody_has(
    operator: FlaskClient, as_user: Callable[[str], FlaskClient], file_call: Filer
) -> None:
    first, taken, free = file_call(1), file_call(2), file_call(3)
    as_user("operator2").get(f"/complaints/{taken}")
    answer = _save(operator, first, do="next", agency_key="pupr")
    assert answer.location == f"/complaints/{free}"
    answer = _save(operator, free, do="next", agency_key="pupr")
    assert answer.location == "/"


def test_a_complaint_that_was_let_go_is_free(
    operator: FlaskClient, as_user: Callable[[str], FlaskClient], file_call: Filer
) -> None:
    url = f"/complaints/{file_call()}"
    operator.get(url)
    assert post(operator, f"{url}/let-go", page="/").location == "/"
    assert "Sedang dikerjakan" not in as_user("operator2").get(url).text


def test_the_desk_shows_who_called_before(operator: FlaskClient, file_call: Filer) -> None:
    first = file_call(1)
    second = file_call(2)
    _save(operator, second, reporter_phone="081234567801")
    page = operator.get(f"/complaints/{second}").text
    assert f'href="/complaints/{first}"' in page.split("Aduan lain dari nomor ini")[1]
    assert "Belum ada aduan lain" in operator.get(f"/complaints/{file_call(3)}").text


def test_save_and_dispatch_is_one_button(
    operator: FlaskClient, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    answer = _save(operator, complaint_id, do="dispatch", agency_key="pupr", order="Tambal.")
    assert answer.status_code == 302
    ticket = _stored(wired, complaint_id).tickets[0]
    assert (ticket.agency_key, ticket.order) == ("pupr", "Tambal.")
    page = operator.get(f"/complaints/{complaint_id}").text
    assert "data-due=" in page
    assert "Teruskan juga ke instansi lain" in page
    with wired.store.read() as db:
        assert db.get(Notice, 1) is not None


@pytest.mark.parametrize("field", ["category_key", "village_code", "transcript", "agency_key"])
def test_dispatching_too_early_keeps_the_work_and_says_what_is_missing(
    operator: FlaskClient, wired: Wiring, file_call: Filer, field: str
) -> None:
    complaint_id = file_call()
    fields = {"do": "dispatch", "agency_key": "pupr", **{field: ""}}
    answer = _save(operator, complaint_id, **fields)
    assert answer.status_code == 400
    assert f'id="{field}-problem"' in answer.text
    found = _stored(wired, complaint_id)
    assert found.tickets == []
    assert found.place_note == TYPED["place_note"]


def test_rejection_takes_two_people(
    operator: FlaskClient,
    as_user: Callable[[str], FlaskClient],
    wired: Wiring,
    file_call: Filer,
) -> None:
    complaint_id = file_call()
    url = f"/complaints/{complaint_id}"
    assert post(operator, f"{url}/reject", page=url, reason=" ").status_code == 400
    assert post(operator, f"{url}/reject", page=url, reason="Iseng.").status_code == 302
    post(operator, f"{url}/reject/confirm", page=url)
    assert "Orang kedua" in operator.get(url).text
    assert _stored(wired, complaint_id).state is ComplaintState.RECEIVED
    second = as_user("operator2")
    assert "Setujui" in second.get(url).text
    post(second, f"{url}/reject/confirm", page=url)
    assert _stored(wired, complaint_id).state is ComplaintState.NOT_ACTIONABLE


def test_the_citizens_no_reopens(
    operator: FlaskClient, wired: Wiring, a_ticket: Callable[..., Sent]
) -> None:
    sent = a_ticket()
    with wired.store.write() as db:
        tickets.respond(
            db,
            sent.ticket_id,
            text="Besok ditambal.",
            actor="person:pupr_1",
            now=datetime.now(UTC),
            rules=wired.rules,
        )
    url = f"/complaints/{sent.complaint_id}"
    assert "Sudah ditanya" in operator.get(url).text
    post(operator, f"{url}/asked", page=url)
    assert _stored(wired, sent.complaint_id).asked_at is not None
    assert post(operator, f"{url}/word", page=url, outcome="maybe").status_code == 400
    post(operator, f"{url}/word", page=url, outcome="not_solved")
    assert _stored(wired, sent.complaint_id).state is ComplaintState.REOPENED


def test_what_citizens_say_is_text_and_never_markup(
    operator: FlaskClient, file_call: Filer
) -> None:
    complaint_id = file_call()
    _save(operator, complaint_id, transcript='</textarea><script>alert("x")</script>')
    for url in (f"/complaints/{complaint_id}", "/"):
        page = operator.get(url).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


def test_inbox_has_emergencies_first_then_the_longest_waiting(
    operator: FlaskClient, file_call: Filer
) -> None:
    young = file_call(1)
    old = file_call(2, ago=timedelta(hours=3))
    urgent = file_call(3)
    _save(operator, urgent, urgency="emergency", category_key="fire")
    page = operator.get("/").text
    places = [page.index(f'href="/complaints/{i}"') for i in (urgent, old, young)]
    assert places == sorted(places)


def test_silent_calls_have_a_tab_of_their_own(operator: FlaskClient, file_call: Filer) -> None:
    assert file_call(4, kinds=()) == 0
    assert "/calls/1" not in operator.get("/").text
    assert "/calls/1" in operator.get("/?tab=silent").text
    assert "Senyap" in operator.get("/calls/1").text


def test_a_refreshing_list_is_the_list_alone(operator: FlaskClient, file_call: Filer) -> None:
    complaint_id = file_call()
    for url in ("/", "/calls", "/complaints", "/tickets", f"/complaints/{complaint_id}"):
        part = operator.get(url, headers={"HX-Request": "true"}).text
        assert "<html" not in part
        assert "<textarea" not in part
        assert "<input id=" not in part


def test_being_late_stays_visible_after_the_answer(
    operator: FlaskClient, wired: Wiring, a_ticket: Callable[..., Sent]
) -> None:
    sent = a_ticket(ago=timedelta(hours=26))
    assert "1 terlambat" in operator.get("/tickets").text
    with wired.store.write() as db:
        tickets.respond(
            db,
            sent.ticket_id,
            text="Maaf.",
            actor="person:pupr_1",
            now=datetime.now(UTC),
            rules=wired.rules,
        )
    assert "Terlambat 2 jam" in operator.get("/tickets?tab=answered").text
    assert "Terlambat 2 jam" in operator.get(f"/tickets/{sent.ticket_id}").text


def test_messages_show_links_in_the_sample_only(
    as_user: Callable[[str], FlaskClient], wired: Wiring, a_ticket: Callable[..., Sent]
) -> None:
    a_ticket()
    supervisor = as_user("supervisor")
    assert 'href="/p/' in supervisor.get("/messages").text
    wired.config = wired.config.model_copy(update={"sample": False})
    assert 'href="/p/' not in supervisor.get("/messages").text


def test_a_message_that_failed_is_sent_again_by_one_button(
    as_user: Callable[[str], FlaskClient], wired: Wiring, a_ticket: Callable[..., Sent]
) -> None:
    a_ticket()
    with wired.store.write() as db:
        notice = db.get_one(Notice, 1)
        notice.state, notice.error = "dead", "no channel reaches this person"
    supervisor = as_user("supervisor")
    assert "Kirim ulang" in supervisor.get("/messages").text
    post(supervisor, "/messages/1/resend", page="/messages")
    with wired.store.read() as db:
        assert db.get_one(Notice, 1).state == "queued"
    assert "Kirim ulang" not in supervisor.get("/messages").text
