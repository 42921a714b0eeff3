"""The officer's page: a link is a key, opening it changes nothing, any phone can use it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select

from callcenter.domain.ticket import TicketState
from callcenter.services import audit, links, photos
from callcenter.store.models import (
    Attachment,
    Audit,
    Base,
    History,
    Notice,
    OfficerLink,
    Submission,
    Ticket,
)
from callcenter.wiring import Wiring
from tests.services.test_voice_notes import spoken
from tests.web.conftest import Sent, post, recording_id

Link = Callable[[int, str], str]
PIN = "2580"


@pytest.fixture
def sent(a_ticket: Callable[..., Sent]) -> Sent:
    """A ticket at PUPR."""
    return a_ticket()


def _ticket(wired: Wiring, sent: Sent) -> Ticket:
    with wired.store.read() as db:
        found = db.get(Ticket, sent.ticket_id)
        assert found is not None
        assert found.report is None or found.report.text
        return found


def _act(client: FlaskClient, sent: Sent, verb: str, **fields: Any) -> Any:
    return post(client, f"/p/{sent.token}/{verb}", page=f"/p/{sent.token}", **fields)


def _rows(wired: Wiring) -> dict[str, list[Any]]:
    """Everything in the database but the audit, which says that the page was opened."""
    with wired.store.read() as db:
        return {
            name: [tuple(row) for row in db.execute(select(table))]
            for name, table in Base.metadata.tables.items()
            if name != Audit.__tablename__
        }


def test_the_page_says_what_where_how_urgent_and_until_when(
    client: FlaskClient, sent: Sent
) -> None:
    page = client.get(f"/p/{sent.token}").text
    for words in ("Jalan rusak", "Kawan, Kec. Bangli", "Depan Pasar Kidul", "Sisa 23 jam", "WITA"):
        assert words in page
    assert "Terima tugas ini" in page
    assert "•••789" in page
    assert "23456789" not in page
    assert "I Wayan Contoh" not in page


def test_the_first_load_is_small_without_the_clip(client: FlaskClient, sent: Sent) -> None:
    """Everything that the page names, and what its worker loads; nothing of it is compressed."""
    page = client.get(f"/p/{sent.token}")
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(named) == 4
    size = len(page.data) + sum(
        len(client.get(url).data) for url in (*named, "/p/worker.js", f"/p/{sent.token}")
    )
    assert size < 60_000
    assert b'preload="none"' in page.data


def test_opening_changes_nothing(client: FlaskClient, wired: Wiring, sent: Sent) -> None:
    before = _rows(wired)
    for method in ("GET", "HEAD"):
        assert client.open(f"/p/{sent.token}", method=method).status_code == 200
    for verb in ("accept", "respond", "return", "wait", "report", "start"):
        assert client.get(f"/p/{sent.token}/{verb}").status_code in (404, 405)
    assert _rows(wired) == before


def test_opening_is_written_down(
    client: FlaskClient, sent: Sent, audits: Callable[[str], int]
) -> None:
    client.get(f"/p/{sent.token}")
    assert audits("link_opened") == 1


def test_wrong_expired_and_revoked_links_read_alike(
    client: FlaskClient, wired: Wiring, sent: Sent, link_of: Link
) -> None:
    good = f"/p/{sent.token}"
    pages = [client.get("/p/nonsense"), client.get(good[:-2]), client.get(f"{good}x")]
    with time_machine.travel(datetime.now(UTC) + timedelta(days=31)):
        pages.append(client.get(good))
    with wired.store.write() as db:
        links.revoke(db, sent.link_id, datetime.now(UTC))
    pages.append(client.get(good))
    assert {p.status_code for p in pages} == {404}
    bodies = {_without_token(p.text) for p in pages}
    assert len(bodies) == 1
    assert "Buka pesan terbaru" in bodies.pop()


def _without_token(html: str) -> str:
    return "\n".join(
        line for line in html.splitlines() if "csrf" not in line and "next" not in line
    )


def test_a_revoked_link_does_nothing_any_more(
    client: FlaskClient, wired: Wiring, sent: Sent
) -> None:
    with wired.store.write() as db:
        links.revoke(db, sent.link_id, datetime.now(UTC))
    answer = post(client, f"/p/{sent.token}/accept")
    assert answer.status_code == 404
    assert _ticket(wired, sent).state is TicketState.DISPATCHED


def test_accept_and_answer(client: FlaskClient, wired: Wiring, sent: Sent) -> None:
    assert _act(client, sent, "accept").status_code == 302
    assert _ticket(wired, sent).state is TicketState.ACCEPTED
    assert _act(client, sent, "respond", response="Besok pagi ditambal.").status_code == 302
    ticket = _ticket(wired, sent)
    assert (ticket.state, ticket.response) == (TicketState.RESPONDED, "Besok pagi ditambal.")
    assert "Tepat waktu" in client.get(f"/p/{sent.token}").text


def test_a_second_tap_does_no_harm(client: FlaskClient, wired: Wiring, sent: Sent) -> None:
    _act(client, sent, "accept")
    assert _act(client, sent, "accept").status_code in (302, 400)
    assert _ticket(wired, sent).state is TicketState.ACCEPTED


def test_returning_needs_a_reason(client: FlaskClient, wired: Wiring, sent: Sent) -> None:
    answer = _act(client, sent, "return", reason=" ")
    assert answer.status_code == 400
    assert 'id="reason-problem"' in answer.text
    _act(client, sent, "return", reason="Jalan provinsi.")
    assert _ticket(wired, sent).state is TicketState.RETURNED


@pytest.mark.parametrize("missing", ["waiting_reason", "evidence", "until", "approver"])
def test_waiting_needs_everything(
    client: FlaskClient, wired: Wiring, sent: Sent, missing: str
) -> None:
    _act(client, sent, "respond", response="Perlu aspal.")
    until = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    fields = {
        "waiting_reason": "material",
        "evidence": "Surat 12/PU",
        "until": until,
        "approver": "I Wayan Artana",
    }
    answer = _act(client, sent, "wait", **{**fields, missing: ""})
    assert answer.status_code == 400
    assert f'id="{missing}-problem"' in answer.text
    assert all(v in answer.text for k, v in fields.items() if k != missing)
    assert _act(client, sent, "wait", **fields).status_code == 302
    assert _ticket(wired, sent).state is TicketState.WAITING


def picture(size: tuple[int, int] = (640, 480)) -> bytes:
    """A JPEG that knows where it was taken."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Kamera Rahasia"
    Image.effect_noise(size, 40).convert("RGB").save(out, "JPEG", exif=exif.tobytes())
    return out.getvalue()


