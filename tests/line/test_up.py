"""`aduan24 up` for real: its own folder and ports, a real exchange, a real demonstration call."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callcenter.config import load
from callcenter.config.template import rendered
from callcenter.instance import Port, taken_ports

pytestmark = [pytest.mark.line, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = 210


def until(condition: Callable[[], object], seconds: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def free_block() -> int:
    """The first of 210 ports that nobody holds now."""
    for _ in range(100):
        first = random.randrange(20000, 60000, _BLOCK)
        ports = [Port("x", "127.0.0.1", first + n) for n in range(5)]
        if not taken_ports([*ports, Port("x", "127.0.0.1", first, "udp")]):
            return first
    raise AssertionError("no block of ports is free")


def living(*words: str) -> dict[int, str]:
    """Living processes with one of these words in their environment or their command line.

    Valkey writes its title over both; it keeps its port there.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            seen = line + (entry / "environ").read_bytes()
        except OSError:
            continue
        if state not in "ZX" and any(word.encode() in seen for word in words):
            found[int(entry.name)] = line.decode(errors="replace")
    return found


class Up:
    """One run of `aduan24 up` in `folder`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.marker = f"ADUAN24_TEST_{os.getpid()}_{time.monotonic_ns()}"
        self.output = folder / f"output-{time.monotonic_ns()}"
        self.queue_port = load(self.config).queue.port
        self.begun = time.monotonic()
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*command("up"), *arguments, "--config", str(self.config)],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "MARKER": self.marker},
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def waits_for(self, text: str, seconds: float) -> float:
        """Until `text` is in the output; how long it took since the start."""
        until(
            lambda: text in self.said or self.process.poll() is not None,
            seconds,
            lambda: f"no {text!r} within {seconds} s:\n{self.said}",
        )
        assert text in self.said, self.said
        return time.monotonic() - self.begun

    def end(self, number: int, seconds: float = 15) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)

    def left(self) -> list[str]:
        return list(self.living().values())

    def living(self) -> dict[int, str]:
        return living(self.marker, f"valkey-server 127.0.0.1:{self.queue_port}")

    def facts(self, *arguments: str) -> Any:
        done = subprocess.run(
            [*command(*arguments), "--json", "--config", str(self.config)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "callcenter.cli", *arguments]


Begin = Callable[..., Up]


@pytest.fixture
def begin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begin]:
    """Starts `up` in one folder; whatever happens, nothing of it is left afterwards."""
    folder = tmp_path_factory.mktemp("up")
    (folder / "config.yaml").write_text(rendered(free_block()), encoding="utf-8")
    runs: list[Up] = []

    def start(*arguments: str) -> Up:
        runs.append(Up(folder, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
    for run in runs:
        until(lambda run=run: not run.left(), 15, lambda run=run: str(run.left()))  # type: ignore[misc]


def test_the_first_start_demonstrates_a_call_and_a_stop_leaves_nothing(begin: Begin) -> None:
    one = begin()
    one.waits_for("READY", 60)
    one.waits_for("filed as complaint", 90)
    said = one.said
    assert "heard: the welcome and the consent" in said
    assert "heard: the public number" in said
    number = re.search(r"filed as complaint (\d{8})", said)
    assert number
    (complaint,) = one.facts("complaints", "list")
    assert complaint["number"] == number[1]
    call = one.facts("calls", "show", "1")
    assert call["number_heard"] is True
    assert call["mode"] == "app"
    assert call["speech_seconds"] > 5
    for user in ("operator", "supervisor", "admin", "petugas"):
        assert f"sign in as {user}" in said
    assert (one.folder / "var/sample-sign-ins.txt").stat().st_mode & 0o777 == 0o600
    assert one.end(signal.SIGTERM) == 0
    assert one.left() == []

    again = begin()
    assert again.waits_for("READY", 30) < 15  # measured 5 s alone; other tests run beside it
    assert "sign in as operator" in again.said
    assert "phoning" not in again.said  # the database is not empty any more
    assert again.end(signal.SIGINT) == 0
    assert again.left() == []


def test_kill_9_leaves_nothing_and_the_next_start_works(begin: Begin) -> None:
    one = begin("--no-demo")
    one.waits_for("READY", 60)
    assert len(one.left()) >= 8  # supervisor, sentinel, queue, exchange, line, web, ...
    one.end(signal.SIGKILL)
    two = begin("--no-demo")
    two.waits_for("READY", 60)
    assert living(one.marker) == {}
    assert two.end(signal.SIGTERM) == 0
    assert two.left() == []


def test_every_part_comes_back_after_kill_9(begin: Begin) -> None:
    one = begin("--no-demo")
    one.waits_for("READY", 60)
    for name, word in (("line", "cli line"), ("web", "cli web"), ("queue", "valkey-server")):
        for pid in [pid for pid, line in one.living().items() if word in line]:
            os.kill(pid, signal.SIGKILL)
        one.waits_for(f"{name} | ended (signal SIGKILL)", 20)
        one.waits_for(f"{name} | runs again", 30)
    assert one.end(signal.SIGTERM) == 0
    assert one.left() == []


def test_a_second_one_is_refused(begin: Begin) -> None:
    one = begin("--no-demo")
    one.waits_for("READY", 60)
    two = begin("--no-demo")
    assert two.process.wait(timeout=20) == 2
    assert "running here already" in two.said
    assert one.process.poll() is None
    assert one.end(signal.SIGTERM) == 0


def test_a_taken_port_is_named_before_anything_starts(begin: Begin) -> None:
    probe = begin("--nonsense")  # makes the folder known without starting anything
    probe.process.wait(timeout=20)
    web = load(probe.config).web.port
    with socket.socket() as other:
        other.bind(("127.0.0.1", web))
        other.listen()
        one = begin("--no-demo")
        assert one.process.wait(timeout=30) == 2
    assert one.said.splitlines()[-1].startswith(f"aduan24: web.port: tcp port {web} on 127.0.0.1")
    assert one.left() == []
    assert not (one.folder / "var/log").exists()


def test_doctor_finds_a_running_deployment_in_order(begin: Begin) -> None:
    one = begin("--no-demo")
    one.waits_for("READY", 60)
    findings = one.facts("doctor")
    assert [f for f in findings if f["level"] == "fail"] == []
    names = {f["name"] for f in findings}
    assert {"SIP", "manager", "application", "queue", "migrations", "prompts", "numbers"} <= names
    assert one.end(signal.SIGTERM) == 0
    stopped = {f["name"]: f["level"] for f in one.facts("doctor")}
    assert stopped["SIP"] == "fail"
