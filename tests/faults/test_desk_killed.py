"""Typing at the desk while the browser or the server is killed: a second of text at most is lost.

What counts is what the database has at the moment of the kill, not what a browser could bring
back: the age of the oldest letter that it does not have.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserType, Error, Page, expect

from callcenter.domain.people import Role
from callcenter.services import accounts, drafts
from tests.faults.deployment import Process, Site
from tests.running import until
from tests.web.conftest import CHROMIUM, PASSWORD, executable

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MANY = 25
SLICES = [
    pytest.param(1, id="1"),
    *(pytest.param(MANY, id=f"{MANY}-{n}", marks=pytest.mark.endurance) for n in range(1, 5)),
]
SAYS = "Lampu jalan di depan Pasar Kidul mati sejak tiga hari, gelap sekali, mohon diperbaiki. "


@dataclass
class Console:
    """The console as a process of its own, and a database that outlives it."""

    site: Site
    web: Process = field(init=False)
    serials: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    def start(self) -> None:
        self.web = self.site.start("web")
        until(self.answers, 30, lambda: self.web.said)

    def answers(self) -> bool:
        port = self.site.config.web.port
        with suppress(OSError), closing(HTTPConnection("127.0.0.1", port, timeout=2)) as line:
            line.request("GET", "/healthz")
            return line.getresponse().status in (200, 503)
        return False

    def kill(self) -> None:
        """The master first, so that it starts no other worker."""
        pid = self.web.child.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.web.kill()
        for worker in workers:
            os.kill(int(worker), signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{w}/cmdline").exists() for w in workers), 10)

    def text(self, complaint_id: int) -> str:
        """What the database has."""
        with self.site.store.read() as db:
            found = drafts.own(db, complaint_id)
            return str(found.fields.get("transcript", "")) if found else ""

    def waits_for(self, complaint_id: int, text: str) -> None:
        """Until the database has all of it."""
        until(lambda: self.text(complaint_id) == text, 10, lambda: self.text(complaint_id))


@pytest.fixture
def browser(chromium: BrowserType) -> Iterator[Browser]:
    with chromium.launch(executable_path=executable(), args=list(CHROMIUM)) as started:
        yield started


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    site = Site(tmp_path)
    with site.store.write() as db:
        accounts.add_user(
            db,
            username="operator",
            name="Operator",
            role=Role.OPERATOR,
            password=PASSWORD,
            now=datetime.now(UTC),
        )
    made = Console(site)
    made.start()
    yield made
    with suppress(OSError):
        made.kill()
    site.close()


class Typist:
    """Types letter by letter, and knows when each letter was there."""

    def __init__(self, page: Page, chance: random.Random) -> None:
        self.page, self.chance = page, chance
        self.letters: list[tuple[str, float]] = []

    @property
    def text(self) -> str:
        return "".join(letter for letter, _ in self.letters)

    def type(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            letter = SAYS[len(self.letters) % len(SAYS)]
            self.page.keyboard.type(letter)
            self.letters.append((letter, time.monotonic()))
            self.page.wait_for_timeout(self.chance.uniform(15, 110))

    def lost(self, stored: str, at: float) -> float:
        """How old the first letter was that is not stored, in seconds."""
        assert self.text.startswith(stored), (stored, self.text)
        missing = self.letters[len(stored) :]
        return at - missing[0][1] if missing else 0.0


def _open(console: Console, browser: Browser, state: dict[str, object] | None) -> Page:
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{console.site.config.web.port}",
        storage_state=state,  # type: ignore[arg-type]
        locale="id-ID",
    )
    page = context.new_page()
    if state is None:
        page.goto("/sign-in")
        page.fill("#username", "operator")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def _at_desk(page: Page, complaint_id: int) -> None:
    page.goto(f"/complaints/{complaint_id}")
    page.fill("#transcript", "")
    expect(page.locator("#kept")).to_have_text(re.compile("^Tersimpan"))
    page.locator("#transcript").focus()


def _pid(browser: Browser) -> int:
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return next(int(p["id"]) for p in told["processInfo"] if p["type"] == "browser")


def _report(what: str, ages: list[float]) -> None:
    ages.sort()
    print(
        f"\n{what} killed {len(ages)} times: lost at most {ages[-1]:.2f} s of text, "
        f"median {ages[len(ages) // 2]:.2f} s"
    )
    if len(ages) >= MANY:  # the promise; three rounds beside other tests are no measurement
        assert ages[-1] <= 1.0


@pytest.mark.parametrize("rounds", SLICES)
def test_a_killed_browser_loses_a_second_at_most(
    console: Console, chromium: BrowserType, rounds: int
) -> None:
    chance, ages, state = random.Random(), list[float](), None
    for _ in range(rounds):
        browser = chromium.launch(executable_path=executable(), args=list(CHROMIUM))
        page = _open(console, browser, state)
        state = page.context.storage_state()
        complaint_id = console.site.complaint(next(console.serials))
        _at_desk(page, complaint_id)
        typist, pid = Typist(page, chance), _pid(browser)
        typist.type(chance.uniform(0.6, 2.4))
        at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        with suppress(Error):
            browser.close()
        ages.append(typist.lost(console.text(complaint_id), at))
    _report("the browser", ages)


@pytest.mark.parametrize("rounds", SLICES)
def test_a_killed_server_loses_a_second_at_most_and_the_browser_brings_the_rest(
    console: Console, browser: Browser, rounds: int
) -> None:
    chance, ages = random.Random(), list[float]()
    page = _open(console, browser, None)
    for _ in range(rounds):
        complaint_id = console.site.complaint(next(console.serials))
        _at_desk(page, complaint_id)
        typist = Typist(page, chance)
        typist.type(chance.uniform(0.6, 2.4))
        at = time.monotonic()
        console.kill()
        ages.append(typist.lost(console.text(complaint_id), at))
        typist.type(0.5)  # nobody has told the operator yet
        console.start()
        console.waits_for(complaint_id, typist.text)
    page.context.close()
    _report("the server", ages)
