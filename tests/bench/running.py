"""Subjects in processes of their own: started, asked, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Subject:
    """One running subject; `ask` says what it used since the last time."""

    name: str
    port: int
    process: subprocess.Popen[str]

    def ask(self) -> dict[str, float]:
        """What it tells of itself (`tests.bench.subjects`)."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told: dict[str, float] = json.loads(self.process.stdout.readline())
        return told


@contextmanager
def subject(name: str, port: int, script: Path, *, watched: bool = False) -> Iterator[Subject]:
    """A subject that answers on `port`; its log goes beside its script."""
    arguments = [name, str(port), str(script), *(["--watched"] if watched else [])]
    with script.with_name(f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.subjects", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{name} did not start; see {script.with_name(f'{name}.log')}")
        yield Subject(name, port, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
