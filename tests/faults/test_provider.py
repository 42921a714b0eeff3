"""The provider fails in every way: nothing is lost, nobody is told twice, the dead are listed.

Real workers, queue and clock; the provider is a real server that counts what it took. Each fault
meets a request at random, so a notice may meet several, one after the other.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from callcenter.store.models import Notice
from tests.contract.fake_twilio import Answer, FakeTwilio
from tests.databases import Postgres
from tests.faults.conftest import MakeSite
from tests.faults.deployment import Process, Site, tell_by_twilio
from tests.running import command, until

#: What may befall a message that is handed over, and a question what became of one.
SENDING = (
    Answer.SILENT_BEFORE,
    Answer.SILENT_AFTER,
    Answer.BUSY,
    Answer.BROKEN_BEFORE,
    Answer.BROKEN_AFTER,
    Answer.GARBAGE_BEFORE,
    Answer.GARBAGE_AFTER,
    Answer.CUT_BEFORE,
    Answer.CUT_AFTER,
    Answer.SLOW,
)
LOOKING = (Answer.BUSY, Answer.BROKEN_BEFORE, Answer.GARBAGE_BEFORE, Answer.CUT_BEFORE)
FAULTS_PER_NOTICE = 2
GONE = ("dinsos", "+628120000411")  # an agency whose officer on duty has unsubscribed


@dataclass(frozen=True)
class Size:
    """So many faults of each kind; pauses so many times shorter; over after so many seconds."""

    each: int
    workers: int
    hurry: int
    seconds: float


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(Size(2, 2, 10, 150), id="2", marks=pytest.mark.timeout(240)),
        pytest.param(
            Size(100, 8, 1, 3000),
            id="100",
            marks=[pytest.mark.endurance, pytest.mark.timeout(3600)],
        ),
    ],
)
def test_every_fault_of_the_provider(
    site: MakeSite, request: pytest.FixtureRequest, kind: str, size: Size
) -> None:
    each = size.each
    began = time.monotonic()
    with FakeTwilio() as twilio:
        here = _here(site, request, kind, twilio)
        _plan(twilio, each)
        heard = len(SENDING) * each // FAULTS_PER_NOTICE
        for serial in range(heard):
            here.ticket(serial + 1)
        for serial in range(each):
            here.ticket(heard + serial + 1, GONE[0])
        _begin(here, size)
        until(lambda: _settled(here), size.seconds)
        sent, dead = _assert_once(here, twilio)
        met = {str(step): twilio.given[step] for step in SENDING}
    assert (sent, len(dead)) == (heard, each)
    assert all(twilio.given[step] >= each for step in SENDING), met
    assert _listed_as_dead(here, each + 1) == dead
    print(
        f"\n{kind}: {sum(met.values())} faults in {time.monotonic() - began:.0f} s, {met}: "
        f"{sent} notices, each told once; {len(dead)} dead letters, all listed"
    )


def _here(make: MakeSite, request: pytest.FixtureRequest, kind: str, twilio: FakeTwilio) -> Site:
    values = {}
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        values["database"] = server.create(f"provider_{time.monotonic_ns()}")
    here = make(enabled="false", **values)
    tell_by_twilio(here, twilio)
    twilio.delivers = True
    twilio.unsubscribed.add(GONE[1])
    return here


def _plan(twilio: FakeTwilio, each: int) -> None:
    dice = random.Random(each)
    for faults, on in ((SENDING, "send"), (LOOKING, "list")):
        steps = [step for step in faults for _ in range(each)]
        dice.shuffle(steps)
        twilio.behave(*steps, on=on)


def _begin(here: Site, size: Size) -> None:
    here.start("queue")
    for number, part in enumerate(("clock", *["worker"] * size.workers)):
        line = [sys.executable, "-m", "tests.faults.hurried", str(size.hurry), part]
        output = here.folder / f"{part}{number}.out"
        here.processes.append(Process([*line, "--config", str(here.file)], output))


def _settled(here: Site) -> bool:
    with here.store.read() as session:
        waiting = select(Notice.id).where(Notice.state.in_(("queued", "sending"))).limit(1)
        return session.scalar(waiting) is None


def _assert_once(here: Site, twilio: FakeTwilio) -> tuple[int, list[int]]:
    """Every notice is at the provider once, or dead and not there: how many, and which."""
    with here.store.read() as session:
        notices = session.scalars(select(Notice)).all()
    told = [notice.provider_id for notice in notices if notice.state != "dead"]
    assert Counter(told) == Counter(message["sid"] for message in twilio.accepted)
    texts = Counter(message["body"] for message in twilio.accepted)
    assert set(texts.values()) == {1}
    return len(told), sorted(notice.id for notice in notices if notice.state == "dead")


def _listed_as_dead(here: Site, limit: int) -> list[int]:
    """Their ids, as the command line lists them."""
    words = ["notices", "list", "--state", "dead", "--limit", str(limit), "--json"]
    done = subprocess.run(
        [*command(*words), "--config", str(here.file)], capture_output=True, check=True
    )
    return sorted(row["id"] for row in json.loads(done.stdout))
