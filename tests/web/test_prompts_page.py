"""The line's voices on screen: heard, recorded, given back; nothing but sound gets in."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserType, FilePayload, Page, expect
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from callcenter.store.models import Audit
from callcenter.wiring import Wiring
from ivr.prompt_manifest import read_manifest
from ivr.prompts import SHIPPED
from ivr.speaking import loudness
from ivr.wav import read_samples
from tests.web.conftest import CHROMIUM, axe, eventually, executable, post, shot, token_in

PAGE = "/prompts/id/thanks"


@pytest.fixture(autouse=True)
def prompts(wired: Wiring) -> Path:
    """The shipped voices in the recordings folder of this console."""
    folder = wired.config.storage.recordings / "prompts"
    shutil.copytree(SHIPPED, folder)
    (folder / "names.json").unlink(missing_ok=True)
    return folder


@pytest.fixture
def admin(as_user: Callable[[str], FlaskClient]) -> FlaskClient:
    """Whoever may change what the line says."""
    return as_user("admin")


def speech(seconds: float = 1.0, kind: str = "WAV") -> bytes:
    """A file of something loud enough to be a voice."""
    at = np.arange(int(seconds * 16_000)) / 16_000
    out = io.BytesIO()
    samples = 0.05 * np.sin(2 * np.pi * 220 * at) * np.sin(2 * np.pi * 3 * at)
    soundfile.write(out, samples, 16_000, format=kind)
    return out.getvalue()


def send(
    client: FlaskClient, data: bytes, url: str = PAGE, name: str = "a.wav", **fields: str
) -> TestResponse:
    """Upload a recording as the form does."""
    token = token_in(client.get(url).text)
    sound = FileStorage(io.BytesIO(data), name, content_type="audio/wav")
    boundary, body = encode_multipart({"csrf_token": token, "recording": sound, **fields})
    return client.post(url, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def audits(wired: Wiring, action: str) -> list[Audit]:
    with wired.store.read() as db:
        return list(db.scalars(select(Audit).where(Audit.action == action)))


def test_the_list_says_what_is_said_and_who_says_it(admin: FlaskClient) -> None:
    page = admin.get("/prompts").text
    assert "Terima kasih. Aduan Anda segera kami teruskan." in page
    assert "0 dari" in page
    assert 'src="/prompts/id/thanks.wav?v=' in page
    assert "Mesin" in page and "Belum ada suara" in page  # names are spoken at the start
    balinese = admin.get("/prompts?language=ban").text
    assert "Matur suksma." in balinese
    assert balinese.index("Matur suksma.") < balinese.index("Darurat, tekan bintang.")
    assert "Terima kasih." in admin.get("/prompts?language=xx").text


def test_a_prompt_is_played_as_callers_hear_it(admin: FlaskClient, prompts: Path) -> None:
    answer = admin.get(f"{PAGE}.wav")
    assert answer.data == (prompts / "id/thanks.wav").read_bytes()
    borrowed = admin.get("/prompts/ban/officer_menu.wav")
    assert borrowed.data == (prompts / "id/officer_menu.wav").read_bytes()
    assert admin.get(f"{PAGE}.wav", headers={"Range": "bytes=0-3"}).data == b"RIFF"
    assert admin.get("/prompts/id/agency_pupr.wav").status_code == 404


@pytest.mark.parametrize("path", ["/prompts/xx/thanks", "/prompts/id/nothing", "/prompts/id/beep"])
def test_what_is_no_prompt_is_not_found(admin: FlaskClient, path: str) -> None:
    assert admin.get(path).status_code == 404
    assert admin.get(f"{path}.wav").status_code == 404
    assert post(admin, path, page=PAGE).status_code == 404
    assert post(admin, f"{path}/revert", page=PAGE).status_code == 404


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_recording_takes_the_place_of_the_machine_s(
    admin: FlaskClient, wired: Wiring, prompts: Path, kind: str
) -> None:
    answer = send(admin, speech(kind=kind), name=f"a.{kind.lower()}")
    assert answer.headers["Location"] == "/prompts?language=id#thanks"
    made = read_manifest(prompts)["id"]["thanks"]
    assert made.human and made.text == "Terima kasih. Aduan Anda segera kami teruskan."
    data, rate = read_samples(prompts / "id/thanks.wav")
    assert rate == 8000
    samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768
    assert loudness(samples, rate) == pytest.approx(-20, abs=0.5)
    page = admin.get("/prompts").text
    assert "Suara baru dipakai" in page and "1 dari" in page
    row = audits(wired, "prompt_recorded")[0]
    assert (row.actor, row.thing) == ("admin", "prompt:id/thanks")
    assert row.detail["sha256"] == made.file_sha256 and row.detail["before_human"] is False


def test_the_machine_s_voice_comes_back(admin: FlaskClient, wired: Wiring, prompts: Path) -> None:
    machine = (prompts / "id/thanks.wav").read_bytes()
    send(admin, speech())
    assert post(admin, f"{PAGE}/revert", page=PAGE).status_code == 302
    assert (prompts / "id/thanks.wav").read_bytes() == machine
    assert not read_manifest(prompts)["id"]["thanks"].human
    assert audits(wired, "prompt_reverted")[0].detail["before_human"] is True
    again = post(admin, f"{PAGE}/revert", page=PAGE)
    assert again.status_code == 400 and "sudah suara mesin" in again.text


def test_what_balinese_borrows_can_be_recorded_in_it_and_given_back(
    admin: FlaskClient, prompts: Path
) -> None:
    url = "/prompts/ban/month_1"
    send(admin, speech(), url)
    assert read_manifest(prompts)["ban"]["month_1"].human
    assert (prompts / "ban/month_1.wav").exists()
    assert post(admin, f"{url}/revert", page=url).status_code == 302
    assert not (prompts / "ban/month_1.wav").exists()
    assert "Bahasa Indonesia" in admin.get(url).text


def test_the_name_of_an_agency_can_be_recorded(admin: FlaskClient, prompts: Path) -> None:
    assert send(admin, speech(), "/prompts/id/agency_pupr").status_code == 302
    assert read_manifest(prompts)["id"]["agency_pupr"].human
    assert "agency_pupr" not in (prompts / "manifest.json").read_text()


def test_a_person_s_recording_whose_text_changed_is_flagged(
    admin: FlaskClient, wired: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "/prompts/id/welcome_consent"
    send(admin, speech(), url)
    assert "Teks berubah" not in admin.get(url).text
    storage = wired.config.storage.model_copy(update={"retention_days": 730})
    monkeypatch.setattr(wired, "config", wired.config.model_copy(update={"storage": storage}))
    page = admin.get("/prompts").text
    assert "Teks sudah berubah, suaranya belum:" in page
    assert "dua tahun" in admin.get(url).text and "satu tahun" in admin.get(url).text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "Rekam dulu"),
        (b"<?php system($_GET[0]);", "kirim WAV, FLAC, OGG, atau MP3"),
        (b"\x1aE\xdf\xa3" + bytes(400), "kirim WAV, FLAC, OGG, atau MP3"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f" + bytes(64), "kirim WAV, FLAC"),
        (speech()[:400], "Tidak ada suara"),
        (speech(62, "FLAC"), "lebih dari satu menit"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_remedy(
    admin: FlaskClient, wired: Wiring, prompts: Path, data: bytes, words: str
) -> None:
    before = (prompts / "id/thanks.wav").read_bytes()
    answer = send(admin, data, name="../../../etc/passwd")
    assert answer.status_code == 400
    assert words in answer.text
    assert (prompts / "id/thanks.wav").read_bytes() == before
    assert audits(wired, "prompt_recorded") == []


def test_a_form_without_a_file_says_what_to_do(admin: FlaskClient) -> None:
    answer = post(admin, PAGE, page=PAGE)
    assert answer.status_code == 400
    assert "Rekam dulu, atau pilih berkas suara." in answer.text


def test_a_sound_may_be_larger_than_a_form_and_has_its_limit(admin: FlaskClient) -> None:
    answer = send(admin, b"RIFF" + bytes(11_000_000))
    assert answer.status_code == 400
    answer = send(admin, b"RIFF" + bytes(12_100_000))
    assert answer.status_code == 413
    assert "Kurangi jumlah atau ukuran berkas" in answer.text


def test_without_espeak_the_person_s_voice_stays(
    admin: FlaskClient, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "/prompts/id/agency_pupr"
    send(admin, speech(), url)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ADUAN24_PARTS", str(tmp_path))
    answer = post(admin, f"{url}/revert", page=url)
    assert answer.status_code == 400 and "pasang espeak-ng" in answer.text
    assert read_manifest(prompts)["id"]["agency_pupr"].human


def test_saving_goes_on_to_the_next_that_nobody_has_spoken(admin: FlaskClient) -> None:
    send(admin, speech(), "/prompts/id/failed")
    answer = send(admin, speech(), "/prompts/id/fallback_intro", then="next")
    assert answer.headers["Location"] == "/prompts/id/busy"
    answer = send(admin, speech(), "/prompts/id/busy", then="next")
    assert answer.headers["Location"] == "/prompts/id/no_room"  # "failed" has been spoken
    answer = send(admin, speech(), "/prompts/ban/under_a_minute", then="next")
    assert answer.headers["Location"] == "/prompts/ban/welcome_consent"  # its own texts alone


def test_only_the_page_that_records_may_listen(admin: FlaskClient, client: FlaskClient) -> None:
    assert "microphone=(self)" in admin.get(PAGE).headers["Permissions-Policy"]
    assert "microphone=(self)" in send(admin, b"x").headers["Permissions-Policy"]
    for url in ("/prompts", "/prompts/id/thanks.wav", "/tickets", "/messages"):
        assert "microphone=()" in admin.get(url).headers["Permissions-Policy"]
    assert "microphone=()" in client.get("/sign-in").headers["Permissions-Policy"]


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser(chromium: BrowserType) -> Iterator[Browser]:
    """Chromium with a microphone that beeps once a second and is allowed."""
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with chromium.launch(executable_path=executable(), args=[*CHROMIUM, *flags]) as started:
        yield started


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_are_accessible(page_as: Callable[..., Page], dark: bool) -> None:
    page = page_as("admin", dark=dark)
    for path in ("/prompts?language=ban", PAGE):
        page.goto(path)
        assert axe(page) == [], path
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
        shot(page, f"{'dark' if dark else 'light'}{path.replace('/', '-').replace('?', '-')}")


@pytest.mark.browser
def test_a_prompt_is_recorded_with_the_microphone(
    page_as: Callable[..., Page], prompts: Path
) -> None:
    page = page_as("admin")
    page.goto(PAGE)
    page.click("#take")
    expect(page.locator("#clock")).to_have_text("0:02", timeout=10_000)
    expect(page.locator("#take")).to_have_text("Berhenti")
    page.click("#take")
    eventually(page, "document.getElementById('recording').files.length === 1")
    expect(page.locator("#told")).to_contain_text("Rekaman siap")
    page.click("#hear")
    shot(page, "prompt-recorded")
    page.click("button.main")
    expect(page.locator(".banner.ok")).to_contain_text("Suara baru dipakai")
    made = read_manifest(prompts)["id"]["thanks"]
    assert made.human and 0.1 < made.seconds < 4


@pytest.mark.browser
def test_a_browser_s_own_kind_of_file_is_turned_into_one_that_can_be_read(
    page_as: Callable[..., Page], prompts: Path
) -> None:
    page = page_as("admin")
    page.goto(PAGE)
    ogg = FilePayload(name="voice.opus", mimeType="audio/ogg", buffer=speech(kind="OGG"))
    page.set_input_files("#recording", ogg)
    eventually(page, "document.getElementById('recording').files[0].name === 'recording.wav'")
    page.click("button.main")
    expect(page.locator(".banner.ok")).to_be_visible()
    assert read_manifest(prompts)["id"]["thanks"].human


@pytest.mark.browser
def test_without_scripts_a_file_is_enough(tab: Callable[..., Page], prompts: Path) -> None:
    page = tab(scripts=False, width=360, height=700)
    page.goto("/sign-in")
    page.fill("#username", "admin")
    page.fill("#password", "bangli-era-baru")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tickets")
    page.goto(PAGE)
    expect(page.locator("#recorder")).to_be_hidden()
    wav = FilePayload(name="a.wav", mimeType="audio/wav", buffer=speech())
    page.set_input_files("#recording", wav)
    shot(page, "prompt-phone")
    page.click("button.main")
    expect(page.locator(".banner.ok")).to_be_visible()
    assert read_manifest(prompts)["id"]["thanks"].human
