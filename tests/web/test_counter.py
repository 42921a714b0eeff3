"""The inbox beyond calls: citizens' messages, what is taken down by hand, and how much waits."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import select

from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint
from callcenter.wiring import Wiring
from tests.web.conftest import Filer, post


@pytest.fixture
def operator(as_user: Callable[[str], FlaskClient]) -> FlaskClient:
    """Somebody at the desk."""
    return as_user("operator")


def wrote(wired: Wiring, body: str, *, minutes_ago: int = 0, sender: str = "+6281234567877") -> int:
    """A citizen's message to the hotline."""
    with wired.store.write() as db:
        row = InboundMessage(
            provider_id=f"SM{body}",
            channel="whatsapp",
            sender=sender,
            body=body,
            received_at=datetime.now(UTC) - timedelta(minutes=minutes_ago),
            result="stranger",
        )
        db.add(row)
        db.flush()
        return row.id


def test_messages_are_in_the_inbox_with_what_sounds_urgent_on_top(
    operator: FlaskClient, wired: Wiring
) -> None:
    old = wrote(wired, "Lampu mati", minutes_ago=90)
    urgent = wrote(wired, "Rumah terbakar!", minutes_ago=1)
    wrote(wired, "Jalan <b>rusak</b>", minutes_ago=5)
    page = operator.get("/?tab=messages").text
    assert page.index(f'id="m{urgent}"') < page.index(f'id="m{old}"')
    assert "&lt;b&gt;" in page
    assert "•••877" in page
    assert "+6281234567877" not in page


def test_a_message_becomes_a_complaint_at_the_desk(operator: FlaskClient, wired: Wiring) -> None:
    message_id = wrote(wired, "Lampu mati di Kubu")
    answer = post(operator, f"/inbox/messages/{message_id}/complaint", page="/?tab=messages")
    desk = operator.get(answer.location).text
    assert re.search(r"PIN \d{4}", desk)
    assert ">Lampu mati di Kubu</textarea>" in desk
    assert "Percakapan dengan warga" in desk
    again = post(operator, f"/inbox/messages/{message_id}/complaint", page="/calls")
    assert again.location == "/?tab=messages"
    assert "sudah diurus" in operator.get(again.location).text


def test_a_message_joins_the_senders_complaint(
    operator: FlaskClient, wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call(1)
    message_id = wrote(wired, "Masih rusak", sender="+6281234567801")
    page = operator.get("/?tab=messages").text
    number = re.search(rf'id="number{message_id}"[^>]*value="([^"]+)"', page)
    assert number
    url = f"/inbox/messages/{message_id}/join"
    answer = post(operator, url, page="/?tab=messages", number=number[1])
    assert answer.location == f"/complaints/{complaint_id}"
    assert "Masih rusak" in operator.get(answer.location).text


def test_who_comes_to_the_counter_gets_number_and_pin(operator: FlaskClient, wired: Wiring) -> None:
    fields = {"source": "walk_in", "text": "Pipa bocor", "came_at": "2026-03-10T09:00"}
    refused = post(operator, "/complaints/new", page="/complaints/new", **{**fields, "text": ""})
    assert refused.status_code == 400
    assert 'id="text-problem"' in refused.text
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")
    answer = post(
        operator, "/complaints/new", page="/complaints/new", **{**fields, "came_at": moment}
    )
    desk = operator.get(answer.location).text
    assert re.search(r"PIN \d{4}", desk)
    assert "Datang langsung" in desk
    with wired.store.read() as db:
        assert db.scalars(select(Complaint)).one().channel == "walk_in"


# ---------------------------------------------------------------- in a browser


@pytest.mark.browser
def test_the_title_counts_and_the_bell_rings_until_it_is_switched_off(
    page_as: Callable[..., Page], wired: Wiring, file_call: Filer
) -> None:
    page = page_as("operator")
    expect(page).to_have_title(re.compile(r"^Kotak masuk"))
    with page.expect_request("**/new.wav"):
        file_call(1)
    expect(page).to_have_title(re.compile(r"^\(1\) Kotak masuk"))
    wrote(wired, "Lampu mati")
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    page.get_by_role("button", name="Suara").click()
    rings: list[Any] = []
    page.on("request", lambda asked: rings.append(asked) if "new.wav" in asked.url else None)
    file_call(2)
    expect(page).to_have_title(re.compile(r"^\(3\) "))
    assert rings == []
    page.reload()
    expect(page.get_by_role("button", name="Suara")).to_have_attribute("aria-pressed", "false")
