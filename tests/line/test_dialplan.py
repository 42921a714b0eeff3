"""Real calls to a real Asterisk: whatever the application does, the complaint is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import soundfile

from callcenter.services.pins import pin_of, write_pins
from ivr.numbers import make_number
from tests.line import application
from tests.line.asterisk import RunningAsterisk, Sidecar, reserve, start, until
from tests.line.conftest import block
from tests.line.softphone import Call, speech


def digits(number: str) -> list[str]:
    return [f"digit_{digit}" for digit in number]


def sidecar_of(line: RunningAsterisk, caller: str) -> Sidecar:
    """The finished sidecar of the only call from `caller`."""

    def ended() -> Sidecar | None:
        found = [one for one in line.sidecars() if one.get("caller") == caller]
        return found[0] if found and found[0].get("ended") else None

    return until(ended)


def seconds_of(line: RunningAsterisk, sidecar: Sidecar) -> float:
    return float(soundfile.info(line.spool / str(sidecar.get("clip"))).duration)


def spoken_number(heard: list[str]) -> tuple[str, str]:
    """The two readings of the number, as digits; fails when there are not two."""
    first = heard.index("number_intro")
    second = heard.index("number_again")
    end = heard.index("thanks")
    readings = (heard[first + 1 : second], heard[second + 1 : end])
    one, two = ("".join(word.removeprefix("digit_") for word in words) for words in readings)
    return one, two


@contextmanager
def played(line: RunningAsterisk, *commands: str) -> Iterator[subprocess.Popen[str]]:
    """The application, answering with these AGI commands."""
    with subprocess.Popen(
        [sys.executable, application.__file__, str(line.settings.agi_port), *commands],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert reads(process) == "ready"
            yield process
        finally:
            process.kill()


def reads(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def fresh_caller(suffix: int) -> str:
    return f"0819{suffix:06d}"


def test_application_refused_records_and_reads_the_number(line: RunningAsterisk) -> None:
    with Call(line.sip_port, caller="0811", say=speech(3)) as call:
        assert call.ended.wait(20)
        heard = call.heard()
    sidecar = sidecar_of(line, "0811")
    assert heard[:3] == ["welcome_consent", "fallback_intro", "beep"]
    number = str(sidecar.get("number"))
    assert spoken_number(heard) == (number, number)
    assert sidecar.keys == [
        "started", "caller", "called", "number", "mode", "consent", "clip", "clip_status",
        "room", "number_heard", "ended",
    ]  # fmt: skip
    assert sidecar.get("mode") == "fallback-refused"
    assert sidecar.get("started") == "pbx1"
    assert sidecar.get("called") == "5501000"
    assert seconds_of(line, sidecar) > 1


def test_who_has_said_nothing_yet_is_asked_once_more(line: RunningAsterisk) -> None:
    with Call(line.sip_port, caller="0876") as call:
        until(lambda: call.heard().count("beep") == 2, 20)
        call.say(speech(2))
        assert call.ended.wait(20)
        heard = call.heard()
    sidecar = sidecar_of(line, "0876")
    assert heard[:5] == ["welcome_consent", *["fallback_intro", "beep"] * 2]
    assert spoken_number(heard[5:]) == (sidecar.get("number"), sidecar.get("number"))
    first, second = sorted(line.spool.glob(f"{sidecar.call_id}_complaint-*.wav"), key=by_take)
    assert second.name.endswith("-10.wav") and sidecar.get("clip") == second.name
    assert soundfile.info(first).duration < 1.2 < soundfile.info(second).duration


def test_who_says_nothing_at_all_is_not_asked_for_ever(line: RunningAsterisk) -> None:
    with Call(line.sip_port, caller="0877") as call:
        assert call.ended.wait(30)
        assert call.heard().count("beep") == 2
    assert sidecar_of(line, "0877").get("ended") == "16"


def by_take(clip: Path) -> int:
    return int(clip.stem.rpartition("-")[2])


@pytest.mark.parametrize("seconds", [0.1, 0.2, 1.5, 2.5, 4.0])
def test_hang_up_at_any_moment_leaves_a_finished_sidecar(
    line: RunningAsterisk, seconds: float
) -> None:
    caller = fresh_caller(int(seconds * 10))
    with Call(line.sip_port, caller=caller, say=speech(60)) as call:
        assert call.answered.wait(5)
        assert not call.ended.wait(seconds)
    sidecar = sidecar_of(line, caller)
    clips = list(line.spool.glob(f"{sidecar.call_id}_*.wav"))
    assert [clip.name for clip in clips] == [sidecar.get("clip")] * (seconds > 1)
    if seconds > 1:
        assert sidecar.get("clip_status") == "HANGUP"
        assert soundfile.info(clips[0]).duration > seconds - 1.2


def test_killed_while_it_holds_the_call(line: RunningAsterisk) -> None:
    with (
        played(line, 'EXEC Wait "30"') as process,
        Call(line.sip_port, caller="0812", say=speech(5)) as call,
    ):
        assert reads(process) == "at 0"
        process.kill()
        assert call.ended.wait(20)
        heard = call.heard()
    sidecar = sidecar_of(line, "0812")
    assert sidecar.get("mode") in {"fallback-died", "fallback-hung"}
    assert spoken_number(heard)[0] == sidecar.get("number")
    assert seconds_of(line, sidecar) > 1


def test_killed_between_two_commands(line: RunningAsterisk) -> None:
    with (
        played(line, "NOOP", "NOOP") as process,
        Call(line.sip_port, caller="0813", say=speech(3)) as call,
    ):
        assert [reads(process), reads(process)] == ["at 0", "at 1"]
        process.kill()
        assert call.ended.wait(20)
        heard = call.heard()
    sidecar = sidecar_of(line, "0813")
    assert sidecar.get("mode") == "fallback-died"
    assert spoken_number(heard)[1] == sidecar.get("number")


def test_killed_while_it_records_keeps_both_clips(line: RunningAsterisk) -> None:
    clip = f"{line.spool}/{{id}}_complaint-1.wav"
    before = set(line.spool.glob("*_complaint-1.wav"))
    with (
        played(
            line,
            "SET VARIABLE ADUAN_CONSENT 1",
            'SET VARIABLE "TIMEOUT(absolute)" 20',
            f'EXEC Record "{clip},1,10,kqy"',
        ) as process,
        Call(line.sip_port, caller="0814", say=speech(4)) as call,
    ):
        assert [reads(process) for _ in range(3)][-1] == "at 2"
        until(lambda: set(line.spool.glob("*_complaint-1.wav")) - before)
        process.kill()
        assert call.ended.wait(20)
        heard = call.heard()
    sidecar = sidecar_of(line, "0814")
    first = line.spool / f"{sidecar.call_id}_complaint-1.wav"
    assert soundfile.info(first).duration > 2.5
    assert (line.spool / str(sidecar.get("clip"))).exists()
    assert "welcome_consent" not in heard
    assert "consent" not in sidecar.keys


@pytest.mark.parametrize("commands", [("silent",), ("NOOP",)])
def test_hanging_application_is_cut_by_the_timeout(
    line: RunningAsterisk, commands: tuple[str, ...]
) -> None:
    caller = f"0815{len(commands[0])}"
    with played(line, *commands), Call(line.sip_port, caller=caller, say=speech(5)) as call:
        assert call.ended.wait(20)
        heard = call.heard()
    sidecar = sidecar_of(line, caller)
    assert sidecar.get("mode") == "fallback-hung"
    number = str(sidecar.get("number"))
    assert spoken_number(heard) == (number, number)
    assert seconds_of(line, sidecar) > 1


def test_stopped_application_is_cut_by_the_timeout(line: RunningAsterisk) -> None:
    with played(line) as process:
        process.send_signal(signal.SIGSTOP)
        with Call(line.sip_port, caller="0816", say=speech(5)) as call:
            assert call.ended.wait(20)
            heard = call.heard()
    sidecar = sidecar_of(line, "0816")
    assert sidecar.get("mode") == "fallback-hung"
    assert spoken_number(heard)[0] == sidecar.get("number")


def test_a_clip_already_on_disk_is_not_asked_for_again(line: RunningAsterisk) -> None:
    clip = f"{line.spool}/{{id}}_complaint-1.wav"
    with (
        played(
            line,
            "SET VARIABLE ADUAN_CONSENT 1",
            'SET VARIABLE "TIMEOUT(absolute)" 20',
            f'EXEC Record "{clip},1,10,kqy"',
            f'EXEC Set "ADUAN_CLIP={clip}"',
            "bye",
        ),
        Call(line.sip_port, caller="0817", say=speech(1)) as call,
    ):
        assert call.ended.wait(20)
        heard = call.heard()
    number = str(sidecar_of(line, "0817").get("number"))
    assert heard == ["number_intro", *digits(number), "number_again", *digits(number), "thanks"]


def test_a_finished_call_is_left_alone(line: RunningAsterisk) -> None:
    with (
        played(line, "SET VARIABLE ADUAN_DONE 1", "bye"),
        Call(line.sip_port, caller="0818") as call,
    ):
        assert call.ended.wait(10)
        assert call.heard() == []
    sidecar = sidecar_of(line, "0818")
    assert sidecar.get("mode") == "app"
    assert sidecar.keys[-1] == "ended"


@pytest.mark.parametrize(
    ("caller", "written"),
    [
        ("$%7BSHELL(touch%20/tmp/aduan-owned)%7D", "${SHELL(touch /tmp/aduan-owned)}"),
        ("62812%0d%0a1764000000%20ended=16", "62812\r\n1764000000 ended=16"),
        ("%22%3e%3cx'%60id%60%7c%26%3b%2c", "\"><x'`id`|&"),
        ("9" * 8192, "9" * 64),
        ("%25%2535%0a%00x", None),
    ],
)
def test_hostile_callers_add_no_line(
    line: RunningAsterisk, caller: str, written: str | None
) -> None:
    before = {one.call_id for one in line.sidecars()}
    with Call(line.sip_port, caller=caller, say=speech(2)) as call:
        until(lambda: call.status >= 200)
    if call.status == 200:
        until(lambda: all(one.get("ended") for one in line.sidecars()))
    new = [one for one in line.sidecars() if one.call_id not in before]
    assert len(new) == (1 if call.status == 200 else 0)
    for one in new:
        assert len(one.keys) == len(set(one.keys))
        assert written is None or one.get("caller") == written
    assert not Path("/tmp/aduan-owned").exists()
    assert "aduan-owned" not in line.log()


def calls_of_the_day(line: RunningAsterisk) -> int:
    """What the exchange has counted; at midnight there are two days."""
    return sum(path.stat().st_size // 2 for path in line.numbers.glob("day-*"))


def test_twenty_calls_at_once_get_twenty_numbers(line: RunningAsterisk) -> None:
    before, counted = len(line.sidecars()), calls_of_the_day(line)
    with ExitStack() as stack, ThreadPoolExecutor(20) as pool:
        calls = [Call(line.sip_port, caller=f"08200{index:02d}") for index in range(20)]
        list(pool.map(stack.enter_context, calls))
        assert all(call.answered.wait(10) for call in calls)
    until(lambda: all(one.get("ended") for one in line.sidecars()))
    sidecars = line.sidecars()
    numbers = [one.get("number") for one in sidecars]
    assert len(sidecars) == before + 20
    assert None not in numbers and len(set(numbers)) == len(numbers)
    taken = (line.numbers / "taken").read_text().split()
    assert sorted(taken) == sorted(str(number) for number in numbers)
    assert int((line.numbers / "next").read_text()) == len(taken)
    assert calls_of_the_day(line) == counted + 20


def test_the_day_of_a_call_is_the_programmes(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pbx")
    east = timedelta(hours=23)  # another date than in UTC but for one hour of the day
    own = start(folder, utc_offset=int(east.total_seconds()))
    try:
        days = {f"day-{datetime.now(UTC) + east:%Y%m%d}"}
        with Call(own.sip_port) as call:
            assert call.answered.wait(5)
        days.add(f"day-{datetime.now(UTC) + east:%Y%m%d}")
        assert {path.name for path in own.numbers.glob("day-*")} <= days
        assert calls_of_the_day(own) == 1
    finally:
        own.stop()


def test_the_log_holds_no_callers_number(line: RunningAsterisk) -> None:
    with Call(line.sip_port, caller="081777888999") as call:
        assert call.answered.wait(5)
    sidecar_of(line, "081777888999")
    assert "081777888999" not in line.log()
    calls = (line.settings.state / "log/cel-custom/calls.csv").read_text()
    assert "081777888999" not in calls
    assert sidecar_of(line, "081777888999").call_id in calls


@pytest.fixture
def own_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAsterisk]:
    """An exchange that may be killed, with three numbers and room for four calls."""
    folder = tmp_path_factory.mktemp("own")
    reserve(folder / "numbers", *block(3))
    running = start(folder, max_calls=4)
    yield running
    running.stop()


@pytest.fixture
def line_with_pins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAsterisk]:
    """Two numbers: one has a PIN; beside the other, whose check digit is wrong, stands none."""
    folder = tmp_path_factory.mktemp("pins")
    other = make_number(42)
    reserve(folder / "numbers", make_number(41), f"{other[:-1]}{(int(other[-1]) + 1) % 10}")
    write_pins(folder / "numbers", "the installation's secret")
    running = start(folder)
    yield running
    running.stop()


def test_the_fallback_reads_the_pin_of_its_number_and_none_where_there_is_none(
    line_with_pins: RunningAsterisk,
) -> None:
    said = []
    for caller in ("0871", "0872"):
        with Call(line_with_pins.sip_port, caller=caller, say=speech(2)) as call:
            assert call.ended.wait(20)
            said.append(call.heard())
    pin = pin_of(make_number(41), "the installation's secret")
    at = said[0].index("pin_intro")
    assert said[0][at:] == ["pin_intro", *digits(pin), "thanks"]
    assert spoken_number([*said[0][:at], "thanks"]) == (make_number(41), make_number(41))
    assert "pin_intro" not in said[1] and "number_intro" in said[1]
    sidecar = sidecar_of(line_with_pins, "0871")
    assert pin not in [value for _, value in sidecar.lines]


def test_numbers_are_unique_across_a_kill_and_then_run_out(own_line: RunningAsterisk) -> None:
    with Call(own_line.sip_port, caller="0831", say=speech(30)) as call:
        assert call.answered.wait(5)
        until(lambda: list(own_line.spool.glob("*_complaint-9.wav")))
        own_line.kill9()
    (own_line.numbers / "next").write_text("")  # the kill may hit between truncate and write
    own_line.run()
    for caller in ("0832", "0833"):
        with Call(own_line.sip_port, caller=caller) as call:
            assert call.answered.wait(5)
        sidecar_of(own_line, caller)
    with Call(own_line.sip_port, caller="0834", say=speech(2)) as call:
        assert call.ended.wait(20)
        heard = call.heard()
    numbers = [one.get("number") for one in own_line.sidecars()]
    block_ = (own_line.numbers / "numbers.txt").read_text().split()
    assert numbers == [*block_, None]
    assert heard[-2:] == ["no_number", "thanks"]
    assert "number_intro" not in heard
    assert seconds_of(own_line, sidecar_of(own_line, "0834")) > 1


def test_a_call_cut_by_kill9_leaves_audio_and_an_open_sidecar(own_line: RunningAsterisk) -> None:
    with Call(own_line.sip_port, caller="0841", say=speech(30)) as call:
        assert call.answered.wait(5)
        until(lambda: any(clip.stat().st_size > 44 for clip in own_line.spool.glob("*.wav")))
        own_line.kill9()
    (sidecar,) = own_line.sidecars()
    assert sidecar.get("caller") == "0841"
    assert "ended" not in sidecar.keys


def test_a_full_line_says_busy_and_logs_the_call(own_line: RunningAsterisk) -> None:
    with ExitStack() as stack:
        for index in range(4):
            call = stack.enter_context(Call(own_line.sip_port, caller=f"085{index}"))
            assert call.answered.wait(5)
        fifth = stack.enter_context(Call(own_line.sip_port, caller="0859"))
        assert fifth.ended.wait(5)
        assert fifth.status == 486
    sidecar = sidecar_of(own_line, "0859")
    assert sidecar.get("refused") == "busy"
    assert sidecar.get("mode") == "busy"
    assert "number" not in sidecar.keys
    assert not list(own_line.spool.glob(f"{sidecar.call_id}_*"))


def test_only_loopback_is_open(own_line: RunningAsterisk) -> None:
    listing = subprocess.run(["ss", "-Hlnt", "-p"], capture_output=True, text=True, check=True)
    mine = [row for row in listing.stdout.splitlines() if f"pid={own_line.pid}," in row]
    assert mine and all("127.0.0.1:" in row for row in mine)


def test_it_answers_soon_after_its_start(own_line: RunningAsterisk) -> None:
    own_line.restart()
    with Call(own_line.sip_port, caller="0861") as call:
        assert call.answered.wait(3)
