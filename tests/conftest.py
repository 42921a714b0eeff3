"""Databases for every test: fixtures that give each one a fresh database, on both kinds.

`store` (and `database`, its address) runs a test twice: on SQLite and on PostgreSQL. A test for
one kind alone says so:  @pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import BrowserType, sync_playwright

from callcenter.store.migrate import upgrade
from callcenter.store.session import Store
from tests.databases import Database, Postgres, running
from tests.sequences import (
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_runtest_setup,
    pytest_xdist_make_scheduler,
)

__all__ = [  # pytest's hooks
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_runtest_setup",
    "pytest_xdist_make_scheduler",
]

#: No test asks how long something took, and an example that a busy machine stops is no fault.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

BOTH = ("sqlite", "postgresql")
_numbers = count(1)


@pytest.fixture(scope="session")
def chromium() -> Iterator[BrowserType]:
    """What starts browsers; one per process, because a second one would stop the first."""
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL of this process; it starts when a test first asks for it."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "migrated.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_name(postgres: Postgres) -> str:
    """The name of a migrated database on the server, to be copied."""
    _migrate(postgres.create("migrated"))
    return "migrated"


def _migrate(url: str) -> None:
    with closing(Database(url)) as database:
        upgrade(database.engine())


@pytest.fixture(params=BOTH)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    if request.param == "sqlite":
        with closing(Database(f"sqlite:///{tmp_path}/empty.db")) as database:
            yield database
    else:
        yield from _on_postgres(request, "template0")


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with all tables and nothing in them."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "test.db")
        with closing(Database(f"sqlite:///{tmp_path}/test.db")) as fresh:
            yield fresh
    else:
        yield from _on_postgres(request, request.getfixturevalue("migrated_name"))


def _on_postgres(request: pytest.FixtureRequest, original: str) -> Iterator[Database]:
    server, name = request.getfixturevalue("postgres"), f"test_{next(_numbers)}"
    with closing(Database(server.create(name, copy_of=original))) as database:
        yield database
    server.drop(name)


@pytest.fixture
def store(database: Database) -> Store:
    """A Store over a fresh database; `database.store(posted=...)` makes another on the same one."""
    return database.store()
