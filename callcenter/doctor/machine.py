"""The machine: Python, folders, disk, time zones, speech."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import available_timezones

from callcenter.config import Config
from callcenter.config.schema import Storage
from callcenter.doctor.findings import Finding, failed, fine, warned
from callcenter.domain.room import RoomLevel, level_of
from callcenter.services.room import measure
from ivr.speaking import SpeechUnavailable, find_espeak

OLDEST_PYTHON = (3, 11)


def python() -> Finding:
    """The interpreter's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    if tuple(sys.version_info) < OLDEST_PYTHON:
        return failed("python", version, "install Python 3.11 or later, then: make up")
    return fine("python", version)


def examine(config: Config) -> Iterator[Finding]:
    """Folders, disk, time zones, espeak-ng."""
    storage = config.storage
    for key, folder in (("state", storage.state), ("recordings", storage.recordings)):
        yield _writable(f"storage.{key}", folder)
    yield _disk(storage)
    yield _zones(config)
    yield _speech()
    if config.speech:
        yield fine("speech to text", f"{config.speech.model} ({config.speech.language})")


def _writable(name: str, folder: Path) -> Finding:
    existing = _existing(folder)
    if not existing.is_dir():
        return failed(name, f"{existing} is not a folder", f"move it away, or set another {name}")
    if not os.access(existing, os.W_OK | os.X_OK):
        return failed(name, f"{existing} cannot be written to", f"chown it, or set another {name}")
    if existing != folder:
        return fine(name, f"{folder} will be made at the first start")
    if folder.stat().st_mode & 0o007 and name == "storage.state":
        return warned(name, f"{folder} is open to everybody", f"chmod o-rwx {folder}")
    return fine(name, str(folder))


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next((p for p in (folder, *folder.parents) if p.exists()), folder)


def _disk(storage: Storage) -> Finding:
    try:
        room = measure(storage.folders)
    except OSError as error:
        return failed("disk", f"cannot be looked at ({error.strerror})", "correct storage")
    text = f"{room.megabytes:,} MB free at {room.folder} (a minute of recording takes 1 MB)"
    level = level_of(room.free, storage.room)
    if level is RoomLevel.FULL:
        return failed("disk", text, "make room now: calls are not recorded (storage.stop_below_mb)")
    if level is RoomLevel.LOW:
        return warned("disk", text, "make room (storage.low_below_mb)")
    return fine("disk", text)


def _zones(config: Config) -> Finding:
    if config.programme.timezone not in available_timezones():
        return failed("time zone", "no time zone data", "apt-get install tzdata")
    return fine("time zone", config.programme.timezone)


def _speech() -> Finding:
    try:
        return fine("espeak-ng", find_espeak().command[-1])
    except SpeechUnavailable as error:
        return warned("espeak-ng", "not here: prompts and --say cannot be spoken", str(error))
