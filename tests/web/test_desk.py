"""The desk: nothing typed is lost, nothing is overwritten, every button does what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from callcenter.domain.complaint import ComplaintState
from callcenter.services import tickets
from callcenter.store.models import Complaint, Notice
from callcenter.web.screen import villages_by_district
from callcenter.wiring import Wiring
from tests.web.conftest import TYPED, Filer, Sent, post


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


def test_finding_a_complaint_by_its_number(operator: FlaskClient, file_call: Filer) -> None:
    first, second = file_call(1), file_call(2)
    page = operator.get("/complaints?number=10 00 00 12").text
    assert f'href="/complaints/{first}"' in page
    assert f'href="/complaints/{second}"' not in page
    assert "Tidak ada aduan yang cocok" in operator.get("/complaints?number=99").text


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
