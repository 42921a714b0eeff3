"""The console over a real database file: people of config.yaml, one sign-in per role, real audio.

For a whole-way test in a real browser ask for these fixtures:

* `live`: the console on a free port of loopback (`live.url`), over `wired`; give a wiring of your
  own by overriding the fixture `wired` in your module (anything that `create_app` takes).
* `browser`: Chromium, one per run. `page`: a fresh tab at 1366x768 in Indonesian that fails the
  test at its end when the page logged an error (a broken script, a refused style).
* `page_as(username)`: a tab that is signed in. `PASSWORD` is everybody's password; the users are
  `operator`, `operator2`, `supervisor`, `officer` (of agency `pupr`) and `admin`.
* `file_call(...)`: a call as the line files it, with a WAV on disk. `a_ticket()`: dispatched.
* `axe(page)`: what axe-core finds against WCAG 2.2 AA; must be an empty list.
* `shot(page, name)`: a picture into test-artifacts/ (ignored by git).

Mark such tests `@pytest.mark.browser`.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import struct
import threading
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserType, Page
from sqlalchemy import func, select
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from callcenter.config.load import load
from callcenter.config.secrets import read_secrets
from callcenter.domain.people import Role
from callcenter.services import accounts, desk, directory, dispatch, intake
from callcenter.services.intake import Clip, HeardCall
from callcenter.store.models import Audit, Base, Call, OfficerLink
from callcenter.web import create_app
from callcenter.wiring import Wiring
from ivr.numbers import make_number

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ROOT = Path(__file__).parents[2]
PASSWORD = "bangli-era-baru"
USERS = {
    "operator": Role.OPERATOR,
    "operator2": Role.OPERATOR,
    "supervisor": Role.SUPERVISOR,
    "officer": Role.OFFICER,
    "admin": Role.ADMINISTRATOR,
}
VILLAGE = "51.06.02.1004"
CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str:
    """The browser that the tests drive."""
    return os.environ.get("ADUAN24_BROWSER") or "/usr/bin/chromium"


def build(folder: Path, text: str | None = None) -> Wiring:
    """A wiring over `folder`, from config.yaml or a changed text of it."""
    file = folder / "config.yaml"
    file.write_text(text or (ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    config = load(file)
    config.storage.state.mkdir(parents=True, exist_ok=True)
    config.storage.recordings.mkdir(parents=True, exist_ok=True)
    return Wiring(config, read_secrets(config))


#: Argon2 without its price: what it is worth, `tests/services/test_accounts.py` holds.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of the console signs in, some hundred times in all."""
    monkeypatch.setattr(accounts, "_HASHER", CHEAP)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with agencies and users, to be copied for each test."""
    folder = tmp_path_factory.mktemp("filled")
    wired = build(folder)
    Base.metadata.create_all(wired.store.engine)
    now = datetime.now(UTC)
    with pytest.MonkeyPatch.context() as patch, wired.store.write() as db:
        patch.setattr(accounts, "_HASHER", CHEAP)
        directory.sync(db, wired.config, now)
        for username, role in USERS.items():
            accounts.add_user(
                db,
                username=username,
                name=username.title(),
                role=role,
                password=PASSWORD,
                now=now,
                agency_key="pupr" if role is Role.OFFICER else None,
            )
    wired.store.engine.dispose()
    return folder / "var" / "aduan24.db"


@pytest.fixture
def wired(tmp_path: Path, filled: Path) -> Iterator[Wiring]:
    """Everything the console needs, over a database of its own."""
    (tmp_path / "var").mkdir()
    for file in (filled, filled.with_name("secret.key")):
        shutil.copy(file, tmp_path / "var")
    built = build(tmp_path)
    yield built
    built.store.engine.dispose()


class Closing(FlaskClient):
    """Reads each answer to its end and closes it, as a browser does."""

    def open(self, *args: Any, buffered: bool = True, **kinds: Any) -> TestResponse:
        return super().open(*args, buffered=buffered, **kinds)


@pytest.fixture
def app(wired: Wiring) -> Flask:
    """The console."""
    made = create_app(wired)
    made.test_client_class = Closing
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without scripts."""
    return app.test_client()


