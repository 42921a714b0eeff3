"""The supervisor with toy parts: real processes, a second or two each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callcenter import sentinel
from callcenter.instance import Port, taken_ports
from callcenter.processes import Lines, LogFile

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
from pathlib import Path
from callcenter.instance import AlreadyRunning, InstanceLock
from callcenter.supervisor import Part, Supervisor

folder = Path(sys.argv[1])
python = sys.executable
lock = InstanceLock(folder / "up.lock")
try:
    lock.take()
except AlreadyRunning as error:
    print(error, file=sys.stderr)
    raise SystemExit(2)

def toy(name, code, **more):
    return Part(name, (python, "-u", "-c", code), **more)

def tell(name, text):
    print(f"{name}: {text}", flush=True)

def ready(supervisor):
    tell("up", "ready")

parts = []
exec(sys.argv[2])
Supervisor(parts, folder=folder, logs=folder / "log", tell=tell, on_ready=ready,
           locked=lock.descriptor).run()
tell("up", "stopped")
"""

SLEEPER = "import time; open('NAME.up', 'w').close(); time.sleep(600)"
SAYS_BYE = """
import signal, sys, time
def bye(*_):
    with open("order", "a") as f: f.write("NAME ")
    sys.exit(0)
signal.signal(signal.SIGTERM, bye)
open("NAME.up", "w").close()
time.sleep(600)
"""
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); open('grandchild.up', 'w').close();"
    "time.sleep(600)"], process_group=0)
time.sleep(600)
"""


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def marked(marker: str) -> list[int]:
    """Living processes that carry the marker in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if state not in "ZX" and marker.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class Up:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, parts: str) -> None:
        self.folder = folder
        self.marker = f"TOY_{folder.name}_{os.getpid()}_{time.monotonic_ns()}"
        self.output = folder / "output"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(folder), parts],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "MARKER": self.marker, "PYTHONPATH": str(ROOT)},
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def waits_for(self, text: str) -> None:
        until(lambda: text in self.said or self.process.poll() is not None)
        assert text in self.said

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def left(self) -> list[int]:
        return marked(self.marker)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[[str], Up]]:
    started: list[Up] = []

    def begin(parts: str) -> Up:
        started.append(Up(tmp_path, parts))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        until(lambda one=one: not one.left())  # type: ignore[misc]


def toy(name: str, code: str, more: str = "") -> str:
    return f"parts.append(toy({name!r}, {code.replace('NAME', name)!r}, {more}))\n"


def file_ready(name: str) -> str:
    return f"ready=(folder / '{name}.up').exists"


def test_all_start_and_a_signal_stops_them_with_exit_code_0(up: Callable[[str], Up]) -> None:
    one = up(toy("a", SLEEPER, file_ready("a")) + toy("b", SLEEPER, file_ready("b")))
    one.waits_for("up: ready")
    assert len(one.left()) == 4  # supervisor, sentinel, a, b
    assert one.end(signal.SIGTERM) == 0
    assert "up: stopped" in one.said
    assert one.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_other_signals_stop_it_too(up: Callable[[str], Up], number: int) -> None:
    one = up(toy("a", SLEEPER, file_ready("a")))
    one.waits_for("up: ready")
    assert one.end(number) == 0
    assert one.left() == []


def test_a_part_that_ends_is_started_again_and_said_to_be(up: Callable[[str], Up]) -> None:
    code = "open('starts', 'a').write('x'); print('the disk is full'); raise SystemExit(3)"
    one = up(toy("a", code))
    starts = one.folder / "starts"
    until(lambda: starts.exists() and len(starts.read_text()) >= 3)
    assert "a: ended (exit code 3); again in 1 s: the disk is full" in one.said
    assert "again in 1 s" in one.said
    assert one.end(signal.SIGTERM) == 0


def test_a_killed_part_runs_again(up: Callable[[str], Up]) -> None:
    code = "import os; open('pid', 'w').write(str(os.getpid()));" + SLEEPER
    one = up(toy("a", code, file_ready("a")))
    one.waits_for("up: ready")
    os.kill(int((one.folder / "pid").read_text()), signal.SIGKILL)
    one.waits_for("a: ended (signal SIGKILL)")
    one.waits_for("a: runs again")


def test_a_program_that_is_not_there_is_named(up: Callable[[str], Up]) -> None:
    one = up("parts.append(Part('a', ('/nowhere/program',)))")
    one.waits_for("a: cannot be started: No such file or directory: /nowhere/program")


def test_a_part_waits_for_those_it_needs(up: Callable[[str], Up]) -> None:
    late = "open('order', 'a').write('late '); " + SLEEPER
    early = "import time; time.sleep(0.5); open('order', 'a').write('early '); " + SLEEPER
    one = up(
        toy("late", late, file_ready("late") + ", after=('early',)")
        + toy("early", early, file_ready("early"))
    )
    one.waits_for("up: ready")
    assert (one.folder / "order").read_text() == "early late "


