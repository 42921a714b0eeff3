"""What a browser must not do with our pages: headers, CSRF, errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.conftest import ROOT, Sent
from tests.web.test_doors import DOORS

TEMPLATES = sorted((ROOT / "callcenter" / "web" / "templates").glob("*.html"))


def test_headers_on_every_answer(client: FlaskClient) -> None:
    for url in ("/sign-in", "/healthz", "/nothing-here", "/p/nonsense", "/static/app.css", "/"):
        headers = client.get(url).headers
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        if not url.startswith("/static"):
            assert headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda p: p.name)
def test_templates_hold_no_inline_script_and_no_inline_style(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\s(style=|on[a-z]+=|hx-on[^=]*=)", text)
    assert "<style" not in text
    assert "|safe" not in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda p: p.name)
def test_every_posting_form_carries_its_token(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    forms = re.findall(r"<form[^>]*(?:method=\"post\"|\{\{ act\()[^>]*>.{0,40}", text, re.DOTALL)
    assert all("csrf()" in form for form in forms)


def test_nothing_is_loaded_from_elsewhere() -> None:
    for file in (*TEMPLATES, *(ROOT / "callcenter" / "web" / "static").glob("app.*")):
        assert not re.search(r"(src|href|url\()=?\"?https?://", file.read_text(encoding="utf-8"))


#: Twilio's signature takes the token's place.
WITHOUT_TOKEN = {
    "twilio.voice",
    "twilio.status",
    "twilio.recording",
    "twilio_messages.message",
}
POSTS = {endpoint for endpoint, row in DOORS.items() if row[0] == "POST"}


@pytest.mark.parametrize("endpoint", sorted(POSTS - WITHOUT_TOKEN))
def test_a_post_without_a_token_changes_nothing(
    as_user: Callable[[str], FlaskClient], a_ticket: Callable[..., Sent], endpoint: str
) -> None:
    sent = a_ticket()
    url = DOORS[endpoint][1].format(c=sent.complaint_id, t=sent.ticket_id, k=sent.token)
    for fields in ({}, {"csrf_token": "made-up"}):
        answer = as_user("supervisor").post(url, data=fields)
        assert answer.status_code == 400
        assert "kedaluwarsa" in answer.text


def test_errors_are_pages_that_say_what_to_do(client: FlaskClient) -> None:
    answer = client.get("/nothing-here")
    assert answer.status_code == 404
    assert "Mulai lagi dari halaman depan" in answer.text
    assert client.get("/nothing-here", headers={"HX-Request": "true"}).text == ""
    assert client.post("/healthz", data={}).status_code in (400, 405)


def test_too_much_is_refused_with_a_remedy(client: FlaskClient) -> None:
    answer = client.post("/sign-in", data={"username": "x" * 2_000_000})
    assert answer.status_code == 413
    assert "Kiriman terlalu besar" in answer.text


def test_a_crash_is_a_calm_page_without_details(
    app: Flask, as_user: Callable[[str], FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_kinds: object) -> None:
        raise ValueError("secret detail")

    client = as_user("operator")
    monkeypatch.setattr("callcenter.store.queries.inbox", broken)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Ada kesalahan di pihak kami" in answer.text
    assert "secret detail" not in answer.text


def test_health_tells_no_names(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["status"] == "ok"
    assert set(answer.json) == {"status", "database", "parts", "alarms"}
    assert answer.json["alarms"] == []
