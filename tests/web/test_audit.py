"""The audit page: who did what, by person, action or thing; and whether the record is whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import update

from callcenter.clock import audit_duties
from callcenter.domain.presence import State
from callcenter.services import alarms, audit
from callcenter.store.models import Audit
from callcenter.web.audit_words import ACTIONS
from callcenter.wiring import Wiring
from tests.web.conftest import ROOT, Filer, axe, recording_id, shot

AsUser = Callable[[str], FlaskClient]


def night(wired: Wiring, at: datetime | None = None) -> None:
    """What the clock does for the record, until it has nothing more to do."""
    for duty in audit_duties(wired):
        while duty.work(at or datetime.now(UTC)):
            pass


def test_what_people_did_is_listed_and_filtered(
    wired: Wiring, as_user: AsUser, file_call: Filer
) -> None:
    complaint = file_call()
    operator, supervisor = as_user("operator"), as_user("supervisor")
    operator.get(f"/recordings/{recording_id(wired, complaint)}.wav")
    operator.get(f"/complaints/{complaint}")
    assert "Memutar rekaman" in _rows(supervisor.get("/audit").text)
    assert "menunggu" in supervisor.get("/audit").text
    of_one = _rows(supervisor.get(f"/audit?thing=complaint:{complaint}").text)
    assert "Membuka aduan" in of_one and "Memutar rekaman" not in of_one
    of_supervisor = _rows(supervisor.get("/audit?actor=supervisor").text)
    assert "Telah masuk" in of_supervisor and "Membuka aduan" not in of_supervisor
    nothing = supervisor.get("/audit?actor=%00%27%3B--&action=nonsense").text
    assert "Tidak ada catatan." in nothing


def _rows(page: str) -> str:
    return page[page.index("<tbody>") :]


def test_a_night_seals_examines_and_says_so(wired: Wiring, as_user: AsUser) -> None:
    supervisor = as_user("supervisor")
    assert "Belum pernah diperiksa." in supervisor.get("/audit").text
    night(wired)
    page = supervisor.get("/audit").text
    assert "Terakhir diperiksa" in page and "kerusakan" not in page
    heads = (wired.config.storage.state / "audit-heads.txt").read_text().splitlines()
    assert len(heads) == 1


def test_a_change_behind_our_back_is_an_alarm_until_the_record_is_whole_again(
    wired: Wiring, as_user: AsUser
) -> None:
    supervisor = as_user("supervisor")
    night(wired)
    with wired.store.engine.begin() as db:
        db.execute(update(Audit).where(Audit.place == 1).values(actor="orang lain"))
    now = datetime.now(UTC)
    night(wired, now + timedelta(days=1))
    page = supervisor.get("/audit").text
    assert "menemukan 1 kerusakan, mulai pada tempat 1" in page
    assert "Rantai catatan audit tidak utuh" in page
    with wired.store.engine.begin() as db:
        db.execute(update(Audit).where(Audit.place == 1).values(actor="admin"))
    night(wired, now + timedelta(days=2))
    with wired.store.read() as db:
        assert alarms.standing(db, "audit") is None


def test_every_action_has_its_words() -> None:
    code = "".join(path.read_text() for path in (ROOT / "callcenter").rglob("*.py"))
    written = set(re.findall(r'action="([a-z_]+)"(?!,? *help)', code))
    written |= set(re.findall(r'seen\([^)]*, "([a-z_]+)"\)', code)) | {"sign_in_failed"}
    written |= {f"operator_{state}" for state in State}
    assert written - {"store_true"} <= set(ACTIONS)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1366, False), (1366, True), (768, False)])
def test_the_page_is_accessible(
    wired: Wiring,
    page_as: Callable[..., Page],
    file_call: Filer,
    width: int,
    dark: bool,
) -> None:
    complaint = file_call()
    with wired.store.write() as db:
        for n in range(60):
            audit.record(
                db,
                actor="person:pupr_1",
                action=list(ACTIONS)[n % len(ACTIONS)],
                thing=f"complaint:{complaint}",
                now=datetime.now(UTC),
                address="10.1.2.3",
                detail={"reason": "permintaan warga", "n": n},
            )
    night(wired)
    page = page_as("admin", width=width, dark=dark)
    page.goto("/audit")
    expect(page.get_by_role("heading", name="Catatan audit")).to_be_visible()
    assert axe(page) == []
    shot(page, f"audit-{width}{'-dark' if dark else ''}")
    page.get_by_role("link", name="Lebih lama").click()
    expect(page).to_have_url(re.compile("before="))