def report_fields(*photos: bytes) -> dict[str, Any]:
    """What an officer fills in."""
    return {
        "report": "Lubang ditambal aspal dingin.",
        "done_at": "2026-01-02T10:30",
        "people": "I Nyoman Darmawan",
        "materials": "Aspal 20 kg",
        "pin": PIN,
        "pin_again": PIN,
        "photos": [(io.BytesIO(p), f"../../{n}.jpg") for n, p in enumerate(photos)],
    }


def test_the_report_carries_photos_without_camera_data(
    client: FlaskClient, app: Flask, wired: Wiring, sent: Sent, link_of: Link
) -> None:
    answer = _act(client, sent, "report", **report_fields(picture(), picture((300, 200))))
    assert answer.status_code == 302, answer.text
    head = link_of(sent.ticket_id, "pupr_head")
    page = client.get(f"/p/{head}").text
    assert "Lubang ditambal aspal dingin." in page
    assert page.count('loading="lazy"') == 2
    with wired.store.read() as db:
        photo = db.scalars(select(Attachment)).first()
    assert photo is not None
    shown = client.get(f"/p/{head}/photos/{photo.id}.jpg")
    assert shown.mimetype == "image/jpeg"
    assert b"Kamera Rahasia" not in shown.data
    assert client.get(f"/p/{head}/photos/999.jpg").status_code == 404


def test_a_report_that_is_refused_keeps_what_was_typed(
    client: FlaskClient, wired: Wiring, sent: Sent
) -> None:
    fields = report_fields(picture())
    answer = _act(client, sent, "report", **{**fields, "done_at": ""})
    assert answer.status_code == 400
    assert "Lubang ditambal aspal dingin." in answer.text
    assert "Foto dan rekaman perlu dipilih lagi" in answer.text
    assert _ticket(wired, sent).report is None


