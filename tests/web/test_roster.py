"""The page Piket: one's own team, the week with its gaps, swaps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import time_machine
from flask.testing import FlaskClient
from playwright.sync_api import Page

from callcenter.store.models import DutySwap
from callcenter.wiring import Wiring
from tests.web.conftest import ROOT, Live, axe, build, post, shot

NOON = "2026-03-02 04:00:00+00:00"  # Monday, noon in Bangli
ROSTER = """    roster:
      week:
        - {days: [mon, tue, wed, thu, fri], from: "07:00", to: "19:00", officers: [pupr_1]}
        - {from: "19:00", to: "05:00", officers: [pupr_2]}
    team:                     # in duty order: the first is on duty
      - {key: pupr_1,"""
SWAP = {
    "out": "pupr_1",
    "into": "pupr_2",
    "starts": "2026-03-02T13:00",
    "ends": "2026-03-02T19:00",
    "why": "Sakit",
}


@pytest.fixture
def wired(tmp_path: Path, filled: Path) -> Iterator[Wiring]:
    """PUPR has a plan, with a gap between five and seven, and at weekends by day."""
    (tmp_path / "var").mkdir()
    shutil.copy(filled, tmp_path / "var" / "aduan24.db")
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    team = (
        "    team:                     # in duty order: the first is on duty\n      - {key: pupr_1,"
    )
    assert team in text
    built = build(tmp_path, text.replace(team, ROSTER))
    yield built
    built.store.engine.dispose()


def _rows(wired: Wiring) -> list[tuple[str | None, str, str, str]]:
    with wired.store.read() as db:
        return [(s.out_key, s.in_key, s.why, s.made_by) for s in db.query(DutySwap)]


def test_the_week_shows_who_is_on_duty_and_where_nobody_is(
    as_user: Callable[[str], FlaskClient],
) -> None:
    with time_machine.travel(NOON, tick=False):
        page = as_user("admin").get("/roster?agency=pupr").text
        assert "Piket sekarang" in page
        assert "05.00–07.00" in page
        assert "Tidak ada petugas" in page
        assert "Seluruh tim piket" in as_user("admin").get("/roster?agency=pdam").text


def test_an_officer_sees_and_swaps_the_own_team_only(
    wired: Wiring, as_user: Callable[[str], FlaskClient]
) -> None:
    with time_machine.travel(NOON, tick=False):
        officer = as_user("officer")
        assert "PDAM" not in officer.get("/roster?agency=pdam").text
        assert post(officer, "/roster/pdam", "/roster", **SWAP).status_code == 404
        assert post(officer, "/roster/pupr", "/roster", **SWAP).status_code == 302
        assert _rows(wired) == [("pupr_1", "pupr_2", "Sakit", "officer")]
        page = officer.get("/roster").text
        assert "13.00–24.00" in page  # theirs already from nineteen on
        assert post(officer, "/roster/pupr/1/cancel", "/roster").status_code == 302
        assert "Dibatalkan" in officer.get("/roster").text


@pytest.mark.parametrize("field", ["into", "starts", "ends", "why"])
def test_what_is_missing_comes_back_with_what_was_typed(
    wired: Wiring, as_user: Callable[[str], FlaskClient], field: str
) -> None:
    with time_machine.travel(NOON, tick=False):
        answer = post(as_user("admin"), "/roster/pupr", "/roster", **{**SWAP, field: ""})
    assert answer.status_code == 400
    assert f'id="{field}-problem"' in answer.text
    assert _rows(wired) == []


@pytest.mark.browser
def test_the_page_is_usable_by_everybody(live: Live, page_as: Callable[[str], Page]) -> None:
    page = page_as("officer")
    page.goto(f"{live.url}/roster")
    assert axe(page) == []
    shot(page, "roster")
