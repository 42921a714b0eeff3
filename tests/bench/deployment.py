"""A deployment for benchmarks: its own folder, ports, database and exchange.

Prompts are short noises and recordings end at their limits, so that a call is as dense in
commands as a call can be.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from callcenter.config import load, read_secrets
from callcenter.config.template import rendered
from callcenter.gateways.asterisk import render
from callcenter.gateways.parts import read_parts
from callcenter.services import numbers
from callcenter.store.migrate import upgrade
from callcenter.wiring import Wiring
from tests.bench.running import ROOT
from tests.line.asterisk import RunningAsterisk
from tests.running import free_block

COMPLAINT_S, SHORT_S = 12, 3
MOST_CALLS = 500
_RTP_FIRST = 14000


@dataclass
class Deployment:
    """A configuration, what it names, and an exchange that is not started yet."""

    config: Path
    wiring: Wiring
    pbx: RunningAsterisk

    @property
    def folder(self) -> Path:
        return self.config.parent

    def reserve(self, calls: int) -> None:
        """Public numbers for so many calls, for subjects that take none from the database."""
        line = self.wiring.config.line
        now = datetime.now(UTC)
        numbers.refill(self.wiring.store, line.node, self.wiring.numbers_folder, calls, now)


def deploy(folder: Path) -> Deployment:
    """A configured and rendered deployment in `folder`, with a migrated database."""
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(_settings()), encoding="utf-8")
    _short_prompts(folder / "recordings" / "prompts")
    loaded = load(config)
    wiring = Wiring(loaded, read_secrets(loaded))
    upgrade(wiring.store.engine)
    wiring.spool.prepare()
    pbx = RunningAsterisk(wiring.asterisk_settings, read_parts())
    render(pbx.settings, pbx.parts)
    return Deployment(config, wiring, pbx)


def _settings() -> dict[str, dict[str, object]]:
    settings: dict[str, dict[str, object]] = yaml.safe_load(rendered(free_block()))
    line = settings["line"]
    line |= {
        "max_calls": MOST_CALLS,
        "rtp_first": _RTP_FIRST,
        "rtp_last": _RTP_FIRST + 2 * MOST_CALLS + 99,
        "numbers_reserved": 2000,
        "recording": {
            "max_seconds": COMPLAINT_S,
            "silence_seconds": 4,
            "short_max_seconds": SHORT_S,
            "short_silence_seconds": 2,
        },
    }
    return settings


def _short_prompts(folder: Path) -> None:
    """The shipped prompts, each cut to a sixth of a second."""
    import soundfile

    shutil.copytree(ROOT / "recordings" / "prompts", folder)
    for path in folder.glob("*/*.wav"):
        samples, rate = soundfile.read(path, dtype="int16", frames=8000 // 6)
        soundfile.write(path, samples, rate, subtype="PCM_16")
