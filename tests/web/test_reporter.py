"""One person's history by their number: found by every way they came, the number masked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page

from callcenter.domain.complaint import ComplaintState, Outcome
from callcenter.store import desk_queries
from callcenter.store.models import Complaint
from callcenter.wiring import Wiring
from tests.web.conftest import Filer, axe, shot
from tests.web.test_counter import wrote

NUMBER = "+6281234567801"


@pytest.fixture
def person(wired: Wiring, file_call: Filer) -> list[int]:
    """One who called, one whose telephone was written down, one solved; and somebody else."""
    ids = [file_call(n, ago=timedelta(days=n)) for n in (1, 2, 3, 4)]
    with wired.store.write() as db:
        for complaint_id in ids[1:3]:
            db.get_one(Complaint, complaint_id).reporter_phone = NUMBER
        solved = db.get_one(Complaint, ids[1])
        solved.state, solved.outcome = ComplaintState.CLOSED, Outcome.SOLVED
        db.get_one(Complaint, ids[2]).state = ComplaintState.NOT_ACTIONABLE
    wrote(wired, "Masih gelap", sender=NUMBER)
    return ids


def test_a_persons_past_is_counted_and_listed_and_nobody_elses(
    as_user: Callable[[str], FlaskClient],
    wired: Wiring,
    person: list[int],
    audits: Callable[[str], int],
) -> None:
    with wired.store.read() as db:
        past = desk_queries.past_of(db, {NUMBER}, but=person[0])
        assert past == desk_queries.Past(2, 1, 0, 1, 1, 0, 1)
        assert desk_queries.past_of(db, set(), but=0) == desk_queries.Past()
    operator = as_user("operator")
    assert f"/complaints/{person[0]}/person" in operator.get(f"/complaints/{person[0]}").text
    page = operator.get(f"/complaints/{person[0]}/person").text
    assert [f'id="c{i}"' in page for i in person] == [False, True, True, False]
    assert "•••801" in page
    assert NUMBER not in page
    assert audits("person_history_seen") == 1


@pytest.mark.browser
def test_the_history_is_accessible(page_as: Callable[..., Page], person: list[int]) -> None:
    page = page_as("operator")
    page.goto(f"/complaints/{person[0]}/person")
    assert axe(page) == []
    shot(page, "person")
    page.get_by_role("button", name="English").click()
    page.emulate_media(color_scheme="dark")
    assert axe(page) == []
