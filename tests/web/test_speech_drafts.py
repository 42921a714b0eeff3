"""A machine's draft beside the operator's text: shown when it is on, played, taken by a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import select

from callcenter.config.schema import Speech
from callcenter.gateways.hearing import EngineFailed, Heard, Word
from callcenter.services import drafts, speech_drafts
from callcenter.store.models import Complaint, Recording
from callcenter.store.speech_models import SpeechDraft
from callcenter.wiring import Wiring
from tests.web.conftest import Filer, axe, eventually, recording_id, shot

SAID = "Jalan di depan Pasar Kidul berlubang tadi malam ada yang jatuh di sana"
UNSURE = {"Kidul": 0.41, "jatuh": 0.59}


@pytest.fixture
def wired(wired: Wiring) -> Iterator[Wiring]:
    """The console where speech to text is on; no engine is needed to show what one wrote."""
    told = Speech(model=Path("models/small"))
    wired.config = wired.config.model_copy(update={"speech": told})
    return wired


class Ear:
    """An engine that heard `text`, a word every 0.14 seconds."""

    name, model = "faster-whisper", "small"

    def __init__(self, text: str = SAID, fails: str = "") -> None:
        words = text.split()
        self._words = tuple(
            Word(word, round(n * 0.14, 2), round(n * 0.14 + 0.14, 2), UNSURE.get(word, 0.97))
            for n, word in enumerate(words)
        )
        self._fails = fails

    def listen(self, _sound: Path) -> Heard:
        if self._fails:
            raise EngineFailed(self._fails)
        return Heard(self._words, "id", 2.0)


def want(wired: Wiring, complaint_id: int) -> list[int]:
    """Ask for drafts as the filing does; ids."""
    with wired.store.write() as db:
        call_id = db.get_one(Complaint, complaint_id).call_id
        found = db.scalars(select(Recording).where(Recording.call_id == call_id))
        speech_drafts.want(db, found, now=datetime.now(UTC))
    with wired.store.read() as db:
        return list(db.scalars(select(SpeechDraft.id).order_by(SpeechDraft.recording_id)))


def write(wired: Wiring, draft_id: int, ear: Ear | None = None) -> None:
    """What the worker does."""
    folder = wired.config.storage.recordings
    assert speech_drafts.write(
        wired.store, draft_id, ear or Ear(), folder, lambda: datetime.now(UTC)
    )


def test_the_desk_shows_words_and_which_of_them_are_uncertain(
    as_user: Callable[[str], FlaskClient], wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    (draft,) = want(wired, complaint_id)
    client = as_user("operator")
    page = client.get(f"/complaints/{complaint_id}").text
    assert "Mesin masih mendengarkan" in page
    url = f"/recordings/{recording_id(wired, complaint_id)}/words"
    assert f'hx-get="{url}"' in page
    assert client.get(url).status_code == 204
    write(wired, draft)
    part = client.get(url).text
    assert "hx-get" not in part
    assert part.count('class="word"') == 11
    assert part.count('class="word unsure"') == 2
    assert (
        'title="Keyakinan 41%" tabindex="-1">Kidul<span class="sr"> (kurang pasti)</span>' in part
    )
    assert 'title="Keyakinan 97%">Jalan</button>' in part
    with wired.store.read() as db:
        complaint = db.get_one(Complaint, complaint_id)
        assert (complaint.transcript, drafts.own(db, complaint_id)) == ("", None)


def test_a_recording_that_comes_while_the_desk_is_open_has_its_draft_there(
    as_user: Callable[[str], FlaskClient], wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    client = as_user("operator")
    url = f"/complaints/{complaint_id}/words?shown="
    assert f'hx-get="{url}0"' in client.get(f"/complaints/{complaint_id}").text
    assert client.get(f"{url}0").status_code == 204
    want(wired, complaint_id)
    assert "Mesin masih mendengarkan" in client.get(f"{url}0").text
    assert f'hx-get="{url}1"' in client.get(f"{url}0").text
    assert client.get(f"{url}1").status_code == 204


def test_words_of_a_machine_are_shown_as_text_only(
    as_user: Callable[[str], FlaskClient], wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    (draft,) = want(wired, complaint_id)
    write(wired, draft, Ear('<script>alert(1)</script> "><img/src=x>'))
    page = as_user("operator").get(f"/complaints/{complaint_id}").text
    assert "<script>alert" not in page
    assert "<img/src" not in page


@pytest.mark.parametrize(
    ("ear", "says"),
    [(Ear(""), "tidak mendengar kata"), (Ear(fails="died"), "Mesin tidak berhasil")],
)
def test_what_came_to_nothing_says_so(
    as_user: Callable[[str], FlaskClient], wired: Wiring, file_call: Filer, ear: Ear, says: str
) -> None:
    complaint_id = file_call()
    (draft,) = want(wired, complaint_id)
    with wired.store.write() as db:
        db.get_one(SpeechDraft, draft).tries = speech_drafts.TRIES - 1
    write(wired, draft, ear)
    assert says in as_user("operator").get(f"/complaints/{complaint_id}").text


def test_nothing_is_shown_where_it_is_off(
    as_user: Callable[[str], FlaskClient], wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call()
    (draft,) = want(wired, complaint_id)
    write(wired, draft)
    wired.config = wired.config.model_copy(update={"speech": None})
    client = as_user("operator")
    page = client.get(f"/complaints/{complaint_id}").text
    assert "Draf mesin" not in page
    assert "desk-speech.js" not in page
    assert "Alt W" not in page
    url = f"/recordings/{recording_id(wired, complaint_id)}/words"
    for address in (url, f"/complaints/{complaint_id}/words"):
        assert client.get(address).status_code == 404


@pytest.mark.browser
def test_a_draft_comes_by_itself_plays_by_word_and_becomes_text_by_one_key(
    page_as: Callable[..., Page], wired: Wiring, file_call: Filer
) -> None:
    complaint_id = file_call(1, kinds=("complaint", "name"))
    complaint, name = want(wired, complaint_id)
    page = page_as("operator")
    page.goto(f"/complaints/{complaint_id}")
    expect(page.get_by_text("Mesin masih mendengarkan")).to_have_count(2)
    page.keyboard.press("Alt+w")
    expect(page.locator("#transcript")).to_have_value("")
    write(wired, complaint)
    write(wired, name, Ear("I Wayan Contoh"))
    words = page.get_by_role("group", name="Draf mesin: Aduan").get_by_role("button")
    expect(words).to_have_count(13)
    expect(words.nth(4)).to_have_accessible_name("Kidul (kurang pasti)")
    assert axe(page) == []
    shot(page, "speech-draft", whole=True)

    words.nth(12).click()
    sound = f"document.querySelector('audio[src=\"/recordings/{recording_id(wired, complaint_id)}"
    eventually(page, f"{sound}.wav\"]').currentTime > 1.4")
    page.keyboard.press("Home")
    expect(words.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(words.nth(1)).to_be_focused()
    expect(words.first).to_have_attribute("tabindex", "-1")
    with wired.store.read() as db:
        assert drafts.own(db, complaint_id) is None  # heard and looked at, and nothing written

    page.keyboard.press("Alt+w")
    expect(page.locator("#transcript")).to_have_value(SAID)
    expect(page.locator("#transcript")).to_be_focused()
    page.keyboard.press("Control+z")
    expect(page.locator("#transcript")).to_have_value("")
    page.keyboard.type("Kata warga:")
    page.keyboard.press("Alt+w")
    expect(page.locator("#transcript")).to_have_value(f"Kata warga: {SAID}")
    page.get_by_role("button", name="Pakai sebagai teks").nth(1).click()
    expect(page.locator("#reporter_name")).to_have_value("I Wayan Contoh")
    eventually(page, "document.querySelector('form[data-draft]').dataset.kept === 'yes'")
    with wired.store.read() as db:
        own = drafts.own(db, complaint_id)
        assert own is not None
        assert own.fields["transcript"] == f"Kata warga: {SAID}"
        assert db.get_one(Complaint, complaint_id).transcript == ""
    page.keyboard.press("Alt+s")
    expect(page.get_by_text("Tersimpan.")).to_be_visible()
    with wired.store.read() as db:
        assert db.get_one(Complaint, complaint_id).transcript == f"Kata warga: {SAID}"
