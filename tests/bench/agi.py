"""FastAGI alone, without an exchange: how many sessions the wire carries, and how evenly."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from tests.bench.crowd import run
from tests.bench.figures import Part, Ratio
from tests.bench.running import Subject, subject
from tests.line.asterisk import free_port

SUBJECTS = ("ours", "bare", "panoramisk", "pystrix")
SESSIONS, AT_ONCE = 1000, 200
COMMANDS = [
    command
    for stem in ("welcome", "menu", "ask_complaint", "number_intro", "digit_1")
    for command in (
        'SET VARIABLE "TIMEOUT(absolute)" "12"',
        f'STREAM FILE "/srv/aduan24/recordings/prompts/id/{stem}" "0123456789*#"',
        'WAIT FOR DIGIT "2000"',
        'GET VARIABLE "ADUAN_NUMBER"',
    )
]


def bench(folder: Path, rounds: int) -> Part:
    """All subjects run at the same time; in each round each of them has its turn."""
    script = folder / "commands.json"
    script.write_text(json.dumps(COMMANDS), encoding="utf-8")
    part = Part("agi", f"{SESSIONS} sessions of {len(COMMANDS)} commands, {AT_ONCE} at once")
    with ExitStack() as stack:
        running = [stack.enter_context(subject(name, free_port(), script)) for name in SUBJECTS]
        for one in running:  # the first sessions of a process find nothing warm
            run(("127.0.0.1", one.port), AT_ONCE, AT_ONCE, len(COMMANDS))
        for index in range(rounds):
            for one in running[index % 2 * -1 :] + running[: index % 2 * -1]:
                _round(part, one)
    for name in SUBJECTS[1:]:
        measured = ("ours", name)
        rates = [part.series(who, "sessions_per_s") for who in measured]
        p99s = [part.series(who, "p99_ms") for who in measured]
        goals = name == "bare"
        part.figures += [
            Ratio(f"{name}: sessions", *rates, "per s", ("at least", 0.85) if goals else None, "1"),
            Ratio(f"{name}: p99", *p99s, "ms", ("at most", 1.2) if goals else None, "1"),
        ]
    return part


def _round(part: Part, one: Subject) -> None:
    before = one.ask()["cpu_s"]
    crowd = run(("127.0.0.1", one.port), SESSIONS, AT_ONCE, len(COMMANDS))
    cpu = one.ask()["cpu_s"] - before
    turns = sorted(crowd.turns)
    part.add(
        one.name,
        sessions_per_s=crowd.rate,
        p50_ms=turns[len(turns) // 2] * 1e3,
        p99_ms=turns[int(len(turns) * 0.99)] * 1e3,
        max_ms=turns[-1] * 1e3,
        cpu_us_per_command=cpu / SESSIONS / len(COMMANDS) * 1e6,
    )
