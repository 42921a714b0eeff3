"""A real Asterisk for tests, on ports and in folders of its own.

    from tests.line.asterisk import start

    line = start(folder, agi_port=4711, record_seconds=10)   # any field of AsteriskSettings
    line.sip_port                 # UDP on 127.0.0.1: phone it
    line.settings                 # the AsteriskSettings it was rendered from
    line.spool, line.numbers      # folders; line.sidecars() reads the former
    line.kill9()                  # as a crash: nothing is flushed, no h extension runs
    line.stop()                   # orderly; also after kill9() (then it does nothing)
    line.restart()                # starts again in the same folders, on the same ports
    line.freeze(), line.thaw()    # SIGSTOP and SIGCONT

`start` returns when the line answers. `folder` must be short and without odd characters: take
one from `tmp_path_factory.mktemp("pbx")`. Prompts are tones unless `prompts=` names a
folder of real ones: `tests.line.softphone` hears which one was played. The fixture `line`
(conftest.py) gives each test file one exchange, with the application's port refused.
Asterisk is found through `.parts/parts.env` or the folder that $ADUAN24_PARTS names.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import numpy as np
import soundfile

from callcenter.domain.presence import Order, Step
from callcenter.gateways.asterisk import AsteriskSettings, command, control, render
from callcenter.gateways.parts import Parts, read_parts
from callcenter.gateways.switchboard import Switchboard

T = TypeVar("T")

# One tone per prompt, far enough apart to be told from each other by ear and by FFT.
TONES = {f"digit_{digit}": 400 + 100 * digit for digit in range(10)} | {
    "welcome_consent": 1500,
    "fallback_intro": 1700,
    "beep": 1900,
    "number_intro": 2100,
    "number_again": 2300,
    "thanks": 2500,
    "no_number": 2700,
    "failed": 2900,
    "no_room": 3100,
    "pin_intro": 3300,
    "busy": 3500,
}
TONE_SECONDS = 0.1
GAP_SECONDS = 0.05


def until(condition: Callable[[], T], seconds: float = 10.0) -> T:
    """Wait until `condition()` is true and return it; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.02)
    return value


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody holds now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_prompts(folder: Path) -> Path:
    """Tones in place of the spoken prompts, each followed by a gap."""
    folder.mkdir(parents=True, exist_ok=True)
    gap = np.zeros(int(8000 * GAP_SECONDS))
    times = np.arange(int(8000 * TONE_SECONDS)) / 8000
    for key, hertz in TONES.items():
        sound = np.concatenate([0.4 * np.sin(2 * np.pi * hertz * times), gap])
        soundfile.write(folder / f"{key}.wav", sound, 8000, subtype="PCM_16")
    soundfile.write(folder / "pause.wav", np.zeros(800), 8000, subtype="PCM_16")
    return folder


def reserve(numbers: Path, *values: str) -> None:
    """Append public numbers to the block of this exchange, as the application does."""
    numbers.mkdir(parents=True, exist_ok=True)
    with (numbers / "numbers.txt").open("a") as file:
        file.writelines(f"{value}\n" for value in values)


@dataclass
class Sidecar:
    """What one call left behind: lines of (key, decoded value), in order."""

    call_id: str
    lines: list[tuple[str, str]]

    def get(self, key: str) -> str | None:
        """The last value of `key`."""
        return dict(self.lines).get(key)

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.lines]


def read_sidecar(path: Path) -> Sidecar:
    """Parse strictly: a line that is not `<seconds> <key>=<value>` fails the test."""
    lines = []
    for line in path.read_text(encoding="ascii").splitlines():
        seconds, _, rest = line.partition(" ")
        key, equals, value = rest.partition("=")
        assert float(seconds) > 1e9 and equals and key.isidentifier(), line
        lines.append((key, unquote(value)))
    return Sidecar(path.stem, lines)


@dataclass
class RunningAsterisk:
    """See the module's docstring."""

    settings: AsteriskSettings
    parts: Parts
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def sip_port(self) -> int:
        return self.settings.sip_port

    @property
    def spool(self) -> Path:
        return self.settings.spool

    @property
    def numbers(self) -> Path:
        return self.settings.numbers

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def run(self) -> None:
        """Start it and return when it is fully booted."""
        with (self.settings.state / "out").open("ab") as out:
            self.process = subprocess.Popen(
                command(self.settings, self.parts), stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        until(self._booted, 15)

    def _booted(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.settings.state / "out").read_text()
        return "fully booted" in self.order("core waitfullybooted")

    def order(self, words: str) -> str:
        """What its own command line answers."""
        argv = control(self.settings, self.parts, words)
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

    def sign_in(self, operator: str) -> None:
        """As the application does it for an operator who has signed in at this telephone."""
        switchboard = Switchboard(
            port=self.settings.ami_port, user=self.settings.operators_user, secret="test-secret"
        )
        switchboard.start()
        until(lambda: switchboard.connected)
        switchboard.perform(Step(Order.ADD, operator))
        switchboard.stop()

    def kill9(self) -> None:
        """As a crash. It stays away for a second, as under the supervisor: ids of calls begin with
        the second in which they came in."""
        self._signal(signal.SIGKILL)
        time.sleep(1)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.thaw()
            self._signal(signal.SIGTERM)

    def _signal(self, which: int) -> None:
        if self.process is not None:
            self.process.send_signal(which)
            self.process.wait(20)
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.run()

    def sidecars(self) -> list[Sidecar]:
        """Every call so far, oldest first."""
        return [read_sidecar(path) for path in sorted(self.spool.glob("*.call"))]

    def log(self) -> str:
        return (self.settings.state / "log" / "messages.log").read_text(errors="replace")


def start(folder: Path, **overrides: Any) -> RunningAsterisk:
    """Render, start and wait; `overrides` are fields of AsteriskSettings."""
    rtp_first = random.SystemRandom().randrange(12000, 30000, 2)
    fields: dict[str, Any] = {
        "node": "pbx1",
        "state": folder / "asterisk",
        "spool": folder / "spool",
        "numbers": folder / "numbers",
        "prompts": folder / "prompts",
        "ami_secret": "test-secret",
        "dialler_secret": "dialler-secret",
        "sip_port": free_port(socket.SOCK_DGRAM),
        "ami_port": free_port(),
        "agi_port": free_port(),
        "rtp_first": rtp_first,
        "rtp_last": rtp_first + 1000,
        "record_seconds": 20,
        "silence_seconds": 1,
        "handover_seconds": 2,
    } | overrides
    if "prompts" not in overrides:
        make_prompts(fields["prompts"])
    line = RunningAsterisk(AsteriskSettings(**fields), read_parts())
    render(line.settings, line.parts)
    line.run()
    return line
