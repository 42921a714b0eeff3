"""The exchange's own logs stay small and young: whoever tries accounts all night fills no disk.

`security.log` names the accounts that strangers claim to have, which may be telephone numbers: it
is kept for two days at most. Asterisk rotates when it is told to; what is older is deleted here.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from callcenter.gateways.asterisk import AsteriskSettings, control
from callcenter.gateways.parts import Parts

MOST_BYTES = 5_000_000
LONGEST = timedelta(days=1)
_KEPT = {"messages.log": 3, "security.log": 1}  # rotated ones
_STAMP = re.compile(rb"\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4})\]")
_PATIENCE_S = 5


@dataclass(frozen=True)
class Logs:
    """The logs of one exchange."""

    settings: AsteriskSettings
    parts: Parts

    def tidy(self, now: datetime) -> bool:
        """Rotate where a log is too large, or the security log too old; whether it was done.

        Harmless to repeat. Raises OSError, also when the exchange does not answer.
        """
        if not (due := any(self._due(now))):
            return False
        try:
            done = subprocess.run(
                control(self.settings, self.parts, "logger rotate"),
                capture_output=True,
                check=False,
                timeout=_PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            raise OSError("the exchange does not rotate its logs") from None
        if done.returncode:
            raise OSError("the exchange does not rotate its logs")
        for name, kept in _KEPT.items():
            for old in self._rotated(name):
                if int(old.suffix[1:]) >= kept:
                    old.unlink(missing_ok=True)
        return due

    def _due(self, now: datetime) -> Iterator[bool]:
        for name in _KEPT:
            path = self._folder / name
            if path.is_file():
                yield path.stat().st_size > MOST_BYTES
        yield now - (_begun(self._folder / "security.log") or now) > LONGEST

    def _rotated(self, name: str) -> list[Path]:
        return [path for path in self._folder.glob(f"{name}.*") if path.suffix[1:].isdigit()]

    @property
    def _folder(self) -> Path:
        return self.settings.state / "log"


def _begun(path: Path) -> datetime | None:
    """When the first line was written; None without one."""
    try:
        with path.open("rb") as file:
            stamp = _STAMP.match(file.readline(200))
    except FileNotFoundError:
        return None
    return datetime.strptime(stamp[1].decode(), "%Y-%m-%dT%H:%M:%S%z") if stamp else None
