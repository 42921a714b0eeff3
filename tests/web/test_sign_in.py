"""Signing in: slow for guessers, new session, ended from the office, never off to another site."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask, session
from flask.testing import FlaskClient

from callcenter.services import accounts
from callcenter.web import create_app
from callcenter.web.security import local_path
from tests.web.conftest import PASSWORD, ROOT, build, enter, post

Audits = Callable[[str], int]


def test_right_password_opens_the_inbox(client: FlaskClient, audits: Audits) -> None:
    enter(client, "operator")
    assert "Kotak masuk" in client.get("/").text
    assert audits("sign_in") == 1


@pytest.mark.parametrize("username", ["operator", "nobody"])
def test_wrong_password_and_unknown_name_read_alike(
    client: FlaskClient, audits: Audits, username: str
) -> None:
    answer = post(client, "/sign-in", username=username, password="wrong-password")
    assert answer.status_code == 401
    assert "tidak cocok" in answer.text
    assert f'value="{username}"' in answer.text  # nothing typed is lost but the password
    assert "wrong-password" not in answer.text
    assert audits("sign_in_failed") == 1


def test_guessing_is_slowed_and_the_page_says_until_when(client: FlaskClient) -> None:
    answers = [post(client, "/sign-in", username="operator", password="x" * 12) for _ in range(6)]
    assert [a.status_code for a in answers[:5]] == [401] * 5
    assert answers[5].status_code == 429
    assert int(answers[5].headers["Retry-After"]) > 0
    assert "Coba lagi pukul" in answers[5].text
    right = post(client, "/sign-in", username="operator", password=PASSWORD)
    assert right.status_code == 429  # the right password has to wait too
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=16)):
        assert post(client, "/sign-in", username="operator", password=PASSWORD).status_code == 302


def test_a_planted_session_is_worthless_after_sign_in(client: FlaskClient) -> None:
    client.get("/sign-in")
    with client.session_transaction() as planted:
        planted["sid"], planted["evil"] = "known-to-the-attacker", "1"
        before = planted["csrf_token"]
    enter(client, "operator")
    with client.session_transaction() as now:
        assert now["sid"] != "known-to-the-attacker"
        assert "evil" not in now
        assert now.get("csrf_token") != before


def test_signing_out_closes_the_door(client: FlaskClient, audits: Audits) -> None:
    enter(client, "operator")
    assert post(client, "/sign-out", page="/").status_code == 302
    assert client.get("/").status_code == 302
    assert audits("sign_out") == 1


def test_a_new_password_ends_open_sessions(client: FlaskClient, app: Flask) -> None:
    enter(client, "operator")
    store = app.extensions["aduan24"].store
    with store.write() as db:
        accounts.set_password(db, "operator", "another-password", now=datetime.now(UTC))
    assert client.get("/").status_code == 302


def test_a_disabled_user_is_out_at_once(client: FlaskClient, app: Flask) -> None:
    enter(client, "operator")
    with app.extensions["aduan24"].store.write() as db:
        accounts.disable(db, "operator", now=datetime.now(UTC))
    assert client.get("/").status_code == 302


def test_an_idle_session_ends_and_a_busy_one_does_not(client: FlaskClient) -> None:
    start = datetime.now(UTC)
    enter(client, "operator")
    for hours in (6, 12, 21.9):
        with time_machine.travel(start + timedelta(hours=hours)):
            assert client.get("/").status_code == 200
    with time_machine.travel(start + timedelta(hours=32)):
        assert client.get("/").status_code == 302


def test_a_list_that_refreshes_itself_keeps_no_session_alive(client: FlaskClient) -> None:
    start = datetime.now(UTC)
    enter(client, "operator")
    with time_machine.travel(start + timedelta(hours=9)):
        assert client.get("/", headers={"HX-Request": "true"}).status_code == 200
    with time_machine.travel(start + timedelta(hours=10, minutes=1)):
        assert client.get("/", headers={"HX-Request": "true"}).status_code == 401


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(client: FlaskClient) -> None:
    cookie = client.get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie  # the sample is served without TLS on loopback


def test_cookie_is_secure_where_the_console_is_https(tmp_path: Path) -> None:
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    wired = build(tmp_path, text.replace("http://127.0.0.1:8024", "https://aduan.example.org"))
    browser = create_app(wired).test_client()
    answer = browser.get("/sign-in", base_url="https://aduan.example.org")
    wired.store.engine.dispose()
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]


ELSEWHERE = (
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\tevil",
    "/\n/evil.example",
    "javascript:alert(1)",
    "evil",
    "",
)


@pytest.mark.parametrize("target", ELSEWHERE)
def test_next_never_leaves_the_console(client: FlaskClient, target: str) -> None:
    answer = post(client, "/sign-in", username="operator", password=PASSWORD, next=target)
    assert answer.headers["Location"] == "/"


def test_next_leads_back_to_the_page_that_was_asked_for(client: FlaskClient) -> None:
    first = client.get("/tickets?tab=done")
    assert first.headers["Location"] == "/sign-in?next=/tickets?tab%3Ddone"
    answer = post(
        client, "/sign-in", username="operator", password=PASSWORD, next="/tickets?tab=done"
    )
    assert answer.headers["Location"] == "/tickets?tab=done"
    assert local_path("/complaints/4") == "/complaints/4"


def test_the_reader_chooses_the_language(app: Flask) -> None:
    with app.test_client() as client:
        assert "Masuk ke konsol" in client.get("/sign-in").text
        assert post(client, "/language", language="en", next="/sign-in").status_code == 302
        assert "Sign in to the console" in client.get("/sign-in").text
        enter(client, "operator")
        assert "Inbox" in client.get("/").text
        assert session["language"] == "en"
        post(client, "/language", page="/", language="xx")
        assert "Inbox" in client.get("/").text
