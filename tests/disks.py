"""A disk of its own, small enough to be filled.

with small_disk(folder, 512_000) as disk:
    disk.leave(4096)        # fill it up to so many bytes
    disk.empty()            # there is room again

It is a tmpfs: mounting one needs root, and the test is skipped where that is not possible.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A mounted file system; what fills it lies in it."""

    folder: Path

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.folder).free

    def leave(self, free: int) -> None:
        """Fill it up, so that `free` bytes (whole pages of 4,096) are left."""
        self.empty()
        with (self.folder / "ballast").open("wb") as file:
            file.write(b"x" * (self.free - free))
        assert self.free == free

    def empty(self) -> None:
        """Take away what filled it."""
        (self.folder / "ballast").unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Disk]:
    """A disk of `size` bytes mounted on `folder`, which is made."""
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={size},mode=0750", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        who = "" if os.geteuid() == 0 else " (it needs root)"
        pytest.skip(f"a small disk cannot be mounted here{who}: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