def test_only_the_clip_of_this_complaint_is_played(
    client: FlaskClient, wired: Wiring, a_ticket: Callable[..., Sent], audits: Callable[[str], int]
) -> None:
    own, other = a_ticket(1), a_ticket(2, agency="bpbd")
    clip = recording_id(wired, own.complaint_id)
    assert client.get(f"/p/{own.token}/recordings/{clip}.wav").status_code == 200
    assert audits("recording_played") == 1
    for kind in ("name", "village"):
        hidden = recording_id(wired, own.complaint_id, kind)
        assert client.get(f"/p/{own.token}/recordings/{hidden}.wav").status_code == 404
    assert client.get(f"/p/{other.token}/recordings/{clip}.wav").status_code == 404


def test_offices_of_the_regency_look_and_do_not_act(
    client: FlaskClient, wired: Wiring, sent: Sent, link_of: Link
) -> None:
    token = link_of(sent.ticket_id, "sekda")
    page = client.get(f"/p/{token}").text
    assert "Jalan rusak" in page
    assert "<textarea" not in page
    assert post(client, f"/p/{token}/accept").status_code == 403
    assert _ticket(wired, sent).state is TicketState.DISPATCHED


def test_someone_who_left_opens_nothing(client: FlaskClient, wired: Wiring, sent: Sent) -> None:
    with wired.store.write() as db:
        link = db.get(OfficerLink, sent.link_id)
        assert link is not None
        from callcenter.store.models import Person

        person = db.get(Person, link.person_key)
        assert person is not None
        person.active = False
    assert client.get(f"/p/{sent.token}").status_code == 404


def test_a_late_ticket_says_so(client: FlaskClient, a_ticket: Callable[..., Sent]) -> None:
    sent = a_ticket(ago=timedelta(hours=25, minutes=30))
    assert "Terlambat 1 jam 30 menit" in client.get(f"/p/{sent.token}").text


# ---------------------------------------------------------------- the report is read


@pytest.fixture
def reported(client: FlaskClient, sent: Sent, link_of: Link) -> str:
    """A filed report; the token of the head's link."""
    assert _act(client, sent, "report", **report_fields(picture())).status_code == 302
    return link_of(sent.ticket_id, "pupr_head")


def _told(wired: Wiring) -> Notice:
    with wired.store.read() as db:
        return db.scalars(select(Notice).where(Notice.kind == "report-filed")).one()


def test_a_preview_of_the_heads_link_reads_nothing_but_a_screen_does(
    client: FlaskClient, wired: Wiring, reported: str, audits: Callable[[str], int]
) -> None:
    page = client.get(f"/p/{reported}").text
    assert _told(wired).read_at is None
    (dot,) = re.findall(r'src="(/p/[^"]+/seen\.svg)"', page)
    for _ in range(2):
        answer = client.get(dot)
        assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert _told(wired).read_at is not None
    assert audits("report_read") == 1
    assert "Dibaca" in client.get(f"/p/{reported}").text


def test_the_officers_own_page_reads_nothing(
    client: FlaskClient, wired: Wiring, sent: Sent, reported: str
) -> None:
    assert "seen.svg" not in client.get(f"/p/{sent.token}").text
    client.get(f"/p/{sent.token}/seen.svg")
    client.get(f"/p/{sent.token}/report.pdf")
    assert _told(wired).read_at is None


