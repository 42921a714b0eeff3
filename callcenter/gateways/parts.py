"""The system parts that `deploy/parts.sh` found or fetched: where they are and how they start.

`parts.env` is a plain list of KEY=VALUE lines, written by the script and only read here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DIR = Path(__file__).resolve().parents[2] / ".parts"


class PartsError(RuntimeError):
    """A part is missing; the message says which, and how to get it."""


@dataclass(frozen=True)
class Parts:
    """Command prefixes of the programs; an empty tuple means "not on this machine"."""

    asterisk: tuple[str, ...]
    modules: str
    data: str
    espeak: tuple[str, ...]
    espeak_data: str

    def need_asterisk(self) -> tuple[str, ...]:
        """The start of Asterisk's command line; PartsError when it is not here."""
        if not self.asterisk:
            raise PartsError("Asterisk is missing; get it with: deploy/parts.sh")
        return self.asterisk


def read_parts(folder: Path | None = None) -> Parts:
    """Read `parts.env` of `folder`, else of $ADUAN24_PARTS, else of .parts in the project.

    Raises PartsError when the script has not run there yet.
    """
    place = folder or Path(os.environ.get("ADUAN24_PARTS") or DEFAULT_DIR)
    try:
        text = (place / "parts.env").read_text()
    except FileNotFoundError as error:
        raise PartsError(f"{place}/parts.env is missing; make it with: deploy/parts.sh") from error
    return _parts(dict(line.split("=", 1) for line in text.splitlines() if "=" in line))


def _parts(values: dict[str, str]) -> Parts:
    return Parts(
        asterisk=_program(values, "ASTERISK"),
        modules=values.get("ASTERISK_MODULES", ""),
        data=values.get("ASTERISK_DATA", ""),
        espeak=_program(values, "ESPEAK"),
        espeak_data=values.get("ESPEAK_DATA", ""),
    )


def _program(values: dict[str, str], name: str) -> tuple[str, ...]:
    """The argv prefix: the program itself, or the unpacked root's loader with its libraries."""
    program = values.get(f"{name}_BIN", "")
    loader, libraries = values.get(f"{name}_LOADER", ""), values.get(f"{name}_LIBRARIES", "")
    if not program:
        return ()
    return (loader, "--library-path", libraries, program) if loader else (program,)
