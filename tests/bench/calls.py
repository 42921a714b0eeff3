"""A real exchange with hundreds of calls at once: ours whole, the others saying the same commands.

`line` is the line process as it runs, with flow, sidecars, measuring and filing into its
database. Bare asyncio, pystrix and panoramisk say the very commands that it says (rehearsed
once), and do nothing besides. `dialplan` is the exchange alone: the fallback, with the
application's port refused. Callers speak without a pause, so that each recording has to be as
long as its limit.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from callcenter.store.models import Call
from ivr.asterisk import serve
from ivr.numbers import make_number
from ivr.wav import NotAWave, duration
from tests.bench import sipp
from tests.bench.deployment import COMPLAINT_S, SHORT_S, Deployment, deploy
from tests.bench.figures import Count, Part, Ratio
from tests.bench.running import Subject, subject
from tests.line.asterisk import until
from tests.line.scripted import ScriptedAsterisk

SUBJECTS = ("line", "bare", "panoramisk", "pystrix", "dialplan")
SIZES = (200, 400)
PER_S = 20
_SHORT_BY_S = 0.3
_EXPECTED_S = {"complaint": COMPLAINT_S, "name": SHORT_S, "village": SHORT_S}
_TICKS = os.sysconf("SC_CLK_TCK")
_CLIP = re.compile(r"_(complaint|name|village)-[0-9]+\.wav$")


def bench(folder: Path, rounds: int, size: int, subjects: tuple[str, ...] = SUBJECTS) -> Part:
    """`size` calls at once, twice as many in all, by each subject in each round."""
    setting = (
        f"{2 * size} calls, {size} at once, a real exchange, {COMPLAINT_S} s of complaint each"
    )
    part = Part(f"calls-{size}", setting)
    deployment = deploy(folder)
    commands = rehearsed(deployment)
    script = folder / "commands.json"
    script.write_text(json.dumps(commands), encoding="utf-8")
    sipp.speech(_spoken(), folder / "speech.al", 30)
    part.setting += f", {len(commands)} commands each"
    deployment.reserve(4 * size)
    deployment.pbx.run()
    try:
        for index in range(rounds):
            for name in subjects if index % 2 == 0 else subjects[::-1]:
                run = _Run(deployment, name, size, f"08{index}{subjects.index(name)}")
                part.add(name, **run.done(script))
    finally:
        deployment.pbx.stop()
    _compare(part, size)
    return part


def _spoken() -> Iterator[Path]:
    folder = Path(__file__).resolve().parents[2] / "recordings" / "prompts" / "id"
    for key in ("welcome_consent", "fallback_intro", "ask_complaint", "thanks", "review"):
        yield folder / f"{key}.wav"


def rehearsed(deployment: Deployment) -> list[str]:
    """What ours says to a caller who only speaks, from the first command to the last."""
    settings = deployment.wiring.line_settings
    scratch = deployment.folder / "rehearsal"
    server = serve(
        replace(settings, port=0, spool=scratch / "spool", quarantine=scratch / "quarantine")
    )
    server.start()
    call_id = "pbx1-1764000000.1"
    said = next(_spoken())
    try:
        with ScriptedAsterisk(
            server.address, call_id, number=make_number(1), takes=[said] * 3
        ) as exchange:
            exchange.run()
    finally:
        server.stop()
    assert exchange.variables.get("ADUAN_DONE") == "1"
    real = str(settings.spool.resolve())
    return [
        command.replace(str((scratch / "spool").resolve()), real).replace(call_id, "{id}")
        for command in exchange.commands
    ]


@dataclass
class _Run:
    """One subject, once."""

    deployment: Deployment
    name: str
    size: int
    prefix: str

    def done(self, script: Path) -> dict[str, float]:
        """Place the calls and see what came of them."""
        if self.name != "line":
            self.deployment.reserve(3 * self.size)
        with self._subject(script) as running:
            if running:
                running.ask()
            cpu = self._exchange_cpu_s()
            placed = sipp.place(
                self.deployment.folder,
                self.deployment.pbx.sip_port,
                calls=2 * self.size,
                at_once=self.size,
                per_s=PER_S,
                prefix=self.prefix,
            )
            cpu = self._exchange_cpu_s() - cpu
            lost, short = self._filed() if self.name == "line" else self._left()
            told = running.ask() if running else {}
        measured = {
            "failed": placed.failed,
            "lost": lost,
            "short": short,
            "at_once": placed.most_at_once,
            "asterisk_cpu_ms_per_call": cpu / placed.calls * 1e3,
        }
        if told:
            measured |= {key: told[key] for key in ("p50_ms", "p99_ms", "max_ms")}
            measured["commands"] = told["commands"] / placed.calls
            measured["cpu_us_per_command"] = told["cpu_s"] / max(1, told["commands"]) * 1e6
            measured["cpu_ms_per_call"] = told["cpu_s"] / placed.calls * 1e3
        return measured

    @contextmanager
    def _subject(self, script: Path) -> Iterator[Subject | None]:
        if self.name == "dialplan":
            yield None
            return
        port = self.deployment.wiring.config.line.agi_port
        what = self.deployment.config if self.name == "line" else script
        with subject(self.name, port, what, watched=True) as running:
            if self.name == "line":
                until(lambda: _listens(port), 20)
            yield running

    def _exchange_cpu_s(self) -> float:
        stat = Path(f"/proc/{self.deployment.pbx.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS

    def _filed(self) -> tuple[int, int]:
        """Calls without a complaint that the application took, and short recordings, once the
        spool is empty and the database has everything."""
        spool = self.deployment.wiring.spool.folder
        until(lambda: not any(spool.iterdir()), 60)
        with self.deployment.wiring.store.read() as session:
            found = session.scalars(
                select(Call)
                .options(selectinload(Call.recordings), selectinload(Call.complaint))
                .where(Call.caller_raw.startswith(self.prefix))
            ).all()
        whole = [c for c in found if c.complaint and c.mode == "app" and c.number_heard]
        clips = [(clip.kind, clip.seconds) for call in found for clip in call.recordings]
        return 2 * self.size - len(whole), _short(clips, 2 * self.size)

    def _left(self) -> tuple[int, int]:
        """The same of a subject that files nothing; its files go."""
        spool = self.deployment.wiring.spool.folder
        mode = "mode=app" if self.name != "dialplan" else "mode=fallback-refused"
        texts = [path.read_text() for path in spool.glob("*.call")]
        whole = [text for text in texts if mode in text and "ended=" in text]
        clips = [
            (found[1], _seconds(path))
            for path in spool.glob("*.wav")
            if (found := _CLIP.search(path.name))
        ]
        for path in spool.iterdir():
            path.unlink()
        kinds = 1 if self.name == "dialplan" else len(_EXPECTED_S)
        return 2 * self.size - len(whole), _short(clips, 2 * self.size, kinds)


def _short(clips: list[tuple[str, float]], calls: int, kinds: int = len(_EXPECTED_S)) -> int:
    """How many recordings are shorter than what was said, or not there at all."""
    long = sum(seconds >= _EXPECTED_S[kind] - _SHORT_BY_S for kind, seconds in clips)
    return calls * kinds - long


def _seconds(path: Path) -> float:
    try:
        return duration(path)
    except NotAWave:
        return 0.0


def _listens(port: int) -> bool:
    listening = f":{port:04X} 00000000:0000 0A"
    time.sleep(0.05)
    return listening in Path("/proc/net/tcp").read_text()


def _compare(part: Part, size: int) -> None:
    if "line" not in part.measured:
        return
    line = part.measured["line"]
    of = 2 * size * len(line)
    part.figures += [
        Count("failed calls", [int(r["failed"]) for r in line], of, "2"),
        Count("calls without their complaint", [int(r["lost"]) for r in line], of, "2"),
        Count("recordings short by over 0.3 s", [int(r["short"]) for r in line], 3 * of, "2"),
    ]
    for name in ("bare", "panoramisk", "pystrix"):
        if name not in part.measured:
            continue
        goal = ("at most", 1.5) if name == "bare" else None
        for what, key, unit in (
            ("turn-around p50", "p50_ms", "ms"),
            ("turn-around p99", "p99_ms", "ms"),
            ("CPU per command", "cpu_us_per_command", "us"),
        ):
            bound = None if key == "p50_ms" else goal
            series = part.series("line", key), part.series(name, key)
            part.figures.append(Ratio(f"{name}: {what}", *series, unit, bound, "2"))
    if "dialplan" in part.measured:
        key = "asterisk_cpu_ms_per_call"
        series = part.series("line", key), part.series("dialplan", key)
        part.figures.append(Ratio("dialplan: Asterisk's CPU per call", *series, "ms", None, "2"))