def test_the_paper_is_a_pdf_and_opening_it_is_reading(
    client: FlaskClient, wired: Wiring, reported: str, audits: Callable[[str], int]
) -> None:
    answer = client.get(f"/p/{reported}/report.pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.data.startswith(b"%PDF-")
    assert "laporan-" in answer.headers["Content-Disposition"]
    assert _told(wired).read_at is not None
    assert audits("report_exported") == 1


def test_without_a_report_there_is_no_paper(client: FlaskClient, sent: Sent) -> None:
    assert client.get(f"/p/{sent.token}/report.pdf").status_code == 404


def test_the_console_sees_who_read_it_and_has_the_paper_too(
    client: FlaskClient, as_user: Callable[[str], FlaskClient], sent: Sent, reported: str
) -> None:
    client.get(f"/p/{reported}/seen.svg")
    officer = as_user("officer")
    page = officer.get(f"/tickets/{sent.ticket_id}").text
    assert "I Wayan Artana" in page
    assert "Dibaca" in page
    assert officer.get(f"/tickets/{sent.ticket_id}/report.pdf").data.startswith(b"%PDF-")


def test_a_spoken_report_is_heard_by_those_who_may_and_each_time_is_written_down(
    client: FlaskClient,
    as_user: Callable[[str], FlaskClient],
    a_ticket: Callable[..., Sent],
    audits: Callable[[str], int],
) -> None:
    sent, other = a_ticket(1), a_ticket(2, agency="bpbd")
    fields = {**report_fields(), "report": "", "voice": (io.BytesIO(spoken(2)), "x.wav")}
    assert _act(client, sent, "report", **fields).status_code == 302
    (url,) = re.findall(r'src="(/p/[^"]+/voices/\d+)"', client.get(f"/p/{sent.token}").text)
    answer = client.get(url)
    assert (answer.status_code, answer.mimetype) == (200, "audio/wav")
    assert client.get(url, headers={"Range": "bytes=0-9"}).status_code == 206
    assert client.get(url.replace(sent.token, other.token)).status_code == 404
    number = url.rsplit("/", 1)[-1]
    assert as_user("officer").get(f"/tickets/{sent.ticket_id}/voices/{number}").status_code == 200
    assert audits("recording_played") == 3


def test_nothing_is_decoded_for_an_old_link(
    client: FlaskClient, sent: Sent, reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.services.photos.developed", lambda _data: 1 / 0)
    answer = _act(client, sent, "report", **report_fields(picture()))
    assert answer.status_code == 400
    assert "sudah dikirim" in answer.text


def test_photos_are_decoded_while_nobody_else_has_to_wait(
    client: FlaskClient, wired: Wiring, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another write goes through in the middle of it: no transaction is open."""
    develop = photos.developed
    written = []

    def slowly(data: bytes) -> Any:
        with wired.store.write() as db:
            audit.record(db, actor="x", action="x", thing="x", now=datetime.now(UTC))
        written.append(data)
        return develop(data)

    monkeypatch.setattr("callcenter.services.photos.developed", slowly)
    assert _act(client, sent, "report", **report_fields(picture())).status_code == 302
    assert len(written) == 1


# ---------------------------------------------------------------- once

KEY = "k" * 32
BOX = {"X-Outbox": "1"}


def _send(client: FlaskClient, sent: Sent, verb: str, **fields: Any) -> Any:
    """As the page sends what it kept: a fresh token, and an answer for a script."""
    found = client.get(f"/p/{sent.token}/key").json
    assert found is not None
    return client.post(f"/p/{sent.token}/{verb}", data={**found, **fields}, headers=BOX)


def test_the_same_form_again_does_nothing_and_is_no_mistake(
    client: FlaskClient, wired: Wiring, sent: Sent
) -> None:
    for _ in range(3):
        answer = _send(client, sent, "respond", response="Besok ditambal.", once=KEY)
        assert (answer.status_code, answer.json) == (200, {"done": True})
    with wired.store.read() as db:
        rows = db.scalars(select(History).where(History.verb == "respond")).all()
    assert len(rows) == 1


def test_without_scripts_a_repeat_is_as_quiet(
    client: FlaskClient, wired: Wiring, sent: Sent
) -> None:
    for _ in range(2):
        answer = _act(client, sent, "respond", response="Besok ditambal.", once=KEY)
        assert answer.status_code == 302
    page = client.get(f"/p/{sent.token}").text
    keys = re.findall(r'name="once" value="([^"]+)"', page)
    assert len(keys) == len(set(keys)) > 1


def test_a_report_that_arrived_is_not_decoded_a_second_time(
    client: FlaskClient, wired: Wiring, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _act(client, sent, "report", **report_fields(picture()), once=KEY).status_code == 302
    monkeypatch.setattr("callcenter.services.photos.developed", lambda _data: 1 / 0)
    assert _act(client, sent, "report", **report_fields(picture()), once=KEY).status_code == 302
    with wired.store.read() as db:
        assert len(db.scalars(select(Attachment)).all()) == 1


def test_what_was_refused_may_be_sent_again_with_the_same_key(
    client: FlaskClient, wired: Wiring, sent: Sent
) -> None:
    refused = _send(client, sent, "respond", response=" ", once=KEY)
    assert refused.status_code == 400
    assert refused.json == {"refused": {"field": "response", "message": "Tuliskan tanggapan Anda."}}
    assert _send(client, sent, "respond", response="Besok.", once=KEY).status_code == 200
    assert _ticket(wired, sent).state is TicketState.RESPONDED


def test_a_key_counts_for_its_own_link_only(
    client: FlaskClient, wired: Wiring, sent: Sent, a_ticket: Callable[..., Sent]
) -> None:
    other = a_ticket(2)
    for one in (sent, other):
        assert _send(client, one, "respond", response="Besok.", once=KEY).status_code == 200
        assert _ticket(wired, one).state is TicketState.RESPONDED


def test_what_is_no_key_is_taken_as_it_comes(
    client: FlaskClient, wired: Wiring, sent: Sent
) -> None:
    for key in ("", "short", "x" * 65, "ä" * 20, "a b" * 10):
        _send(client, sent, "accept", once=key)
    assert _ticket(wired, sent).state is TicketState.ACCEPTED
    with wired.store.read() as db:
        assert db.scalars(select(Submission)).all() == []


def test_a_link_that_ended_tells_the_script_so(
    client: FlaskClient, wired: Wiring, sent: Sent
) -> None:
    token = client.get(f"/p/{sent.token}/key").json
    assert token is not None
    with wired.store.write() as db:
        links.revoke(db, sent.link_id, datetime.now(UTC))
    assert client.get(f"/p/{sent.token}/key").status_code == 404
    answer = client.post(f"/p/{sent.token}/accept", data=token, headers=BOX)
    assert (answer.status_code, answer.json) == (404, {"refused": {"gone": True}})


def test_the_worker_is_fresh_each_time_and_rules_over_these_pages_only(
    client: FlaskClient,
) -> None:
    answer = client.get("/p/worker.js")
    assert answer.mimetype == "text/javascript"
    assert "no-cache" in answer.headers["Cache-Control"]
    assert "Service-Worker-Allowed" not in answer.headers


# ---------------------------------------------------------------- the PIN for closing


def test_the_first_report_chooses_the_pin_and_the_next_one_asks_for_it(
    client: FlaskClient, wired: Wiring, sent: Sent, a_ticket: Callable[..., Sent]
) -> None:
    assert 'id="pin_again"' in client.get(f"/p/{sent.token}").text
    refused = _act(client, sent, "report", **{**report_fields(), "pin_again": "2581"})
    assert refused.status_code == 400
    assert 'id="pin-problem"' in refused.text
    assert PIN not in refused.text
    assert _act(client, sent, "report", **report_fields()).status_code == 302
    with wired.store.read() as db:
        (told,) = db.scalars(select(Notice).where(Notice.kind.startswith("pin-chosen")))
        assert told.person_key == "pupr_1"
    second = a_ticket(2)
    assert 'id="pin_again"' not in client.get(f"/p/{second.token}").text
    wrong = _act(client, second, "report", **{**report_fields(), "pin": "1357"})
    assert (wrong.status_code, "PIN salah" in wrong.text) == (400, True)
    assert _ticket(wired, second).state is TicketState.DISPATCHED
    assert _act(client, second, "report", **report_fields()).status_code == 302


def test_only_closing_asks_for_a_pin(client: FlaskClient, wired: Wiring, sent: Sent) -> None:
    assert _act(client, sent, "accept").status_code == 302
    assert _act(client, sent, "respond", response="Besok.").status_code == 302
    assert _ticket(wired, sent).state is TicketState.RESPONDED


def test_the_map_opens_at_the_place_and_names_nobody(client: FlaskClient, sent: Sent) -> None:
    (url,) = re.findall(r'href="(https://[^"]+)"', client.get(f"/p/{sent.token}").text)
    assert "query=Depan%20Pasar%20Kidul%2C%20Kawan%2C%20Kec.%20Bangli" in url
    assert "Contoh" not in url


def test_without_an_exchange_that_connects_there_is_no_button(
    client: FlaskClient, sent: Sent
) -> None:
    assert "/call" not in client.get(f"/p/{sent.token}").text
    assert post(client, f"/p/{sent.token}/call").status_code == 404


def test_with_one_the_button_connects_and_the_number_stays_masked(
    client: FlaskClient,
    sent: Sent,
    link_of: Link,
    audits: Callable[[str], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Through:
        def connect(self, session: object, ticket_id: int, person_key: str, *, actor: str) -> None:
            asked.append((ticket_id, person_key, actor))

    monkeypatch.setattr(Wiring, "call_through", Through())
    page = client.get(f"/p/{sent.token}").text
    assert f'action="/p/{sent.token}/call"' in page
    assert "23456789" not in page
    assert post(client, f"/p/{sent.token}/call").status_code == 302
    assert asked == [(sent.ticket_id, "pupr_1", "person:pupr_1")]
    assert audits("citizen_called") == 1
    office = link_of(sent.ticket_id, "sekda")
    assert post(client, f"/p/{office}/call").status_code == 403
