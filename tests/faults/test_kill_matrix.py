"""Everything dies, again and again, at the worst moments: each step is taken once, told once.

Workers, clock and web die by themselves at named points (`breaking.py`); queue and PostgreSQL
are killed from outside at any moment. Whoever dies is started again, as the supervisor does. The
provider is a real server that counts what it took, and sometimes says nothing about it.
"""

from __future__ import annotations

import json
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
import requests
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from callcenter.domain.people import Role
from callcenter.services import accounts
from callcenter.store.models import Complaint, Escalation, Notice, Ticket
from tests.contract.fake_twilio import Answer, FakeTwilio
from tests.databases import Postgres, running
from tests.faults.breaking import POINTS
from tests.faults.conftest import MakeSite
from tests.faults.deployment import Process, Site
from tests.running import until

SCALE = 14400  # the 48 hours of the ladder in 12 seconds
T = TypeVar("T")
PASSWORD = "satu-dua-tiga-empat"


@dataclass
class Misery:
    """One deployment in which parts die."""

    site: Site
    twilio: FakeTwilio
    postgres: Postgres | None
    folder: Path
    kills: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def deaths(self) -> list[str]:
        """At which points parts have died by themselves."""
        file = self.folder / "deaths"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def count(self) -> int:
        return len(self.deaths) + self.kills.total()

    def begin(self, part: str, number: int = 1) -> Process:
        """Start a part that dies at points, and start it again whenever it has died."""
        command = [sys.executable, "-m", "tests.faults.breaking", str(self.folder / "plan.json")]
        command += [part, "--config", str(self.site.file)]
        process = Process(command, self.folder / f"{part}{number}.out")
        self.site.processes.append(process)
        threading.Thread(target=self._keep, args=(process,), daemon=True).start()
        return process

    def _keep(self, process: Process) -> None:
        while not self.over.is_set():
            process.child.wait()
            if not self.over.is_set():
                process.start()

    def peace(self) -> None:
        """From now on nobody dies."""
        (self.folder / "peace").touch()


@contextmanager
def misery(make: MakeSite, kind: str, chance: float, lease_s: float) -> Iterator[Misery]:
    with ExitStack() as stack:
        twilio = stack.enter_context(FakeTwilio())
        postgres, values = None, {}
        if kind == "postgresql":
            postgres = stack.enter_context(running())
            values["database"] = postgres.create("aduan24")
        site = make(enabled="false", time_scale=SCALE, workers=2, **values)
        folder = site.folder
        here = Misery(site, twilio, postgres, folder)
        _tell_by_twilio(site, twilio)
        plan = {"deaths": str(folder / "deaths"), "peace": str(folder / "peace")}
        plan |= {"chance": chance, "lease_s": lease_s}
        (folder / "plan.json").write_text(json.dumps(plan))
        with site.store.write() as session:
            accounts.add_user(
                session,
                username="operator",
                name="Ni Luh",
                role=Role.OPERATOR,
                password=PASSWORD,
                now=datetime.now(UTC),
            )
        site.start("queue")
        for part, number in (("worker", 1), ("worker", 2), ("clock", 1), ("web", 1)):
            here.begin(part, number)
        try:
            yield here
        finally:
            here.over.set()


def _tell_by_twilio(site: Site, twilio: FakeTwilio) -> None:
    secret = site.folder / "twilio.secret"
    secret.write_text(twilio.auth_token)
    secret.chmod(0o600)
    account = {
        "account_sid": twilio.account_sid,
        "auth_token_file": str(secret),
        "whatsapp_from": twilio.whatsapp_from,
        "sms_from": twilio.sms_from,
        "api_url": twilio.url,
    }
    text = site.file.read_text().replace("channels: [screen]", "channels: [whatsapp, sms]")
    rows = "\n".join(f'    {key}: "{value}"' for key, value in account.items())
    text, count = re.subn(r"(?m)^notices:\n", f"notices:\n  twilio:\n{rows}\n", text)
    assert count == 1
    site.file.write_text(text)


# ---------------------------------------------------------------- an operator who never gives up


