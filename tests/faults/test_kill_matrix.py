"""Everything dies, again and again, at the worst moments: each step is taken once, told once.

Workers, clock and web die by themselves at named points (`breaking.py`); queue and PostgreSQL
are killed from outside at any moment. Whoever dies is started again, as the supervisor does. The
provider is a real server that counts what it took, and sometimes says nothing about it.

Endurance goes in slices, each a deployment of its own with a seed of its own:

    make endurance ARGS="tests/faults/test_kill_matrix.py -k postgresql-seed3"
"""

from __future__ import annotations

import json
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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
from tests.faults.deployment import Process, Site, tell_by_twilio
from tests.running import until

SCALE = 14400  # the 48 hours of the ladder in 12 seconds
LATE = timedelta(seconds=60)  # at most, for a step, after whatever died last is back
SLICES, KILLS = range(1, 6), 100  # for each database
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
    #: When something that had died was there again, as far as it can be seen from outside.
    back: list[datetime] = field(default_factory=list)
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
                self.back.append(datetime.now(UTC))

    def peace(self) -> None:
        """From now on nobody dies."""
        (self.folder / "peace").touch()


@contextmanager
def misery(make: MakeSite, kind: str, seed: int, lease_s: float) -> Iterator[Misery]:
    with ExitStack() as stack:
        twilio = stack.enter_context(FakeTwilio())
        postgres, values = None, {}
        if kind == "postgresql":
            # One that forgets commits when it is killed is not the one that is promised.
            postgres = stack.enter_context(running(durable=True))
            values["database"] = postgres.create("aduan24")
        site = make(enabled="false", time_scale=SCALE, workers=2, **values)
        folder = site.folder
        here = Misery(site, twilio, postgres, folder)
        tell_by_twilio(site, twilio)
        twilio.delivers = True
        plan = {"deaths": str(folder / "deaths"), "peace": str(folder / "peace")}
        plan |= {"chance": 0.12, "seed": seed, "lease_s": lease_s}
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


# ---------------------------------------------------------------- an operator who never gives up


class Operator(threading.Thread):
    """Dispatches complaint after complaint through the web, however often it breaks."""

    def __init__(self, here: Misery) -> None:
        super().__init__(daemon=True)
        self._here, self._serial = here, 0
        self._base = f"http://127.0.0.1:{here.site.config.web.port}"
        self._session = requests.Session()
        self.enough = threading.Event()
        self.done, self.heard = False, "nothing"

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
            address = f"{self._base}/complaints/{complaint_id}"
            answer = self._session.post(address, fields, timeout=10)
            self.heard = f"{complaint_id}: {answer.status_code}"
        except (requests.RequestException, AssertionError) as error:
            self.heard = f"{complaint_id}: {error!r}"
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


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("kind", "kills"), [("sqlite", 12), ("postgresql", 6)])
def test_each_step_once_and_told_once_whoever_dies(site: MakeSite, kind: str, kills: int) -> None:
    with misery(site, kind, seed=7, lease_s=3.0) as here:
        _die_and_recover(here, kind, kills, seed=7)


@pytest.mark.endurance
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SLICES, ids="seed{}".format)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_thousand_deaths(site: MakeSite, kind: str, seed: int) -> None:
    with misery(site, kind, seed, lease_s=45.0) as here:
        _die_and_recover(here, kind, KILLS, seed)


def _die_and_recover(here: Misery, kind: str, kills: int, seed: int) -> None:
    operator = Operator(here)
    operator.start()
    _kill_until(here, kills, seed)
    operator.enough.set()
    here.peace()
    recovery = time.monotonic()
    here.twilio.behave(Answer.ACCEPT)
    operator.join(60)
    assert operator.done, f"the operator gave up; last heard of complaint {operator.heard}"
    until(lambda: not _steps_left(here.site) and _all_told(here.site), 60 + 45)
    recovered = time.monotonic() - recovery
    steps = _assert_once(here)
    absolute = max(step.taken_at - step.due_at for step in steps).total_seconds()
    late = max(_late(step, here.back) for step in steps)
    print(
        f"\n{kind}, seed {seed}: {here.count} kills; {len(steps)} steps, each once, latest "
        f"{absolute:.1f} s late, {late.total_seconds():.1f} s after whatever died was back; "
        f"{len(here.twilio.accepted)} notices, each once; all told {recovered:.1f} s after the "
        f"last kill; {Counter(here.deaths) + here.kills}"
    )
    assert set(here.deaths) <= set(POINTS)
    assert late <= LATE


def _kill_until(here: Misery, kills: int, seed: int) -> None:
    """The queue and PostgreSQL from outside, and a provider that sometimes does not answer."""
    dice = random.Random(seed)
    while here.count < kills:
        here.over.wait(dice.uniform(0.2, 2.5))
        here.twilio.behave(dice.choice((Answer.CUT_AFTER, Answer.CUT_BEFORE, Answer.BROKEN_AFTER)))
        if dice.random() < 0.2:
            queue = here.site.processes[0]
            queue.kill()
            queue.start()
            here.kills["queue"] += 1
            here.back.append(datetime.now(UTC))
        if here.postgres and dice.random() < 0.2:
            here.postgres.kill9()
            here.kills["PostgreSQL"] += 1
            here.back.append(datetime.now(UTC))


def _all_told(site: Site) -> bool:
    with site.store.read() as session:
        states = Counter(session.scalars(select(Notice.state)))
    return set(states) <= {"sent", "delivered"}


def _steps_left(site: Site) -> int:
    with site.store.read() as session:
        rows = select(func.count()).select_from(Ticket).where(Ticket.next_step_at.is_not(None))
        return session.scalar(rows) or 0


def _assert_once(here: Misery) -> Sequence[Escalation]:
    """Every step of every ticket once, every notice at the provider once, none more; the steps."""
    rules = here.site.rules
    expected = {step.key for step in rules.ladders["report"] if step.clock == "dispatched"}
    with here.site.store.read() as session:
        complaints = session.scalar(select(func.count()).select_from(Complaint))
        tickets = session.scalars(select(Ticket.id)).all()
        steps = session.scalars(select(Escalation)).all()
        taken = Counter((step.ticket_id, step.step_key) for step in steps)
        told = session.scalars(select(Notice.provider_id)).all()
    assert len(tickets) == complaints
    assert taken == Counter({(ticket, key): 1 for ticket in tickets for key in expected})
    assert sorted(told) == sorted(message["sid"] for message in here.twilio.accepted)
    return steps


def _late(step: Escalation, back: list[datetime]) -> timedelta:
    """Against the later of its due time and the last recovery before it was taken."""
    return step.taken_at - max([step.due_at, *(at for at in back if at <= step.taken_at)])
