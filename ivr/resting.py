"""Telephones that have just called and not spoken: while many call, they share a few places.

The dialplan marks every caller whom it lets in, and whoever speaks is forgotten at once: here by
the application, in the dialplan by its fallback. So it does not matter who of the two dies when.
One small file for each telephone, named by the MD5 of its digits, because the dialplan has to
find it; its age says how long ago. Nothing hangs on it: where a file cannot be written, the
telephone is like any other.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("aduan24.line")

RESTS_S = 600
_COUNTRY = "62"


@dataclass(frozen=True)
class Resting:
    """The folder of these files; None is a line that lets nobody rest."""

    folder: Path | None

    def spoke(self, caller: str) -> None:
        """This telephone (as the exchange shows it) has said something, or was served."""
        digits = _digits(caller)
        if self.folder is None or not digits:
            return
        try:
            self._path(self.folder, digits).unlink(missing_ok=True)
        except OSError as error:
            log.debug("a telephone is not forgotten: %s", error.strerror)

    def hold(self, telephones: Iterable[str]) -> None:
        """These (E.164) have no claim to more, whatever they say; to be told again and again.

        Whichever way the exchange shows a number of Indonesia, it is found.
        """
        if self.folder is None:
            return
        for telephone in telephones:
            digits = _digits(telephone)
            shown = {digits, "0" + digits.removeprefix(_COUNTRY)}
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                for way in shown:
                    self._path(self.folder, way).write_text("1")
            except OSError as error:
                log.debug("a telephone is not held back: %s", error.strerror)

    def forget(self, now: float | None = None) -> None:
        """Take away what is older than it matters; `now` in epoch seconds."""
        if self.folder is None or not self.folder.is_dir():
            return
        latest = (time.time() if now is None else now) - RESTS_S
        for path in self.folder.iterdir():
            try:
                if path.stat().st_mtime <= latest:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue

    @staticmethod
    def _path(folder: Path, digits: str) -> Path:
        return folder / hashlib.md5(digits.encode(), usedforsecurity=False).hexdigest()


def _digits(caller: str) -> str:
    return "".join(c for c in caller[:32] if c in "0123456789")
