"""The driver against a scripted Asterisk: what it says on the wire, and what it survives."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ivr.agi import AgiFault, CallerGone, Channel, Reply, UnsafeValue
from ivr.agi_server import AgiServer
from ivr.asterisk import LineServer, LineSettings, serve
from ivr.flow import Clip
from ivr.menu import build_menu
from ivr.nodes import Go, Say
from ivr.numbers import make_number
from ivr.prompts import PromptBook, PromptsMissing
from ivr.speaking import write
from ivr.spool import Spool
from tests.line.asterisk import until
from tests.line.scripted import HANGUP, Answer, ScriptedAsterisk

PROMPTS = Path(__file__).parents[2] / "recordings" / "prompts"
SPEECH = PROMPTS / "id" / "thanks.wav"
NUMBER = make_number(7)
CALL = "pbx1-1764000000.1"


@pytest.fixture
def settings(tmp_path: Path) -> LineSettings:
    return LineSettings(tmp_path / "spool", tmp_path / "quarantine", PROMPTS, port=0)


@pytest.fixture
def server(settings: LineSettings, book: PromptBook) -> Iterator[LineServer]:
    running = serve(settings, books=lambda: {"id": book})
    running.start()
    yield running
    running.stop()


@pytest.fixture
def spool(settings: LineSettings) -> Spool:
    return Spool(settings.spool, settings.quarantine)


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    path = tmp_path / "quiet.wav"
    write(path, np.zeros(8000, np.float32), 8000)
    return path


def called(
    server: LineServer,
    answers: dict[str, list[Answer]] | None = None,
    takes: list[Path | None] | None = None,
    environment: bytes = b"",
) -> ScriptedAsterisk:
    """One whole scripted call, over when the driver let it go."""
    with ScriptedAsterisk(
        server.address,
        CALL,
        number=NUMBER,
        answers=answers,
        takes=[SPEECH] * 9 if takes is None else takes,
        environment=environment,
    ) as asterisk:
        asterisk.run()
    until(lambda: server.calls() == 0)
    return asterisk


def keys_of(spool: Spool) -> list[str]:
    return [event.key for event in spool.read(CALL).events]


def streams(*prompts: str) -> list[str]:
    return [f"stream {prompt}" for prompt in prompts]


def test_a_caller_who_only_speaks(server: LineServer, spool: Spool) -> None:
    asterisk = called(server)
    digits = [
        part
        for one, two in zip(NUMBER[::2], NUMBER[1::2], strict=True)
        for part in ("pause", f"digit_{one}", f"digit_{two}")
    ]
    languages = ["language_id", "language_ban", "language_en"]
    assert asterisk.applications() == [
        *streams("welcome", *languages),
        "wait 2000",
        *streams("welcome_consent", "menu", "menu_emergency"),
        "wait 3000",
        *streams("ask_complaint", "beep"),
        f"record {CALL}_complaint-1",
        "stream review",
        "wait 4000",
        *streams("ask_name", "beep"),
        f"record {CALL}_name-1",
        *streams("ask_village", "beep"),
        f"record {CALL}_village-1",
        *streams("number_intro", *digits),
        *streams("number_again", *digits),
        "stream repeat",
        "wait 2000",
        "stream thanks",
    ]
    assert asterisk.variables["ADUAN_DONE"] == "1"
    assert asterisk.variables["ADUAN_CONSENT"] == "1"
    assert asterisk.variables["ADUAN_CLIP"] == str(spool.clip_path(CALL, "complaint", 1))
    call = spool.read(CALL)
    assert (call.mode, call.review, call.kept) == ("app", "silence", "complaint-1")
    assert call.consent_version
    assert call.number_heard_at
    assert len(call.clips) == 3
    assert [e.value for e in call.events if e.key == "clip_status"] == ["SILENCE"] * 3


def test_consent_is_noted_before_the_first_recording(server: LineServer, spool: Spool) -> None:
    asterisk = called(server)
    commands = asterisk.commands
    assert commands.index('SET VARIABLE "ADUAN_CONSENT" "1"') < next(
        index for index, command in enumerate(commands) if "RECORD" in command
    )
    assert keys_of(spool).index("consent") < keys_of(spool).index("clip")


def test_every_step_renews_the_dead_man_s_switch_for_as_long_as_it_may_take(
    server: LineServer,
) -> None:
    commands = called(server).commands
    longest = {"RECORD": 180 + 9, "STREAM": 60 + 9, "WAIT": 60 + 9}
    allowed = 0
    for command in commands:
        if "TIMEOUT(absolute)" in command:
            allowed = int(command.split('"')[3])
        for word, seconds in longest.items():
            assert word not in command or 8 < allowed <= seconds
    record = next(i for i, c in enumerate(commands) if c.startswith("RECORD FILE"))
    assert commands[record - 1] == 'SET VARIABLE "TIMEOUT(absolute)" "189"'
    assert commands[record].endswith('"wav" "0123456789*#" "180000" "s=4"')


def test_keys_lead_and_are_logged(server: LineServer, spool: Spool) -> None:
    keys: list[Answer] = [f"200 result={ord(key)}" for key in "11231"]
    asterisk = called(server, {"WAIT FOR DIGIT": keys})
    performed = asterisk.applications()
    assert performed.count(f"stream {CALL}_complaint-1") == 1
    assert f"record {CALL}_complaint-2" in performed
    assert asterisk.variables["ADUAN_CLIP"].endswith("_complaint-2.wav")
    events = [(e.key, e.value) for e in spool.read(CALL).events]
    assert [value for key, value in events if key == "key"] == list("11231")
    assert spool.read(CALL).review == "accepted"


def test_silence_three_times_is_a_silent_call(
    server: LineServer, spool: Spool, quiet: Path
) -> None:
    asterisk = called(server, takes=[quiet] * 3)
    assert asterisk.applications()[-1] == "stream goodbye_silent"
    assert asterisk.variables["ADUAN_DONE"] == "1"
    assert "ADUAN_CLIP" not in asterisk.variables
    assert spool.read(CALL).kept == ""


# ---------------------------------------------------------------- hang-ups and their disguises

GONE: dict[str, Answer] = {
    "cut": HANGUP,
    "minus one": "200 result=-1",
    "dead channel": "511 Command Not Permitted on a dead channel or intercept routine",
    "inline": b"HANGUP\n200 result=-1\n",
}
ACTING = ["STREAM FILE", "WAIT FOR DIGIT"]
ASKING = ["SET VARIABLE", "GET VARIABLE"]  # Asterisk answers these after a hang-up, too


@pytest.mark.parametrize(
    ("command", "how"),
    [(command, how) for command in ACTING for how in GONE]
    + [(command, how) for command in ASKING for how in ("cut", "dead channel")],
)
def test_a_hang_up_anywhere_ends_the_call_quietly(
    server: LineServer, command: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    asterisk = called(server, {command: [GONE[how]]})
    assert "ADUAN_DONE" not in asterisk.variables
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_hang_up_while_recording_keeps_and_logs_the_take(
    server: LineServer, spool: Spool
) -> None:
    def gone(command: str) -> str:
        spool.clip_path(CALL, "complaint", 1).write_bytes(SPEECH.read_bytes())
        return HANGUP

    called(server, {"RECORD FILE": [gone]})
    call = spool.read(CALL)
    assert (call.kept, len(call.clips)) == ("complaint-1", 1)
    assert ("clip_status", "HANGUP") in [(e.key, e.value) for e in call.events]


def test_a_hang_up_before_the_number_was_read_is_no_number_heard(
    server: LineServer, spool: Spool
) -> None:
    asterisk = called(server, {"stream number_intro": [HANGUP]})
    assert "number_intro" in asterisk.applications()[-1]
    assert "number_heard" not in keys_of(spool)


def test_an_inline_hangup_does_not_shift_the_replies(server: LineServer, spool: Spool) -> None:
    asterisk = called(server, {"STREAM FILE": [b"HANGUP\n200 result=0 endpos=8000\n"]})
    assert asterisk.variables["ADUAN_DONE"] == "1"


# ---------------------------------------------------------------- faults


def test_a_consent_that_was_not_played_leaves_the_caller_to_the_fallback(
    server: LineServer,
) -> None:
    unheard: list[Answer] = ["200 result=0 endpos=0"]
    asterisk = called(server, {"stream welcome_consent": unheard})
    assert asterisk.applications()[-1] == "stream welcome_consent"
    assert "ADUAN_CONSENT" not in asterisk.variables
    assert "ADUAN_DONE" not in asterisk.variables


@pytest.mark.parametrize(
    "answer",
    [
        "510 Invalid or unknown command",
        "520-Invalid command syntax.\nusage\n520 End of proper usage.",
        "200 result=abc",
        "200 nothing",
        "nonsense",
        "999 what",
        "200 result=-2",
        b"\xff\xfe\n",
        "100 result=0 Trying...\n510 Invalid or unknown command",
    ],
)
def test_an_answer_that_makes_no_sense_leaves_the_caller_to_the_fallback(
    server: LineServer, answer: Answer
) -> None:
    asterisk = called(server, {"stream welcome_consent": [answer]})
    assert "ADUAN_DONE" not in asterisk.variables


def test_a_full_disk_leaves_the_caller_to_the_fallback(server: LineServer, spool: Spool) -> None:
    asterisk = called(server, takes=[None])
    assert asterisk.applications()[-1] == f"record {CALL}_complaint-1"
    assert "ADUAN_DONE" not in asterisk.variables
    assert ("failed", "no recording") in [(e.key, e.value) for e in spool.read(CALL).events]


def test_a_name_that_cannot_be_recorded_does_not_cost_the_number(server: LineServer) -> None:
    asterisk = called(server, takes=[SPEECH, None, None])
    assert asterisk.variables["ADUAN_DONE"] == "1"


def test_a_bug_of_ours_is_logged_and_leaves_the_caller_to_the_fallback(
    server: LineServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ivr.performing.speech_at_once", lambda path, plenty_s: 1 / 0)
    asterisk = called(server)
    assert "ADUAN_DONE" not in asterisk.variables
    assert "ZeroDivisionError" in caplog.text


def test_a_sidecar_that_cannot_be_written_does_not_cost_the_call(
    server: LineServer,
    spool: Spool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    spool.open_call(CALL, [])
    monkeypatch.setattr(Spool, "append_event", full)
    assert called(server).variables["ADUAN_DONE"] == "1"
    assert "sidecar line" in caplog.text


def test_a_call_that_is_too_long_goes_to_the_fallback(settings: LineSettings) -> None:
    running = serve(replace(settings, max_call_s=0.0))
    running.start()
    asterisk = called(running)
    running.stop()
    assert asterisk.applications() == []
    assert "ADUAN_DONE" not in asterisk.variables


@pytest.mark.parametrize("call_id", ["", "../../x", "pbx1-1.2/../y", "1764000000.1"])
def test_a_call_id_that_is_not_ours_is_not_conducted(
    server: LineServer, spool: Spool, call_id: str
) -> None:
    with ScriptedAsterisk(server.address, call_id) as asterisk:
        asterisk.run()
    assert asterisk.commands == []
    assert list(spool.folder.iterdir()) == []


def test_a_wrong_number_from_outside_is_never_read(server: LineServer) -> None:
    with ScriptedAsterisk(server.address, CALL, number="12345678", takes=[SPEECH] * 3) as asterisk:
        asterisk.run()
    assert "stream no_number" in asterisk.applications()


def test_bytes_that_are_no_text_do_not_cost_the_call(server: LineServer) -> None:
    asterisk = called(server, environment=b"agi_calleridname: \xff\xfe\x00 Wayan\n")
    assert asterisk.variables["ADUAN_DONE"] == "1"


def test_no_phone_number_reaches_the_log(
    server: LineServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    called(server)
    assert CALL in caplog.text
    assert "081234567890" not in caplog.text


# ---------------------------------------------------------------- the server


def test_a_bare_probe_is_no_error(
    server: LineServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    socket.create_connection(server.address).close()
    with socket.create_connection(server.address) as probe:
        probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
    with socket.create_connection(server.address) as probe:
        probe.sendall(b"x" * 70_000)
    until(lambda: server.calls() == 0)
    assert "Traceback" not in capfd.readouterr().err
    assert "Traceback" not in caplog.text
    assert called(server).variables["ADUAN_DONE"] == "1"


def test_one_call_too_many_is_refused_at_once(settings: LineSettings) -> None:
    running = serve(replace(settings, max_calls=2))
    running.start()
    idle = [socket.create_connection(running.address) for _ in range(2)]
    until(lambda: running.calls() == 2)
    with socket.create_connection(running.address, timeout=5) as third:
        assert third.recv(1) == b""
    for connection in idle:
        connection.close()
    until(lambda: running.calls() == 0)
    running.stop()


def test_stopping_leaves_live_calls_to_the_fallback(settings: LineSettings) -> None:
    running = serve(settings)
    running.start()
    with socket.create_connection(running.address, timeout=5) as call:
        call.sendall(f"agi_uniqueid: {CALL}\n\n".encode())
        assert call.recv(1000)
        began = time.monotonic()
        running.stop()
        assert call.recv(1000) == b""
        assert time.monotonic() - began < 2
    running.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(running.address)


def test_stopping_waits_for_a_call_that_is_allowed_to_end(
    settings: LineSettings, book: PromptBook
) -> None:
    running = serve(settings, books=lambda: {"id": book})
    running.start()
    going = threading.Event()

    def slowly(_: str) -> str:
        going.set()
        return "200 result=0"

    answers: dict[str, list[Answer]] = {"STREAM FILE": [slowly]}
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(called, running, answers)
        assert going.wait(5)
        running.stop(drain_s=10)
        assert call.result().variables["ADUAN_DONE"] == "1"


def test_two_hundred_calls_at_once(server: LineServer, spool: Spool) -> None:
    def one(index: int) -> str:
        with ScriptedAsterisk(
            server.address, f"pbx1-1764000000.{index}", number=NUMBER, takes=[SPEECH] * 3
        ) as asterisk:
            return asterisk.run().variables.get("ADUAN_DONE", "")

    with ThreadPoolExecutor(200) as pool:
        assert set(pool.map(one, range(200))) == {"1"}
    assert len(spool.call_ids()) == 200


def test_a_line_that_cannot_speak_or_listen_says_so(
    settings: LineSettings, server: LineServer, tmp_path: Path
) -> None:
    with pytest.raises(PromptsMissing, match="welcome_consent"):
        serve(replace(settings, prompts=tmp_path))
    with pytest.raises(OSError, match="in use"):
        serve(replace(settings, port=server.address[1]))
    with pytest.raises(ValueError, match="thanks: leads to 'nowhere'"):
        serve(settings, {**build_menu(), "thanks": Say(("thanks",), Go("nowhere"))})


# ---------------------------------------------------------------- values on the wire


async def unused(_: Channel) -> None:
    raise AssertionError("nobody calls")


@contextmanager
def taking(take_call: Callable[[Channel], Awaitable[None]]) -> Iterator[AgiServer]:
    wrong: list[BaseException] = []

    async def watched(channel: Channel) -> None:
        try:
            await take_call(channel)
        except BaseException as error:
            wrong.append(error)
            raise

    server = AgiServer("127.0.0.1", 0, watched, 5)
    server.start()
    yield server
    server.stop()
    assert not wrong


def heard(take_call: Callable[[Channel], Awaitable[None]], *said: bytes) -> bytes:
    """All that the application says to an Asterisk that says this, each after a command."""
    with taking(take_call) as server, socket.create_connection(server.address) as asterisk:
        asterisk.settimeout(5)
        asterisk.sendall(b"agi_network: yes\n\n")
        commands = asterisk.makefile("rb")
        got = b""
        for answer in said:
            got += commands.readline()
            asterisk.sendall(answer)
        return got + commands.read()


@pytest.mark.parametrize("value", ["a\nEXEC System x", "a\r", 'a" "b', "a\\", "\x00", "x" * 2000])
def test_a_value_that_could_be_a_second_command_is_never_sent(value: str) -> None:
    async def taken(channel: Channel) -> None:
        with pytest.raises(UnsafeValue):
            await channel.set("ADUAN_X", value)
        with pytest.raises(UnsafeValue):
            await channel.execute("Playback", value)

    assert heard(taken) == b""


def test_a_comma_does_not_make_two_arguments_of_one() -> None:
    async def taken(channel: Channel) -> None:
        with pytest.raises(UnsafeValue, match="comma"):
            await channel.execute("Record", "/x/a,b.wav", 4)

    assert heard(taken) == b""


def test_asterisk_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivr.agi._GRACE_S", 0.05)
    gone = threading.Event()

    async def hang(channel: Channel) -> None:
        with pytest.raises(CallerGone):
            await channel.run("NOOP")
        gone.set()

    with taking(hang) as server, socket.create_connection(server.address) as asterisk:
        asterisk.sendall(b"agi_network: yes\n\n")
        assert gone.wait(5)


def test_one_that_connects_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivr.wire.ENVIRONMENT_S", 0.05)
    with taking(unused) as server, socket.create_connection(server.address) as asterisk:
        asterisk.settimeout(5)
        assert asterisk.recv(1) == b""


def test_a_hang_up_that_is_told_between_two_commands_shifts_no_reply() -> None:
    told: list[Reply] = []

    async def taken(channel: Channel) -> None:
        told.extend([await channel.run("NOOP"), await channel.run("GET VARIABLE", "X")])

    heard(taken, b"200 result=0\nHANGUP\n", b"200 result=1 (yes)\n")
    assert told == [Reply(0), Reply(1, "yes")]


def test_a_line_that_nobody_asked_for_gives_the_session_up() -> None:
    """A line feed in a variable's value makes one; what follows would answer the next command."""

    async def taken(channel: Channel) -> None:
        assert await channel.get("X") == ""
        with pytest.raises(AgiFault, match="nobody asked"):
            await channel.get("Y")

    heard(taken, b"200 result=1 (one\n200 result=1 (two)\n")


def test_replies_arrive_in_pieces_and_are_whole() -> None:
    async def taken(channel: Channel) -> None:
        assert await channel.get("X") == "a) (b"

    with taking(taken) as server, socket.create_connection(server.address) as asterisk:
        asterisk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"agi_network: yes\n\n":
            asterisk.sendall(bytes([byte]))
        assert asterisk.recv(100)
        for byte in b"200 result=1 (a) (b)\n":
            asterisk.sendall(bytes([byte]))
        assert asterisk.recv(1) == b""


def test_a_caller_s_name_cannot_pass_for_another_call_s_id() -> None:
    told: list[str] = []

    async def taken(channel: Channel) -> None:
        told.append(channel.environment["agi_uniqueid"])

    with taking(taken) as server, socket.create_connection(server.address) as asterisk:
        asterisk.sendall(b"agi_uniqueid: pbx1-1.1\nagi_calleridname: x\nagi_uniqueid: pbx1-2.2\n\n")
        assert asterisk.recv(1) == b""
    assert told == ["pbx1-1.1"]


def test_clips_are_named_as_everybody_agreed() -> None:
    assert str(Clip("complaint", 2)) == "complaint-2"
