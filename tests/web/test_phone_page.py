"""The test phone in the browser: the same flow, filed through the spool, in the sample only."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page

from callcenter.web import create_app
from callcenter.wiring import Wiring
from ivr.numbers import is_valid
from ivr.spool import SpooledCall
from tests.web.conftest import (
    ROOT,
    Closing,
    Live,
    axe,
    build,
    enter,
    eventually,
    executable,
    shot,
    token_in,
)

PROMPTS = ROOT / "recordings" / "prompts" / "id"


@pytest.fixture
def wired(tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    """A console whose prompts are short: a third of a second each."""
    (tmp_path / "var").mkdir()
    shutil.copy(filled, tmp_path / "var" / "aduan24.db")
    built = build(tmp_path)
    prompts = built.config.storage.recordings / "prompts" / "id"
    prompts.mkdir(parents=True)
    for path in PROMPTS.glob("*.wav"):
        shutil.copy(PROMPTS / "pause.wav", prompts / path.name)
    monkeypatch.setattr("callcenter.web.phone.SAMPLE", PROMPTS / "thanks.wav")
    yield built
    built.store.engine.dispose()


class Handset:
    """The test phone without a browser."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client
        self._token = token_in(client.get("/phone/").text)
        self.doing: dict[str, Any] = {}

    def post(self, address: str, **how: Any) -> Any:
        return self._client.post(address, headers={"X-CSRFToken": self._token}, **how)

    def dials(self) -> dict[str, Any]:
        self.doing = self.post("/phone/calls").json
        return self.doing

    def does(self, keys: str = "", *, gone: bool = False) -> dict[str, Any]:
        form = {"step": self.doing["step"], "keys": keys, "gone": "1" if gone else ""}
        self.doing = self.post(self.doing["address"], data=form).json
        return self.doing

    def says(self, sound: bytes | None, ended: str = "silence", key: str = "") -> dict[str, Any]:
        query = {"step": str(self.doing["step"]), "ended": ended, "key": key}
        if sound is None:
            query["sample"] = "1"
        answer = self.post(f"{self.doing['address']}/clip", query_string=query, data=sound)
        assert answer.status_code == 200, answer.text
        self.doing = answer.json
        return self.doing

    def to_recording(self) -> dict[str, Any]:
        self.dials()
        for keys in ("", "", "1", "", ""):  # language, consent, menu, question, beep
            self.does(keys)
        assert self.doing["kind"] == "record"
        return self.doing


@pytest.fixture
def handset(as_user: Callable[[str], FlaskClient]) -> Handset:
    return Handset(as_user("supervisor"))


def only_call(wired: Wiring) -> SpooledCall:
    (call_id,) = wired.spool.call_ids()
    return wired.spool.read(call_id)


def test_a_call_is_filed_like_one(wired: Wiring, handset: Handset) -> None:
    handset.to_recording()
    assert handset.says(None)["kind"] == "ask"
    for keys in ("1", "", ""):  # review, name, beep
        handset.does(keys)
    handset.says(None)
    handset.does()
    handset.does()
    handset.says(None)
    assert handset.doing["kind"] == "type"
    handset.does("081234567890#")
    while handset.doing["kind"] != "end":
        handset.does()
    assert handset.doing["outcome"] == "filed"
    call = only_call(wired)
    assert call.ended_at
    assert is_valid(call.number or "")
    assert (call.node, call.kept) == ("phone", "complaint-1")
    assert [clip.kind for clip in call.clips] == ["complaint", "name", "village"]
    assert ("phone", "081234567890") in [(e.key, e.value) for e in call.events]


def test_what_the_microphone_heard_is_kept_as_a_telephone_carries_it(
    wired: Wiring, handset: Handset
) -> None:
    samples, rate = soundfile.read(PROMPTS / "thanks.wav", dtype="float32")
    loud = io.BytesIO()
    soundfile.write(loud, np.resize(samples, 700_000), rate * 6, format="WAV", subtype="PCM_16")
    assert len(loud.getvalue()) > 1_000_000
    handset.to_recording()
    handset.says(loud.getvalue(), "key", "#")
    clip = only_call(wired).clips[0]
    assert soundfile.info(clip.path).samplerate == 8000


