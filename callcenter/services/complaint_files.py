"""What citizens give along with a complaint: photos, and papers as PDF."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from callcenter.services import attachments, history
from callcenter.services.attachments import Material
from callcenter.services.errors import Refused
from callcenter.services.holding import hold
from callcenter.store.desk_models import ComplaintFile

_MOST = 20


def add(
    session: Session,
    complaint_id: int,
    materials: Sequence[Material],
    *,
    actor: str,
    now: datetime,
    folder: Path,
) -> int:
    """Add them; how many were new. The same content again is one file."""
    complaint = hold(session, complaint_id)
    known = {file.sha256 for file in complaint.files}
    new = {m.sha256: m for m in materials if m.sha256 not in known}
    if not materials:
        raise Refused("evidence_files", "Pilih foto atau PDF.")
    if len(known) + len(new) > _MOST:
        raise Refused("evidence_files", "Satu aduan memuat paling banyak 20 lampiran.")
    for material in new.values():
        complaint.files.append(
            ComplaintFile(
                path=attachments.keep(material, folder, now),
                sha256=material.sha256,
                media_type=material.media_type,
                bytes=len(material.data),
                added_by=actor,
                added_at=now,
            )
        )
    if new:
        history.note(session, complaint.id, "attach", actor=actor, now=now)
    session.flush()
    return len(new)
