"""Real SIP calls whose caller's number is an attack: on the dialplan, AGI, AMI and the sidecar.

All at once, each over the whole way: the exchange, the application, the manager's stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import soundfile

from callcenter.gateways.pbx import Pbx
from ivr.asterisk import LineServer, LineSettings, serve
from ivr.menu import Limits, build_menu
from ivr.numbers import make_number
from tests.attack.hostile import SEED, hostile
from tests.line.asterisk import RunningAsterisk, Sidecar, reserve, start, until
from tests.line.noises import book_of, keys_of, make_noises
from tests.line.softphone import Call, alaw

LIMITS = Limits(
    complaint_s=3,
    complaint_silence_s=1,
    short_s=1,
    short_silence_s=1,
    language_wait_s=0.1,
    menu_wait_s=0.1,
    again_wait_s=0.1,
    review_wait_s=0.1,
)
FORGED = "pbx1-1.9"
VOICE = Path(__file__).parents[2] / "recordings/prompts/id/thanks.wav"
SPOKEN = alaw(np.tile(soundfile.read(VOICE)[0], 6))
#: What the manager's and the application's lines would be made of; then some at random.
CALLERS = [
    f"081\r\nUniqueid: {FORGED}\r\n\r\nEvent: Hangup\r\nUniqueid: {FORGED}",
    f"082\x0bUniqueid: {FORGED}",
    f"083\u2028Uniqueid: {FORGED}",
    "084\r\n\r\nAction: Originate\r\nApplication: System\r\nData: touch /tmp/aduan-owned",
    f"085\nagi_uniqueid: {FORGED}\nagi_callerid: 0899",
    "086\n\n200 result=1\nHANGUP",
    "087${SHELL(touch /tmp/aduan-owned)}",
    *(value.decode("latin-1") for value in hostile(400, SEED) if 0 < len(value) < 200),
][:24]


@pytest.fixture(scope="module")
def pbx_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAsterisk]:
    folder = tmp_path_factory.mktemp("pbx")
    reserve(folder / "numbers", *(make_number(serial) for serial in range(100)))
    make_noises(folder / "prompts", "id", keys_of(build_menu(LIMITS)))
    running = start(folder, prompts=folder / "prompts" / "id", max_calls=200)
    yield running
    running.stop()


@pytest.fixture
def application(pbx_line: RunningAsterisk, tmp_path: Path) -> Iterator[LineServer]:
    prompts = pbx_line.settings.prompts
    settings = LineSettings(
        pbx_line.spool,
        tmp_path / "quarantine",
        prompts.parent,
        port=pbx_line.settings.agi_port,
        limits=LIMITS,
    )
    book = book_of(prompts)
    running = serve(settings, books=lambda: {"id": book})
    running.start()
    yield running
    running.stop()


@pytest.fixture
def manager(pbx_line: RunningAsterisk) -> Iterator[Pbx]:
    made = Pbx(port=pbx_line.settings.ami_port, user="aduan24", secret="test-secret")
    made.start()
    until(lambda: made.connected)
    yield made
    made.stop()


def as_user(caller: str) -> str:
    """The caller's number as the user part of a SIP address (RFC 3261, 19.1.2)."""
    return quote(caller.encode("latin-1", errors="ignore") or b"x", safe="")


def taken(call: Call) -> bool:
    return call.answered.is_set() or call.status >= 300


def test_hostile_callers_are_callers_and_nothing_else(
    pbx_line: RunningAsterisk,
    application: LineServer,
    manager: Pbx,
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []
    manager.on_hangup(told.append)
    with ExitStack() as stack:
        calls = [
            stack.enter_context(Call(pbx_line.sip_port, caller=as_user(one), say=SPOKEN))
            for one in CALLERS
        ]
        until(lambda: all(map(taken, calls)))
        answered = [call for call in calls if call.answered.is_set()]
        until(lambda: len(pbx_line.sidecars()) == len(answered))
        ids = {one.call_id for one in pbx_line.sidecars()}
        assert ids <= manager.live_calls()
        assert all(call.ended.wait(40) for call in answered)
    sidecars = until(lambda: ended(pbx_line))
    assert len(answered) >= len(CALLERS) * 0.8  # the rest Asterisk does not take for an address
    for one in sidecars:
        assert one.get("mode") == "app", one
        assert one.get("number_heard") == one.get("number"), one
        assert len([key for key in one.keys if key in {"started", "caller", "ended"}]) == 3
    assert {str(one.get("caller"))[:3] for one in sidecars} >= {f"08{n}" for n in range(1, 8)}
    until(lambda: ids <= set(told))
    assert manager.live_calls() == frozenset()
    assert not [record for record in caplog.records if record.exc_info]
    assert not Path("/tmp/aduan-owned").exists()
    names = [path.name for path in pbx_line.spool.iterdir()]
    assert all(re.fullmatch(r"pbx1-[0-9]+\.[0-9]+(\.call|_[a-z]+-[0-9]+\.wav)", n) for n in names)


def ended(line: RunningAsterisk) -> list[Sidecar] | None:
    found = line.sidecars()
    return found if all(one.get("ended") for one in found) else None
