"""`aduan24 up` for real: its own folder and ports, and a real exchange.

The first start with its demonstration call is the beginning of `tests/way`.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from callcenter.config import load
from callcenter.config.template import rendered
from tests.running import Up, free_block, living, until

pytestmark = [pytest.mark.line, pytest.mark.timeout(300)]

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
