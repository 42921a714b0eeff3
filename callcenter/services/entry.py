"""Where a call begins: whether it can be recorded, what the line was switched to, and how often
this telephone was silent.

Everything is read from the disk, so that the line needs no database to answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from callcenter.domain.line_mode import LineMode
from callcenter.services.line_mode import ModeFile
from callcenter.services.silence import LimitedFile
from callcenter.store.session import Store

LIMITED = "limited"
NO_ROOM = "no_room"


def _always() -> bool:
    return True


def mode_file(state: Path) -> ModeFile:
    """The file of the line's mode, below `storage.state`."""
    return ModeFile(state / "line" / "mode.json")


def limited_file(state: Path, secret: str, most: int) -> LimitedFile:
    """The file of the telephones that were silent `most` times in a day."""
    return LimitedFile(state / "line" / "limited.json", secret, most)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the line looks at for every call: two files, and whether there is `room` on the disk."""

    mode_file: ModeFile
    limited_file: LimitedFile
    room: Callable[[], bool] = _always

    def mode(self, caller: str, now: datetime, *, recorded_here: bool = True) -> str:
        """A key of `ivr.menu.ENTRIES` for a call from `caller` (as the line gives it)."""
        if recorded_here and not self.room():
            return NO_ROOM
        switched = self.mode_file.read(now)
        if switched is not LineMode.EMERGENCY_ONLY and self.limited_file.covers(caller, now):
            return LIMITED
        return switched.value

    def publish(self, store: Store, now: datetime) -> None:
        """Bring both files to what the database says; cheap when nothing has changed.

        Raises OSError, or what the database raises.
        """
        self.mode_file.publish(store)
        self.limited_file.publish(store, now)