@pytest.mark.parametrize("sound", [b"", b"RIFF", b"<html>", b"\0" * 5000])
def test_what_is_no_sound_is_refused_and_the_call_goes_on(handset: Handset, sound: bytes) -> None:
    doing = handset.to_recording()
    query = {"step": str(doing["step"]), "ended": "silence"}
    answer = handset.post(f"{doing['address']}/clip", query_string=query, data=sound)
    assert answer.status_code == 400
    assert handset.says(None)["kind"] == "ask"


def test_a_repeated_word_changes_nothing(handset: Handset) -> None:
    first = handset.dials()
    following = handset.does("2")
    handset.doing = first
    assert handset.does("3") == following


def test_a_hang_up_ends_the_call(wired: Wiring, handset: Handset) -> None:
    handset.to_recording()
    assert handset.does(gone=True)["kind"] == "end"
    assert only_call(wired).ended_at


def test_nobody_else_can_speak_in_a_call_or_hear_it(
    handset: Handset, as_user: Callable[[str], FlaskClient]
) -> None:
    doing = handset.to_recording()
    handset.says(None)
    other = Handset(as_user("admin"))
    assert other.post(doing["address"], data={"step": "1"}).status_code == 404
    client = as_user("admin")
    assert client.get(f"{doing['address']}/clips/complaint-1.wav").status_code == 404


def test_a_second_call_of_the_same_person_hangs_up_the_first(
    wired: Wiring, handset: Handset
) -> None:
    handset.dials()
    handset.dials()
    calls = [wired.spool.read(call_id) for call_id in wired.spool.call_ids()]
    assert [call.ended_at is not None for call in calls] == [True, False]


def test_outside_the_sample_set_up_there_is_no_test_phone(tmp_path: Path, filled: Path) -> None:
    folder = tmp_path / "real"
    (folder / "var").mkdir(parents=True)
    shutil.copy(filled, folder / "var" / "aduan24.db")
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    closed = build(folder, text.replace("sample: true", "sample: false", 1))
    app: Flask = create_app(closed)
    app.test_client_class = Closing
    client = enter(app.test_client(), "supervisor")
    assert client.get("/phone/").status_code == 404
    assert "Telepon uji" not in client.get("/").text
    closed.store.engine.dispose()


def test_the_microphone_is_for_this_page_alone(as_user: Callable[[str], FlaskClient]) -> None:
    client = as_user("supervisor")
    assert "microphone=(self)" in client.get("/phone/").headers["Permissions-Policy"]
    assert "microphone=()" in client.get("/tickets").headers["Permissions-Policy"]


@pytest.mark.browser
def test_a_newcomer_without_a_microphone_makes_a_call(
    wired: Wiring, page_as: Callable[..., Page]
) -> None:
    page = page_as("supervisor")
    page.goto("/phone/")
    assert axe(page) == []
    page.check("#phone-sample")
    page.click("#phone-dial")
    eventually(page, "document.querySelectorAll('#phone-said li').length > 0")
    eventually(page, "document.body.innerText.includes('Rekaman contoh diputar')", 20_000)
    eventually(page, "document.querySelectorAll('#phone-said li').length > 8")
    shot(page, "phone-in-a-call")
    assert axe(page) == []
    page.click("#phone-hang")
    eventually(page, "document.body.innerText.includes('Panggilan selesai')")
    call = only_call(wired)
    assert call.kept == "complaint-1"
    assert call.ended_at


@pytest.mark.browser
def test_a_real_microphone_is_recorded_until_a_key(
    wired: Wiring, live: Live, browser: Browser
) -> None:
    """Chromium's own microphone for tests beeps once a second."""
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", *fake]
    with browser.browser_type.launch(executable_path=executable(), args=flags) as chromium:
        page = chromium.new_page(base_url=live.url, permissions=["microphone"])
        page.goto("/sign-in")
        page.fill("#username", "supervisor")
        page.fill("#password", "bangli-era-baru")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        page.goto("/phone/")
        page.click("#phone-dial")
        eventually(page, "document.body.innerText.includes('Silakan bicara')", 20_000)
        page.wait_for_timeout(2500)  # so long somebody speaks
        lines = page.locator("#phone-said li").count()
        page.keyboard.press("5")
        eventually(page, f"document.querySelectorAll('#phone-said li').length > {lines + 1}")
        page.click("#phone-hang")
        eventually(page, "document.body.innerText.includes('Panggilan selesai')")
    clip = only_call(wired).clips[0]
    assert 1 < soundfile.info(clip.path).duration < 10