class Operator(threading.Thread):
    """Dispatches complaint after complaint through the web, however often it breaks."""

    def __init__(self, here: Misery) -> None:
        super().__init__(daemon=True)
        self._here, self._serial = here, 0
        self._base = f"http://127.0.0.1:{here.site.config.web.port}"
        self._session = requests.Session()
        self.enough = threading.Event()
        self.done = False

    def run(self) -> None:
        while not self.enough.is_set():
            self._serial += 1
            self._carry(self._patiently(lambda: self._here.site.complaint(self._serial)))
        self.done = True

    def _carry(self, complaint_id: int) -> None:
        while not self._patiently(lambda: self._is_dispatched(complaint_id)):
            self._try(complaint_id)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The database may be away for a moment; filing the same call again is harmless."""
        while True:
            try:
                return ask()
            except DBAPIError:
                self._here.over.wait(0.1)

    def _is_dispatched(self, complaint_id: int) -> bool:
        with self._here.site.store.read() as session:
            found = session.scalar(select(Ticket.id).where(Ticket.complaint_id == complaint_id))
        return found is not None

    def _try(self, complaint_id: int) -> None:
        try:
            page = self._page(f"/complaints/{complaint_id}")
            fields = {
                "csrf_token": _value(page, "csrf_token"),
                "version": _value(page, "version"),
                "transcript": "Lampu jalan mati.",
                "category_key": "street_light",
                "urgency": "report",
                "village_code": "51.06.02.1004",
                "agency_key": "dishub",
                "order": "Periksa.",
                "do": "dispatch",
            }
            self._session.post(f"{self._base}/complaints/{complaint_id}", fields, timeout=10)
        except (requests.RequestException, AssertionError):
            self._here.over.wait(0.1)

    def _page(self, path: str) -> str:
        answer = self._session.get(self._base + path, timeout=10)
        if "/sign-in" in answer.url:
            fields = {
                "csrf_token": _value(answer.text, "csrf_token"),
                "username": "operator",
                "password": PASSWORD,
            }
            self._session.post(answer.url, fields, timeout=10)
            answer = self._session.get(self._base + path, timeout=10)
        return answer.text


def _value(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    assert found, f"no {name} on the page"
    return found[1]


# ---------------------------------------------------------------- the test


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.endurance)]
)
@pytest.mark.parametrize(
    ("kills", "lease_s"),
    [
        pytest.param(12, 3.0, id="12", marks=pytest.mark.timeout(240)),
        pytest.param(500, 45.0, id="500", marks=[pytest.mark.endurance, pytest.mark.timeout(3600)]),
    ],
)
def test_each_step_once_and_told_once_whoever_dies(
    site: MakeSite, kind: str, kills: int, lease_s: float
) -> None:
    with misery(site, kind, chance=0.12, lease_s=lease_s) as here:
        operator = Operator(here)
        operator.start()
        _kill_until(here, kills)
        operator.enough.set()
        here.peace()
        recovery = time.monotonic()
        here.twilio.behave(Answer.ACCEPT)
        operator.join(60)
        assert operator.done, "the operator gave up"
        until(lambda: _all_told(here.site) and not _steps_left(here.site), 60 + 45)
        recovered = time.monotonic() - recovery
        _assert_once(here)
        print(
            f"{kind}: {here.count} kills, {len(here.twilio.accepted)} messages, "
            f"all told {recovered:.1f} s after the last; {Counter(here.deaths) + here.kills}"
        )
        assert set(here.deaths) <= set(POINTS)


def _kill_until(here: Misery, kills: int) -> None:
    """The queue and PostgreSQL from outside, and a provider that sometimes does not answer."""
    dice = random.Random(7)
    while here.count < kills:
        here.over.wait(dice.uniform(0.2, 2.5))
        here.twilio.behave(dice.choice((Answer.CUT_AFTER, Answer.CUT_BEFORE, Answer.BROKEN_AFTER)))
        if dice.random() < 0.2:
            queue = here.site.processes[0]
            queue.kill()
            queue.start()
            here.kills["queue"] += 1
        if here.postgres and dice.random() < 0.2:
            here.postgres.kill9()
            here.kills["PostgreSQL"] += 1


def _all_told(site: Site) -> bool:
    with site.store.read() as session:
        states = Counter(session.scalars(select(Notice.state)))
    return set(states) <= {"sent", "delivered"}


def _steps_left(site: Site) -> int:
    with site.store.read() as session:
        rows = select(func.count()).select_from(Ticket).where(Ticket.next_step_at.is_not(None))
        return session.scalar(rows) or 0


def _assert_once(here: Misery) -> None:
    """Every step of every ticket once, every notice at the provider once, none more."""
    rules = here.site.rules
    expected = {step.key for step in rules.ladders["report"] if step.clock == "dispatched"}
    with here.site.store.read() as session:
        complaints = session.scalar(select(func.count()).select_from(Complaint))
        tickets = session.scalars(select(Ticket.id)).all()
        taken = Counter(
            (ticket, key)
            for ticket, key in session.execute(select(Escalation.ticket_id, Escalation.step_key))
        )
        told = session.scalars(select(Notice.provider_id)).all()
    assert len(tickets) == complaints
    assert taken == Counter({(ticket, key): 1 for ticket in tickets for key in expected})
    assert sorted(told) == sorted(message["sid"] for message in here.twilio.accepted)
