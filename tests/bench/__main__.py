"""Ours beside its peers and its limits, in one go: `make bench`, or python -m tests.bench."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.bench import agi, calls, console, idle, outbox, sending, taking_in, webhook, window
from tests.bench.figures import Part
from tests.bench.running import ROOT

#: What the engine does without a telephone: database, clock, queue and workers.
ENGINE = ("intake", "window", "idle", "outbox", "dispatch")
PARTS: dict[str, Callable[[Path, int], Part]] = {
    "agi": agi.bench,
    "calls-200": partial(calls.bench, size=200),
    "calls-400": partial(calls.bench, size=400, subjects=("line", "bare")),
    "webhook": webhook.bench,
    "intake": taking_in.bench,
    "window": window.bench,
    "idle": idle.bench,
    "outbox": outbox.bench,
    "dispatch": sending.bench,
    "console": console.bench,
    "console-quick": partial(console.bench, quick=True),
}
ROUNDS = {"agi": 7, "calls-200": 3, "calls-400": 3, "console-quick": 1} | dict.fromkeys(
    ("webhook", "console", *ENGINE), 5
)
OUT = ROOT / "test-artifacts" / "bench.json"


def main(arguments: list[str]) -> int:
    """0 when every goal that was looked at holds, else 1."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=["engine", *PARTS], help="a part; repeatable"
    )
    parser.add_argument("--rounds", type=int, help="of each part (the parts have their own)")
    parser.add_argument("--out", type=Path, default=OUT, help="where the JSON goes")
    chosen = parser.parse_args(arguments)
    done: dict[str, Part] = {}
    for name in _parts(chosen.only):
        with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
            done[name] = PARTS[name](Path(folder), chosen.rounds or ROUNDS[name])
        print(done[name].text(), flush=True)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    kept |= {name: {"at": at, **part.plain()} for name, part in done.items()}
    chosen.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"written to {chosen.out}")
    missed = [f for part in done.values() for f in part.figures if f.holds is False]
    return 1 if missed else 0


def _parts(only: list[str] | None) -> list[str]:
    every = [part for part in PARTS if not part.endswith("-quick")]
    named = {part for one in only or every for part in (ENGINE if one == "engine" else (one,))}
    return [part for part in PARTS if part in named]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