def test_waves_stop_one_after_the_other(up: Callable[[str], Up]) -> None:
    names = ("c", "a", "b")
    waves = {"a": 0, "b": 1, "c": 2}
    one = up("".join(toy(n, SAYS_BYE, f"{file_ready(n)}, wave={waves[n]}") for n in names))
    one.waits_for("up: ready")
    assert one.end(signal.SIGTERM) == 0
    assert (one.folder / "order").read_text() == "a b c "


def test_a_farewell_command_is_tried_before_the_signal(up: Callable[[str], Up]) -> None:
    waits = "import os, time; open('a.up', 'w').close()\nwhile not os.path.exists('go'): "
    one = up(toy("a", waits + "time.sleep(0.02)", f"{file_ready('a')}, farewell=('touch', 'go')"))
    one.waits_for("up: ready")
    assert one.end(signal.SIGTERM) == 0
    assert (one.folder / "go").exists()


def test_who_does_not_listen_is_killed_with_its_children(up: Callable[[str], Up]) -> None:
    one = up(toy("a", STUBBORN, "ready=(folder / 'grandchild.up').exists, patience=0.5"))
    one.waits_for("up: ready")
    before = time.monotonic()
    assert one.end(signal.SIGTERM) == 0
    assert time.monotonic() - before < 5
    assert one.left() == []


def test_kill_9_of_the_supervisor_leaves_nothing(up: Callable[[str], Up]) -> None:
    one = up(
        toy("a", SLEEPER, file_ready("a"))
        + toy("b", STUBBORN, "ready=(folder / 'grandchild.up').exists")
    )
    one.waits_for("up: ready")
    assert len(one.left()) == 5
    one.end(signal.SIGKILL)
    until(lambda: not one.left(), 10)


def test_a_start_after_kill_9_waits_for_the_cleaning(up: Callable[[str], Up]) -> None:
    parts = toy("b", STUBBORN, "ready=(folder / 'grandchild.up').exists")
    one = up(parts)
    one.waits_for("up: ready")
    one.end(signal.SIGKILL)
    two = up(parts)
    two.waits_for("up: ready")
    assert one.left() == []
    assert two.end(signal.SIGTERM) == 0


def test_a_second_one_on_the_same_folder_is_refused(up: Callable[[str], Up]) -> None:
    one = up(toy("a", SLEEPER, file_ready("a")))
    one.waits_for("up: ready")
    second = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(one.folder), ""],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert second.returncode == 2
    assert f"running here already (process {one.process.pid})" in second.stderr


def test_what_runs_once_is_not_started_again(up: Callable[[str], Up]) -> None:
    one = up(
        toy("a", SLEEPER, file_ready("a"))
        + toy("demo", "open('demo', 'a').write('x')", "once=True, after=('a',)")
        + toy("b", SLEEPER, file_ready("b") + ", after=('demo',)")
    )
    one.waits_for("up: ready")
    until((one.folder / "b.up").exists)
    assert (one.folder / "demo").read_text() == "x"


def test_output_goes_to_the_log_and_what_is_asked_for_to_the_terminal(
    up: Callable[[str], Up],
) -> None:
    code = "print('one'); print('!two\\x1b[2J'); " + SLEEPER
    shows = "shows=lambda line: line[1:] if line[0] == '!' else None"
    one = up(toy("a", code, f"{file_ready('a')}, {shows}"))
    one.waits_for("up: ready")
    one.waits_for("a: two\\x1b[2J")
    assert (one.folder / "log/a.log").read_text() == "one\n!two\\x1b[2J\n"
    assert "a: one" not in one.said


def test_a_full_log_is_set_aside(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", most_bytes=20, kept=2)
    for number in range(10):
        log.write(f"line number {number}")
    log.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.2"]
    assert (tmp_path / "x.log").read_text().endswith("line number 9\n")


def test_an_endless_line_is_cut() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with os.fdopen(ours, "rb") as pipe:
        lines = Lines(pipe)
        os.write(theirs, b"x" * 6000 + b"\ny")
        assert [len(line) for line in lines.read()] == [6000, 1]
        os.close(theirs)
        assert list(lines.read()) == []
        assert lines.ended


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["+5\n", "+6\n", "-5\n"], {6}),
        (["+5\n", "bye\n"], set()),
        (["-7\n"], set()),
        ([], set()),
    ],
)
def test_the_sentinel_remembers_who_is_left(words: list[str], left: set[int]) -> None:
    assert sentinel.watch(words) == left


def test_a_taken_port_is_named_with_its_key() -> None:
    import socket

    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        ports = [
            Port("web.port", "127.0.0.1", tcp.getsockname()[1]),
            Port("line.sip_port", "127.0.0.1", udp.getsockname()[1], "udp"),
        ]
        mistakes = taken_ports(ports)
    assert [m.split(":")[0] for m in mistakes] == ["web.port", "line.sip_port"]
    assert all("set another" in m for m in mistakes)
    assert taken_ports(ports) == []
