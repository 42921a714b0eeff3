"""A whole deployment for tests: its own folder and ports, started by `aduan24 up`.

run = Up(folder, "--no-demo")       # folder/config.yaml names the ports
run.waits_for("READY", 60)
run.facts("complaints", "list")     # what the command line says, as JSON
run.end(signal.SIGTERM)
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from callcenter.config import load
from callcenter.instance import Port, taken_ports

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = 210


def until(condition: Callable[[], T], seconds: float, what: Callable[[], str] = str) -> T:
    """Wait until `condition()` is true and return it; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what() or condition}"
        time.sleep(0.02)
    return value


def free_block() -> int:
    """The first of 210 ports that nobody holds now."""
    for _ in range(100):
        first = random.SystemRandom().randrange(20000, 60000, _BLOCK)
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