def token_in(html: str) -> str:
    """The first CSRF token of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found, "the page holds no form"
    return found[1]


def post(client: FlaskClient, url: str, page: str | None = None, **fields: Any) -> TestResponse:
    """Post a form as a person does: the token is taken from a page that holds one."""
    token = token_in(client.get(page or "/sign-in", follow_redirects=True).text)
    kind = "multipart/form-data" if "photos" in fields else None
    return client.post(url, data={"csrf_token": token, **fields}, content_type=kind)


def enter(client: FlaskClient, username: str) -> FlaskClient:
    """The same client, signed in."""
    answer = post(client, "/sign-in", username=username, password=PASSWORD)
    assert answer.status_code == 302, answer.text
    return client


@pytest.fixture
def as_user(app: Flask) -> Callable[[str], FlaskClient]:
    """A signed-in client per user name."""
    return lambda username: enter(app.test_client(), username)


def tone(seconds: float) -> bytes:
    """16-bit samples at 8 kHz of something that is not silence."""
    count = int(8000 * seconds)
    return struct.pack(
        f"<{count}h", *(int(9000 * math.sin(n / 4) * math.sin(n / 900)) for n in range(count))
    )


Filer = Callable[..., int]


@pytest.fixture
def file_call(wired: Wiring) -> Filer:
    """File one call; gives the complaint's id (0 when the call was silent)."""

    def file(
        serial: int = 1, *, kinds: tuple[str, ...] = ("complaint",), ago: timedelta = timedelta(0)
    ) -> int:
        now = datetime.now(UTC) - ago
        clips = tuple(clip_file(wired.config.storage.recordings, serial, kind) for kind in kinds)
        heard = HeardCall(
            call_uid=f"pbx1-{serial}.1",
            line="pbx1",
            caller_raw=f"0812345678{serial:02d}",
            called="100",
            started_at=now,
            ended_at=now + timedelta(seconds=30),
            cause="16",
            mode="app",
            consent_at=now,
            number=make_number(serial),
            number_heard=True,
            path=((now.timestamp(), "started", "pbx1"), (now.timestamp() + 30, "ended", "16")),
            clips=clips,
        )
        with wired.store.write() as db:
            call = intake.file_call(db, heard, now=now, silent_below=0.5)
            return call.complaint.id if call.complaint else 0

    return file


def clip_file(folder: Path, serial: int, kind: str) -> Clip:
    """Two seconds of sound on disk."""
    path = folder / "calls" / str(serial) / f"{kind}-1.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(tone(2))
    data = path.read_bytes()
    return Clip(
        kind=kind,
        take=1,
        path=str(path.relative_to(folder)),
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        seconds=2.0,
        speech_seconds=1.8,
    )


