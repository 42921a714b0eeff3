"""The operator's telephone on every page: the operator's word, who calls, and the caller's form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import select

from callcenter.domain.presence import NO_ANSWER, Board, Leg, Member, Phone, State
from callcenter.services import heartbeats, intake, presences, talks
from callcenter.services.intake import Clip, HeardCall
from callcenter.services.talks import Follower
from callcenter.store.models import Complaint, User
from callcenter.store.operator_models import Presence
from callcenter.wiring import Wiring
from ivr.numbers import make_number
from tests.web.conftest import ROOT, Filer, axe, build, clip_file, post, shot

WRAP = timedelta(seconds=30)
UID, CALLER = "pbx1-77.1", "081234567801"
RINGS, TALKS = Leg(UID, "op1", answered=False), Leg(UID, "op1", answered=True)
AsUser = Callable[[str], FlaskClient]
Tab = Callable[..., Page]


@pytest.fixture
def wired(tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    """Two telephones, and a line that works."""
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "aduan24.db").write_bytes(filled.read_bytes())
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    telephones = (
        "  operators:\n"
        '    - {user: op1, name: Meja 1, address: "sip:201@127.0.0.1"}\n'
        '    - {user: op2, name: Meja 2, address: "sip:202@127.0.0.1"}\n'
        "  waiting: "
    )
    built = build(tmp_path, text.replace("  waiting: ", telephones, 1))
    with built.store.write() as db:
        heartbeats.beat(db, "line", datetime.now(UTC))
    yield built
    built.store.engine.dispose()


class Queue:
    """The exchange as the line sees it."""

    def __init__(self, wired: Wiring) -> None:
        self.wired = wired
        self.follower = Follower("pbx1", WRAP, lambda _uid: self.call)
        self.call = HeardCall(
            call_uid=UID, line="pbx1", caller_raw=CALLER, called="100",
            started_at=datetime.now(UTC) - timedelta(seconds=72), ended_at=None, cause="",
            mode="app", consent_at=datetime.now(UTC), number=make_number(77),
            number_heard=False, path=(), clips=(),
        )  # fmt: skip

    def look(self, *legs: Leg, waiting: tuple[str, ...] = (), missed: tuple[str, ...] = ()) -> None:
        board = Board({"op1": Member("op1", Phone.FREE)}, frozenset(waiting), frozenset(legs))
        with self.wired.store.write() as db:
            talks.follow(db, board, waiting, self.follower, now=datetime.now(UTC), missed=missed)

    def files(self, clip: Clip) -> None:
        whole = {"clips": (clip,), "ended_at": datetime.now(UTC), "cause": "16"}
        heard = HeardCall(**{**{f: getattr(self.call, f) for f in self.call.__slots__}, **whole})
        with self.wired.store.write() as db:
            intake.file_call(db, heard, now=datetime.now(UTC), silent_below=0.2)

    @property
    def draft(self) -> Complaint:
        with self.wired.store.read() as db:
            return db.scalars(
                select(Complaint).where(Complaint.public_number == make_number(77))
            ).one()

    def presence(self, username: str = "operator") -> Presence:
        with self.wired.store.read() as db:
            return db.scalars(select(Presence).join(User).where(User.username == username)).one()


@pytest.fixture
def queue(wired: Wiring) -> Queue:
    return Queue(wired)


def do(client: FlaskClient, what: str, **fields: str) -> str:
    answer = post(client, f"/telephone/{what}", page="/", next="/calls", **fields)
    assert answer.headers["Location"] == "/calls"
    return client.get("/calls").text


def test_the_panel_says_what_the_database_says(as_user: AsUser, queue: Queue) -> None:
    client = as_user("operator")
    assert 'data-state="out"' in client.get("/").text
    assert 'data-state="ready"' in do(client, "in", extension="op1")
    assert queue.presence().extension == "op1"
    page = do(client, "pause", reason="prayer")
    assert 'data-state="paused"' in page and "Sembahyang" in page
    assert "Pilih alasan jeda." in do(client, "pause", reason=NO_ANSWER)
    assert 'data-state="ready"' in do(client, "ready")
    assert 'data-state="out"' in do(client, "out")
    assert queue.presence().state is State.OUT


def test_a_telephone_in_use_is_offered_to_nobody_else(as_user: AsUser) -> None:
    do(as_user("operator"), "in", extension="op1")
    other = as_user("operator2")
    assert 'value="op1"' not in other.get("/").text
    assert "dipakai operator lain" in do(other, "in", extension="op1")


def test_leaving_the_console_leaves_the_queue(as_user: AsUser, queue: Queue) -> None:
    client = as_user("operator")
    do(client, "in", extension="op1")
    post(client, "/sign-out", page="/")
    assert queue.presence().state is State.OUT


def test_only_what_has_changed_is_sent_again(as_user: AsUser, queue: Queue) -> None:
    client = as_user("operator")
    do(client, "in", extension="op1")
    seen = client.get("/telephone").text.split('name="seen" value="')[1].split('"')[0]
    assert client.get(f"/telephone?seen={seen}").status_code == 204
    queue.look(RINGS, waiting=(UID,))
    assert client.get(f"/telephone?seen={seen}").status_code == 200


def test_who_calls_is_shown_while_it_rings_and_the_form_when_they_talk(
    as_user: AsUser, queue: Queue, file_call: Filer
) -> None:
    file_call(1)  # the same caller, before
    client = as_user("operator")
    do(client, "in", extension="op1")
    queue.look(RINGS, waiting=(UID,))
    page = client.get("/telephone").text
    assert 'data-state="rings"' in page and "•••801" in page and "1 aduan sebelumnya" in page
    assert CALLER[1:] not in page and "data-open" not in page
    assert 'data-state="out"' in as_user("operator2").get("/telephone").text
    queue.look(TALKS)
    page = client.get("/telephone").text
    assert 'data-state="talking"' in page
    assert f'data-open="/complaints/{queue.draft.id}"' in page
    queue.look()
    page = client.get("/telephone").text
    assert 'data-state="wrap_up"' in page and f"/complaints/{queue.draft.id}" in page


def test_who_does_not_answer_twice_is_paused_and_told(as_user: AsUser, queue: Queue) -> None:
    client = as_user("operator")
    do(client, "in", extension="op1")
    queue.look(missed=("op1",))
    assert "Bila terulang, Anda dijeda" in client.get("/telephone").text
    queue.look(missed=("op1",))
    page = client.get("/telephone").text
    assert 'data-state="paused"' in page and "Anda dijeda: panggilan tidak dijawab." in page


def test_nobody_is_shown_in_a_call_by_a_line_that_is_silent(
    as_user: AsUser, queue: Queue, wired: Wiring
) -> None:
    client = as_user("operator")
    do(client, "in", extension="op1")
    queue.look(TALKS)
    with wired.store.write() as db:
        heartbeats.beat(db, "line", datetime.now(UTC) - timedelta(seconds=25))
    page = client.get("/telephone").text
    assert 'data-state="talking"' not in page and "Saluran telepon tidak bekerja" in page


def test_supervisors_see_operators_and_who_waits(as_user: AsUser, queue: Queue) -> None:
    do(as_user("operator"), "in", extension="op1")
    queue.look(RINGS, waiting=(UID,))
    supervisor = as_user("supervisor")
    page = supervisor.get("/operators").text
    assert "Meja 1" in page and "Berdering" in page and "•••801" in page
    post(supervisor, f"/operators/{queue.presence().user_id}/out", page="/operators")
    assert queue.presence().state is State.OUT


def test_the_desk_gets_the_recording_after_the_talk(
    as_user: AsUser, queue: Queue, wired: Wiring
) -> None:
    client = as_user("operator")
    do(client, "in", extension="op1")
    queue.look(TALKS)
    url = f"/complaints/{queue.draft.id}"
    assert "Percakapan masih berlangsung" in client.get(url).text
    part = {"HX-Request": "true"}
    assert client.get(f"{url}?clips=0", headers=part).status_code == 204
    queue.look()
    queue.files(clip_file(wired.config.storage.recordings, 77, "talk"))
    assert "<audio" in client.get(f"{url}?clips=0", headers=part).text
    assert client.get(f"{url}?clips=1", headers=part).status_code == 204


@pytest.mark.browser
def test_the_panel_and_the_pop(page_as: Tab, queue: Queue, file_call: Filer) -> None:
    file_call(1)
    page = page_as("operator")
    page.keyboard.press("Alt+t")
    expect(page.locator("#extension")).to_be_focused()
    page.locator("#phone-in").focus()
    page.keyboard.press("Enter")
    state = page.locator("#telephone [data-state]")
    expect(state).to_have_attribute("data-state", "ready")
    assert axe(page) == []
    shot(page, "telephone-ready")
    page.locator("#phone-pauses summary").focus()
    page.keyboard.press("Enter")
    shot(page, "telephone-pauses")
    page.locator("#phone-pause-meal").focus()
    page.keyboard.press("Enter")
    expect(state).to_have_attribute("data-state", "paused")
    page.locator("#phone-ready").press("Enter")
    expect(state).to_have_attribute("data-state", "ready")

    page.goto("/complaints/1")
    page.locator("#transcript").press_sequentially("Pohon tum")
    queue.look(RINGS, waiting=(UID,))
    expect(state).to_have_attribute("data-state", "rings")
    expect(page.locator("#phone-tell")).to_have_text("Telepon berdering: •••801")
    assert axe(page) == []
    shot(page, "telephone-rings")
    queue.look(TALKS)
    expect(page.locator("#phone-busy")).to_be_visible()
    page.keyboard.type("bang")
    expect(page.locator("#transcript")).to_have_value("Pohon tumbang")
    assert axe(page) == []
    shot(page, "telephone-typing")
    page.goto("/calls")
    page.wait_for_url(f"**/complaints/{queue.draft.id}")
    shot(page, "telephone-form")
    queue.look()
    expect(state).to_have_attribute("data-state", "wrap_up")
    shot(page, "telephone-wrap-up")
    page.get_by_role("button", name="English").click()
    assert axe(page) == []
    shot(page, "telephone-english")


@pytest.mark.browser
def test_the_supervisors_page_of_operators(page_as: Tab, queue: Queue, wired: Wiring) -> None:
    with wired.store.write() as db:
        user_id = db.scalars(select(User.id).where(User.username == "operator")).one()
        presences.sign_in(
            db, user_id, "op1", known=["op1"], actor="operator", now=datetime.now(UTC)
        )
    queue.look(RINGS, waiting=(UID,))
    page = page_as("supervisor")
    page.goto("/operators")
    assert axe(page) == []
    shot(page, "operators")
    queue.look(TALKS)
    expect(page.locator("td .chip").first).to_have_text("Bicara")
