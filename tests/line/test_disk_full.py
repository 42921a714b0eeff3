"""Real calls while the disk of the recordings is full: nobody hears a number for what is not
there, everybody hears why, and the line is itself again as soon as there is room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from callcenter.domain.room import RoomLimits
from callcenter.services.room import SpoolRoom
from ivr.asterisk import LineSettings, serve
from ivr.caller import Beep, CallPlan, CallResult, HangUp, Heard, Say, place_calls
from ivr.caller.hearing import contains, heard_numbers
from ivr.caller.script import read_audio
from ivr.menu import Limits, build_menu
from ivr.numbers import make_number
from ivr.prompts import PromptBook
from ivr.spool import Spool, SpooledCall
from tests.disks import Disk, small_disk
from tests.line.asterisk import RunningAsterisk, make_prompts, reserve, start, until
from tests.line.noises import keys_of, make_noises, noise
from tests.line.softphone import Call, speech

PAGE = 4096
LIMITS = Limits(
    complaint_s=3,
    complaint_silence_s=1,
    short_s=1,
    short_silence_s=1,
    language_wait_s=0.2,
    menu_wait_s=0.2,
    again_wait_s=0.2,
    review_wait_s=0.2,
)
SPOKEN = read_audio(Path(__file__).parents[2] / "recordings/prompts/id/thanks.wav")[:16000]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with small_disk(tmp_path_factory.mktemp("disk") / "small", 1_000_000) as small:
        yield small


@dataclass
class Exchange:
    """A real exchange whose spool lies on the small disk."""

    pbx: RunningAsterisk
    spool: Spool

    def ended(self, caller: str) -> SpooledCall:
        """The finished call of this caller."""

        def found() -> list[SpooledCall]:
            return [call for call in self.spool.ready() if call.caller_raw == caller]

        return until(found)[0]

    def clear(self) -> None:
        """As if every call were filed."""
        for path in self.spool.folder.iterdir():
            path.unlink()


@pytest.fixture(scope="module")
def alone(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Its application is away: the dialplan's fallback records."""
    folder = tmp_path_factory.mktemp("pbx")
    reserve(folder / "numbers", *(make_number(serial) for serial in range(50)))
    spool = disk.folder / "spool"
    make_prompts(folder / "tones")
    pbx = start(folder, spool=spool, record_seconds=10, prompts=folder / "tones")
    yield Exchange(pbx, Spool(spool, folder / "quarantine"))
    pbx.stop()


@pytest.fixture(autouse=True)
def room_again(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "disk" in request.fixturenames:
        request.getfixturevalue("disk").empty()
        request.getfixturevalue("alone").clear()


def heard_by(exchange: Exchange, caller: str, seconds: float) -> list[str]:
    """What a caller hears who speaks for so long from the beginning on."""
    with Call(exchange.pbx.sip_port, caller=caller, say=speech(seconds)) as call:
        assert call.ended.wait(30)
        return call.heard()


RECORDED = ["welcome_consent", "fallback_intro", "beep"]


@pytest.mark.parametrize(
    ("free", "seconds", "before"),
    [
        pytest.param(0, 2.0, [], id="nothing can be written"),
        pytest.param(10 * PAGE, 6.0, RECORDED, id="full in the middle of the complaint"),
        pytest.param(10 * PAGE, 1.9, RECORDED, id="full when the file is closed"),
    ],
)
def test_the_fallback_tells_the_caller_and_reads_no_number(
    disk: Disk, alone: Exchange, free: int, seconds: float, before: list[str]
) -> None:
    disk.leave(free)
    assert heard_by(alone, "0811", seconds) == [*before, "no_room"]
    assert not [e for call in alone.spool.ready() for e in call.events if e.key == "number_heard"]


def test_the_fallback_is_itself_again_when_there_is_room(disk: Disk, alone: Exchange) -> None:
    disk.leave(0)
    assert heard_by(alone, "0812", 1.0) == ["no_room"]
    disk.empty()
    assert heard_by(alone, "0813", 2.0)[3] == "number_intro"
    call = alone.ended("0813")
    assert call.number and call.number_heard_at and call.clips


# ---------------------------------------------------------------- with the application


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> PromptBook:
    return make_noises(tmp_path_factory.mktemp("book"), "id", keys_of(build_menu(LIMITS)))


@dataclass
class Line:
    """The application on the exchange, and what its callers hear."""

    exchange: Exchange
    book: PromptBook

    def call(self, caller: str) -> CallResult:
        said_twice = HangUp(Heard(noise("id", "number_again")))
        plan = CallPlan((Say(SPOKEN, Beep()), said_twice), caller=caller)
        return place_calls(f"sip:5501000@127.0.0.1:{self.exchange.pbx.sip_port}", [plan])[0]

    def numbers(self, result: CallResult) -> list[str]:
        files = {path.stem: path for path in self.book.folder.glob("*.wav")}
        return [number for number in heard_numbers(result.heard, files) if number]


@pytest.fixture
def line(alone: Exchange, book: PromptBook) -> Iterator[Line]:
    """It stops recording where less than 20,000 bytes are left."""
    settings = LineSettings(
        alone.spool.folder,
        alone.spool.quarantine_folder,
        book.folder.parent,
        port=alone.pbx.settings.agi_port,
        limits=LIMITS,
    )
    room = SpoolRoom(settings.spool, RoomLimits(low=50_000, full=20_000))
    settings = replace(settings, mode=lambda _caller: "normal" if room() else "no_room")
    server = serve(settings, books=lambda: {"id": book})
    server.start()
    yield Line(alone, book)
    server.stop()


def test_a_caller_hears_at_once_that_nothing_can_be_recorded(disk: Disk, line: Line) -> None:
    disk.leave(4 * PAGE)
    result = line.call("0821")
    assert contains(result.heard, noise("id", "no_room"))
    assert not contains(result.heard, noise("id", "welcome_consent"))
    assert line.numbers(result) == []
    assert line.exchange.ended("0821").clips == ()


def test_a_disk_that_fills_up_while_somebody_speaks_gives_no_number(disk: Disk, line: Line) -> None:
    disk.leave(8 * PAGE)
    result = line.call("0822")
    assert contains(result.heard, noise("id", "welcome_consent"))
    assert contains(result.heard, noise("id", "no_room"))
    assert line.numbers(result) == []
    call = line.exchange.ended("0822")
    assert call.number_heard_at is None
    assert [clip.kind for clip in call.clips] == ["complaint"]  # its beginning is kept


def test_with_room_again_the_next_caller_hears_a_number(disk: Disk, line: Line) -> None:
    disk.leave(0)
    disk.empty()
    result = line.call("0823")
    assert line.exchange.ended("0823").number in "".join(line.numbers(result))
