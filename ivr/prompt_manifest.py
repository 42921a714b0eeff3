"""The manifest beside the prompts: what each sound file says, and who spoke it.

`manifest.json` ships with the program; the names of agencies and categories are each
deployment's own and stand in `names.json`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_MANIFEST, _NAMES = "manifest.json", "names.json"


@dataclass(frozen=True)
class Made:
    """One line of the manifest. `human`: a person's recording, never overwritten."""

    text: str
    text_sha256: str
    file_sha256: str
    seconds: float
    loudness_dbfs: float
    human: bool = False


def is_name(key: str) -> bool:
    """Whether a prompt is the name of an agency or category: each deployment has its own."""
    return key.startswith(("agency_", "category_"))


def read_manifest(folder: Path) -> dict[str, dict[str, Made]]:
    """The manifest of all languages, names included; empty if there is none."""
    found: dict[str, dict[str, Made]] = {}
    for path in (folder / _MANIFEST, folder / _NAMES):
        if not path.is_file():
            continue
        for language, made in json.loads(path.read_text(encoding="utf-8")).items():
            lines_of = found.setdefault(language, {})
            lines_of.update({key: Made(**line) for key, line in made.items()})
    return found


def write_manifest(folder: Path, manifest: Mapping[str, Mapping[str, Made]]) -> None:
    """Replace the manifest in one go, so that a crash leaves the old or the new one.

    The names stand in a file of their own: the other one ships with the program.
    """
    for file, names in ((_MANIFEST, False), (_NAMES, True)):
        plain = {
            language: {
                key: asdict(made) for key, made in sorted(found.items()) if is_name(key) is names
            }
            for language, found in sorted(manifest.items())
        }
        if names and not any(plain.values()) and not (folder / file).exists():
            continue
        fresh = folder / f"{file}.new"
        fresh.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        fresh.replace(folder / file)


@contextmanager
def changing(folder: Path) -> Iterator[dict[str, dict[str, Made]]]:
    """The manifest, to be changed: written at the end, whatever happened; one at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = read_manifest(folder)
        before = {language: dict(made) for language, made in manifest.items()}
        try:
            yield manifest
        finally:
            if manifest != before:
                write_manifest(folder, manifest)


def file_hash(path: Path) -> str:
    """SHA-256 of a sound file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copy_into(source: Path, path: Path) -> None:
    """Copy a sound so that a call that is playing the old one plays it to its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    shutil.copyfile(source, fresh)
    fresh.replace(path)
