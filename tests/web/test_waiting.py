"""The waiting on screens: typed and proved by officers or the desk, listed, exported."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

from callcenter.domain.ticket import TicketState
from callcenter.services import tickets
from callcenter.store.models import Ticket
from callcenter.wiring import Wiring
from tests.services.test_waiting import PDF
from tests.web.conftest import Sent, post
from tests.web.test_officer import picture


@pytest.fixture
def sent(wired: Wiring, a_ticket: Callable[..., Sent]) -> Sent:
    """A ticket at PUPR that was responded to."""
    made = a_ticket(1)
    _respond(wired, made)
    return made


def _respond(wired: Wiring, sent: Sent) -> None:
    with wired.store.write() as db:
        tickets.respond(
            db,
            sent.ticket_id,
            text="Perlu aspal.",
            actor="person:pupr_1",
            now=datetime.now(UTC),
            rules=wired.rules,
        )


def _fields(**change: Any) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    fields = {
        "waiting_reason": "material",
        "evidence": "Surat 12/PU",
        "until": until,
        "approver": "I Wayan Artana",
    }
    return {**fields, **change}


def _state(wired: Wiring, sent: Sent) -> TicketState:
    with wired.store.read() as db:
        return db.get_one(Ticket, sent.ticket_id).state


def test_an_officer_proves_it_with_files_and_others_save_them(
    client: FlaskClient, wired: Wiring, sent: Sent, as_user: Callable[[str], FlaskClient]
) -> None:
    files = [(io.BytesIO(PDF), "../surat.pdf"), (io.BytesIO(picture()), "x.jpg")]
    page = f"/p/{sent.token}"
    answer = client.post(
        f"{page}/wait",
        data={
            "csrf_token": _token(client, page),
            **_fields(evidence=""),
            "evidence_files": files,
        },
    )
    assert answer.status_code == 302, answer.text
    found = re.findall(r'href="(/p/[^"]+/evidence/\d+)"', client.get(page).text)
    assert len(found) == 2
    pdf = client.get(found[0])
    assert (pdf.data, pdf.mimetype) == (PDF, "application/pdf")
    assert pdf.headers["Content-Disposition"].startswith("attachment; filename=")
    desk = as_user("operator")
    listed = re.findall(
        r'href="(/tickets/\d+/evidence/\d+)"', desk.get(f"/tickets/{sent.ticket_id}").text
    )
    assert desk.get(listed[1]).mimetype == "image/jpeg"


def _token(client: FlaskClient, page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert found
    return found[1]


def test_evidence_belongs_to_its_ticket_and_a_photo_of_a_report_is_none(
    client: FlaskClient, wired: Wiring, sent: Sent, a_ticket: Callable[..., Sent]
) -> None:
    other = a_ticket(2, agency="bpbd")
    page = f"/p/{sent.token}"
    post(
        client, f"{page}/wait", page, **_fields(), photos=[], evidence_files=(io.BytesIO(PDF), "a")
    )
    assert client.get(f"{page}/evidence/1").status_code == 200
    assert client.get(f"/p/{other.token}/evidence/1").status_code == 404
    assert client.get(f"{page}/photos/1.jpg").status_code == 404
    assert client.get(f"{page}/voices/1").status_code == 404


def test_a_file_that_is_none_is_named_at_its_field(
    client: FlaskClient, wired: Wiring, sent: Sent
) -> None:
    page = f"/p/{sent.token}"
    bad = (io.BytesIO(b"MZ virus"), "surat.pdf")
    answer = post(client, f"{page}/wait", page, **_fields(), photos=[], evidence_files=bad)
    assert answer.status_code == 400
    assert 'id="evidence_files-problem"' in answer.text
    assert "Surat 12/PU" in answer.text
    assert _state(wired, sent) is TicketState.RESPONDED


@pytest.mark.parametrize("username", ["officer", "operator", "supervisor"])
def test_the_console_marks_it_too(
    as_user: Callable[[str], FlaskClient], wired: Wiring, sent: Sent, username: str
) -> None:
    client, page = as_user(username), f"/tickets/{sent.ticket_id}"
    refused = post(client, f"{page}/wait", page, **_fields(approver=""))
    assert refused.status_code == 400
    assert 'id="approver-problem"' in refused.text
    assert "Surat 12/PU" in refused.text
    assert f'hx-get="{page}"' in refused.text
    assert post(client, f"{page}/wait", page, **_fields()).status_code == 302
    assert _state(wired, sent) is TicketState.WAITING
    assert "Pekerjaan harus menunggu" not in client.get(page).text


def test_an_officer_of_another_agency_marks_nothing(
    as_user: Callable[[str], FlaskClient], a_ticket: Callable[..., Sent]
) -> None:
    other = a_ticket(2, agency="bpbd")
    client = as_user("officer")
    url = f"/tickets/{other.ticket_id}/wait"
    assert post(client, url, "/tickets", **_fields()).status_code == 404


@pytest.fixture
def two(wired: Wiring, sent: Sent, a_ticket: Callable[..., Sent]) -> tuple[Sent, Sent]:
    """One that waits at PUPR, one at BPBD."""
    other = a_ticket(2, agency="bpbd")
    _respond(wired, other)
    for one, reason in ((sent, "material"), (other, "budget")):
        with wired.store.write() as db:
            tickets.wait(
                db,
                one.ticket_id,
                reason=tickets.WaitingReason(reason),
                note="Surat 12/PU",
                until=datetime.now(UTC) + timedelta(days=7),
                approver="I Wayan Artana",
                actor="person:pupr_1",
                now=datetime.now(UTC),
                rules=wired.rules,
            )
    return sent, other


def test_the_list_is_narrowed_by_reason_and_agency(
    as_user: Callable[[str], FlaskClient], two: tuple[Sent, Sent]
) -> None:
    client = as_user("supervisor")
    own, other = (f'href="/tickets/{one.ticket_id}"' for one in two)

    def shown(query: str) -> tuple[bool, bool]:
        page = client.get(f"/waiting{query}").text
        return own in page, other in page

    assert shown("") == (True, True)
    assert shown("?reason=budget") == (False, True)
    assert shown("?agency=pupr") == (True, False)
    assert shown("?agency=nobody&reason=nothing") == (True, True)


def test_an_officer_sees_and_exports_their_own_agency_only(
    as_user: Callable[[str], FlaskClient], two: tuple[Sent, Sent]
) -> None:
    client = as_user("officer")
    page = client.get("/waiting?agency=bpbd").text
    assert f'href="/tickets/{two[1].ticket_id}"' not in page
    sheet = _sheet(client.get("/waiting.xlsx?agency=bpbd").data)
    assert [cell.value for cell in sheet["C"]][7:9] == ["PUPR Perkim", None]


def _sheet(data: bytes) -> Any:
    return load_workbook(io.BytesIO(data))["Usulan Anggaran"]


def test_the_export_is_what_the_list_shows_and_is_written_down(
    as_user: Callable[[str], FlaskClient],
    two: tuple[Sent, Sent],
    audits: Callable[[str], int],
) -> None:
    client = as_user("supervisor")
    answer = client.get("/waiting.xlsx?reason=budget")
    assert answer.mimetype.endswith("spreadsheetml.sheet")
    assert re.search(
        r'filename="usulan-anggaran-semua-\d{8}\.xlsx"', answer.headers["Content-Disposition"]
    )
    sheet = _sheet(answer.data)
    assert sheet["A3"].value == "Instansi: Semua. Alasan: Anggaran."
    assert [cell.value for cell in sheet["C"]][7:9] == ["BPBD", None]
    assert audits("waiting_exported") == 1
