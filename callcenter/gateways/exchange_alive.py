"""Whether the exchange of this machine is dead: then none of its calls lives.

An exchange that does not answer may be stopped for a moment, with its calls in it. One that is
dead has nobody behind its two doors: connecting to them is refused at once.
"""

from __future__ import annotations

import socket
from pathlib import Path

from callcenter.gateways.asterisk import AsteriskSettings

_PATIENCE = 1.0


def is_dead(settings: AsteriskSettings) -> bool:
    """True only when it is certain; never for an exchange that was not set up on this machine."""
    if not (settings.etc / "asterisk.conf").is_file():
        return False
    return _refused(settings.control_socket) and _refused(("127.0.0.1", settings.ami_port))


def _refused(door: Path | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(door, Path) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PATIENCE)
        try:
            probe.connect(str(door) if isinstance(door, Path) else door)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:  # it does not answer in time, or is not ours: nothing is certain
            return False
    return False
