"""What citizens give along: added at the desk, seen by the agency that has the ticket, no other."""

from __future__ import annotations

import io
from collections.abc import Callable

from flask.testing import FlaskClient

from callcenter.store.desk_models import ComplaintFile
from callcenter.wiring import Wiring
from tests.web.conftest import Sent, token_in
from tests.web.test_officer import picture

PDF = b"%PDF-1.7\n%%EOF"


def _add(client: FlaskClient, complaint_id: int, *files: tuple[bytes, str]) -> str:
    """The desk's page afterwards."""
    url = f"/complaints/{complaint_id}"
    data = {
        "csrf_token": token_in(client.get(url).text),
        "evidence_files": [(io.BytesIO(content), name) for content, name in files],
    }
    answer = client.post(f"{url}/files", data=data, content_type="multipart/form-data")
    assert answer.location == url
    return client.get(url).text


def test_a_photo_and_a_pdf_reach_the_agency_and_no_other(
    as_user: Callable[[str], FlaskClient],
    client: FlaskClient,
    wired: Wiring,
    a_ticket: Callable[..., Sent],
    audits: Callable[[str], int],
) -> None:
    sent, other = a_ticket(1), a_ticket(2, agency="dlh")
    page = _add(as_user("operator"), sent.complaint_id, (picture(), "a.jpg"), (PDF, "b.pdf"))
    assert "Lampiran tersimpan." in page
    assert "Lampiran ditambahkan" in page
    with wired.store.read() as db:
        photo, paper = db.query(ComplaintFile).order_by(ComplaintFile.id)
    assert (photo.media_type, paper.media_type) == ("image/jpeg", "application/pdf")
    shown = client.get(f"/p/{sent.token}/files/{photo.id}")
    assert shown.data[:3] == b"\xff\xd8\xff"
    saved = client.get(f"/p/{sent.token}/files/{paper.id}")
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert f"/p/{sent.token}/files/{photo.id}" in client.get(f"/p/{sent.token}").text
    assert client.get(f"/p/{other.token}/files/{photo.id}").status_code == 404
    officer = as_user("officer")
    assert officer.get(f"/tickets/{sent.ticket_id}/files/{photo.id}").status_code == 200
    assert officer.get(f"/tickets/{other.ticket_id}/files/{photo.id}").status_code == 404
    assert audits("file_seen") == 3


def test_the_same_file_again_is_one_and_anything_else_is_refused(
    as_user: Callable[[str], FlaskClient], wired: Wiring, a_ticket: Callable[..., Sent]
) -> None:
    sent, operator = a_ticket(1), as_user("operator")
    for _ in range(2):
        _add(operator, sent.complaint_id, (PDF, "a.pdf"))
    assert "tidak dapat dibaca" in _add(operator, sent.complaint_id, (b"MZ", "a.exe"))
    with wired.store.read() as db:
        assert db.query(ComplaintFile).count() == 1