TYPED = {
    "transcript": "Jalan berlubang di depan pasar, tadi malam ada yang jatuh.",
    "category_key": "road_damage",
    "village_code": VILLAGE,
    "place_note": "Depan Pasar Kidul",
    "urgency": "report",
    "reporter_name": "I Wayan Contoh",
    "reporter_phone": "0812 3456 789",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A dispatched ticket: ids, and the token of the duty officer's link."""

    complaint_id: int
    ticket_id: int
    token: str
    link_id: int


@pytest.fixture
def a_ticket(wired: Wiring, file_call: Filer) -> Callable[..., Sent]:
    """File a call, write it down, send it to PUPR; `ago` lets it happen in the past."""

    def send(serial: int = 1, *, ago: timedelta = timedelta(0), agency: str = "pupr") -> Sent:
        complaint_id = file_call(serial, kinds=("complaint", "name", "village"), ago=ago)
        now = datetime.now(UTC) - ago
        with wired.store.write() as db:
            desk.save(
                db,
                complaint_id,
                desk.DeskForm(**TYPED),
                actor="operator",
                now=now,
                rules=wired.rules,
            )
        with wired.store.write() as db:
            ticket = dispatch.dispatch(
                db,
                complaint_id,
                agency_key=agency,
                order="Periksa dan tambal.",
                actor="operator",
                now=now,
                rules=wired.rules,
            )
            ticket_id = ticket.id
        with wired.store.write() as db:
            link_id = _link(db, wired, ticket_id, f"{agency}_1")
        return Sent(complaint_id, ticket_id, wired.links.token(link_id), link_id)

    return send


def _link(db: Any, wired: Wiring, ticket_id: int, person_key: str) -> int:
    from callcenter.services import links

    now = datetime.now(UTC)
    lifetime = wired.rules.link_lifetime
    link: OfficerLink = links.link_for(
        db, ticket_id=ticket_id, person_key=person_key, now=now, lifetime=lifetime
    )
    return link.id


@pytest.fixture
def link_of(wired: Wiring) -> Callable[[int, str], str]:
    """The token of a person's link to a ticket."""

    def make(ticket_id: int, person_key: str) -> str:
        with wired.store.write() as db:
            return wired.links.token(_link(db, wired, ticket_id, person_key))

    return make


@pytest.fixture
def audits(wired: Wiring) -> Callable[[str], int]:
    """How many audit rows an action has."""

    def count(action: str) -> int:
        with wired.store.read() as db:
            rows = select(func.count()).select_from(Audit).where(Audit.action == action)
            return db.scalar(rows) or 0

    return count


def recording_id(wired: Wiring, complaint_id: int, kind: str = "complaint") -> int:
    """The recording of a complaint's call."""
    with wired.store.read() as db:
        calls = db.scalars(select(Call)).all()
        call = next(c for c in calls if c.complaint and c.complaint.id == complaint_id)
        return next(r.id for r in call.recordings if r.kind == kind)


@dataclass(frozen=True, slots=True)
class Live:
    """A console that a browser can reach."""

    url: str
    app: Flask


def closed(app: WSGIApplication) -> WSGIApplication:
    """The same, and every answer is closed, also when the browser went away in its middle.

    The test server leaves that out when the connection breaks while it looks for what is left to
    read; a file stays open then, which pytest finds. gunicorn, who serves in earnest, closes.
    """

    def serve(environ: WSGIEnvironment, start: StartResponse) -> Iterator[bytes]:
        answer = app(environ, start)
        try:
            yield from (part for part in answer)  # by itself it would be closed twice
        finally:
            if isinstance(answer, Closable):
                answer.close()

    return serve


@runtime_checkable
class Closable(Protocol):
    """What an application may answer with (PEP 3333)."""

    def close(self) -> object: ...


@pytest.fixture
def live(app: Flask) -> Iterator[Live]:
    """The console served on loopback, a thread per request."""
    server = make_server("127.0.0.1", 0, closed(app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Live(f"http://127.0.0.1:{server.server_port}", app)
    app.extensions["aduan24-stop"].set()
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture(scope="session")
def browsers(chromium: BrowserType) -> Iterator[list[Browser]]:
    """Every Chromium that was started, the latest last."""
    started: list[Browser] = []
    yield started
    for one in started:
        one.close()


@pytest.fixture
def browser(chromium: BrowserType, browsers: list[Browser]) -> Browser:
    """The machine's own Chromium, started once; one that died costs one test and not the rest."""
    if not (browsers and browsers[-1].is_connected()):
        browsers.append(chromium.launch(executable_path=executable(), args=list(CHROMIUM)))
    return browsers[-1]


@pytest.fixture
def tab(browser: Browser, live: Live) -> Iterator[Callable[..., Page]]:
    """Make tabs: `tab(width=320, height=700, dark=True, scripts=False)`."""
    contexts = []
    errors: list[str] = []

    def make(
        *, width: int = 1366, height: int = 768, dark: bool = False, scripts: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale="id-ID",
            base_url=live.url,
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if _bad(said) else None)
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


def _bad(said: Any) -> bool:
    """An error of the page itself, not what the network did: a status, a request cut by leaving.

    htmx writes these of its names as errors only when a request found no answer at all, or when
    the next letter typed has overtaken it.
    """
    network = (
        "Failed to load resource: net::ERR_",
        "the server responded with a status",
        "Response Status Error Code",
        "htmx:afterRequest",
        "htmx:sendError",
        "htmx:sendAbort",
        "[object Event]",
    )
    return said.type == "error" and not any(words in said.text for words in network)


@pytest.fixture
def page(tab: Callable[..., Page]) -> Page:
    """One tab."""
    return tab()


@pytest.fixture
def page_as(tab: Callable[..., Page]) -> Callable[..., Page]:
    """A signed-in tab."""

    def make(username: str, **kinds: Any) -> Page:
        page = tab(**kinds)
        page.goto("/sign-in")
        page.fill("#username", username)
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    return make


AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe(page: Page) -> list[str]:
    """What axe-core finds wrong, one line per rule."""
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run({runOnly: rules})", _RULES)
    return [
        f"{v['id']}: {[n['target'] for n in v['nodes']]} {v['nodes'][0]['failureSummary']}"
        for v in found["violations"]
    ]


def eventually(page: Page, script: str, within_ms: int = 5000) -> None:
    """Wait until `script` is true; our policy forbids the browser's own way of waiting."""
    for _ in range(within_ms // 50):
        if page.evaluate(script):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {script}")


def shot(page: Page, name: str, *, whole: bool = False) -> None:
    """A picture for people, kept in a folder that git ignores; `whole`: all of a long page."""
    folder = ROOT / "test-artifacts" / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"{name}.png"), full_page=whole)
