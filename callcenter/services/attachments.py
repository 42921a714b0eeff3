"""Files that agencies add to a ticket: looked at first, then on disk, then in the database.

Looking at them takes time (a photo is decoded, a voice is measured), so it happens before the
transaction that writes them down: `photos.developed`, `voice_notes.heard`, `papers.read`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from callcenter.store.models import Attachment, Ticket

#: What a file is for: photos of the report, the report as it was spoken, evidence of a waiting.
REPORT, SPOKEN, EVIDENCE = "report", "spoken", "evidence"


@dataclass(frozen=True, slots=True)
class Material:
    """A file that may be kept; it is not on disk yet.

    `shelf` and `ending` say where it will lie. `seconds` is None where the length of a sound
    could not be measured, and for everything that is no sound.
    """

    data: bytes = field(repr=False)
    sha256: str
    shelf: str
    ending: str
    media_type: str
    exif: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    speech_seconds: float | None = None

    def path(self, now: datetime) -> str:
        """Where it lies, below the recordings folder: the same content is the same file."""
        return f"{self.shelf}/{now:%Y/%m}/{self.sha256}.{self.ending}"


def keep(material: Material, folder: Path, now: datetime) -> str:
    """Put it on disk, whole, before any row refers to it; its path below `folder`.

    The same content again is one file, and no file is ever overwritten. Raises OSError.
    """
    relative = material.path(now)
    _write(folder / relative, material.data)
    return relative


def attach(
    ticket: Ticket,
    materials: Sequence[Material],
    *,
    purpose: str,
    actor: str,
    now: datetime,
    folder: Path,
) -> None:
    """Add the files to the ticket; what it has already is not added twice."""
    known = {attachment.sha256 for attachment in ticket.attachments}
    for material in materials:
        if material.sha256 in known:
            continue
        known.add(material.sha256)
        ticket.attachments.append(
            Attachment(
                purpose=purpose,
                path=keep(material, folder, now),
                sha256=material.sha256,
                media_type=material.media_type,
                bytes=len(material.data),
                exif=material.exif,
                seconds=material.seconds,
                speech_seconds=material.speech_seconds,
                added_by=actor,
                added_at=now,
            )
        )


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and on disk before anything refers to it."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """The name of the file is on disk as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
