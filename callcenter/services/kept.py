"""What stays of a filed call beside its audio, and the way back into the spool from there.

A filed call's sidecar is kept in the folder of its recordings. When the database turns out to be
an older copy, sidecar and audio are laid into the spool again and filed as if for the first time:
with the caller's number and the public number that they heard. The folder is personal data as the
audio is: whoever erases a call erases its folder first, then its row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.store.models import Call
from ivr.spool import KINDS, Spool, is_call_id

_CLIP = re.compile(rf"({'|'.join(KINDS)})-([1-9][0-9]{{0,2}})\.wav", re.ASCII)
_DAY = "%Y/%m/%d"


def keep(sidecar: Path, folder: Path) -> None:
    """Keep a filed call's sidecar in its folder; harmless to repeat. Raises OSError.

    A call that is filed a second time has more lines: they are added to those that are there.
    """
    target = folder / sidecar.name
    try:
        os.link(sidecar, target, follow_symlinks=False)
        return
    except FileExistsError:
        if target.samefile(sidecar):
            return
    except OSError:  # a file system without hard links, or another one
        pass
    lines = sidecar.read_bytes()
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    handle = os.open(target, flags, 0o600)
    try:
        there = os.pread(handle, os.fstat(handle).st_size, 0)
        if lines not in there:  # a kill may have left half a line
            os.write(handle, lines if there[-1:] in (b"", b"\n") else b"\n" + lines)
    finally:
        os.close(handle)


def put_back(spool: Spool, recordings: Path, call_id: str, begun: datetime) -> bool:
    """Lay a call that was filed once into the spool again; False where nothing of it is kept.

    The sidecar comes last, so that the call is whole when it is seen. Files are linked, not
    moved: what is in the folder stays there. Raises OSError.
    """
    if not is_call_id(call_id):
        return False
    near = {begun + timedelta(seconds=s) for s in (-5, 0, 5)}  # about midnight
    folders = {_folder(recordings, moment.date(), call_id) for moment in near}
    laid_back = [_lay_back(spool, folder, call_id) for folder in sorted(folders)]
    return any(laid_back)


def _folder(recordings: Path, day: date, call_id: str) -> Path:
    return recordings.resolve() / "calls" / day.strftime(_DAY) / call_id


def _lay_back(spool: Spool, folder: Path, call_id: str) -> bool:
    if not folder.is_dir() or folder.resolve() != folder:
        return False
    found = False
    for path in sorted(folder.iterdir()):
        clip = _CLIP.fullmatch(path.name)
        if clip and path.is_file() and not path.is_symlink():
            _link(path, spool.clip_path(call_id, clip[1], int(clip[2])))
            found = True
    sidecar = folder / f"{call_id}.call"
    if sidecar.is_file() and not sidecar.is_symlink():
        _link(sidecar, spool.sidecar_path(call_id))
        found = True
    return found


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        draft = target.parent.parent / f"{target.name}.back"
        draft.write_bytes(source.read_bytes())
        draft.replace(target)


def days(recordings: Path) -> list[date]:
    """The days on which calls with recordings began (UTC), the latest first."""
    root = recordings.resolve() / "calls"
    found = (path.relative_to(root).as_posix() for path in root.glob("[0-9]*/[0-9]*/[0-9]*"))
    return sorted((day for text in found if (day := _day(text))), reverse=True)


def _day(text: str) -> date | None:
    try:
        day = datetime.strptime(text, _DAY).replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return day if day.strftime(_DAY) == text else None


def forgotten(session: Session, recordings: Path, day: date) -> Iterator[str]:
    """The ids of calls of this day whose folder is there and whose row is not."""
    folder = recordings.resolve() / "calls" / day.strftime(_DAY)
    try:
        ids = [path.name for path in folder.iterdir() if is_call_id(path.name)]
    except FileNotFoundError:
        return
    for at in range(0, len(ids), 500):
        some = ids[at : at + 500]
        known = set(session.scalars(select(Call.call_uid).where(Call.call_uid.in_(some))))
        yield from (call_id for call_id in some if call_id not in known)
