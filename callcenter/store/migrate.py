"""Bring a database to the present tables.

upgrade(engine)     at every start; all pending migrations in one transaction, or none
pending(engine)     how many wait

python -m callcenter.store.migrate --check      migrations equal models? (one line per difference)
python -m callcenter.store.migrate --new TEXT   write the next migration from the models
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, Table, inspect

from callcenter.config.errors import ConfigError
from callcenter.store.models import Base
from callcenter.store.search_models import compared
from callcenter.store.session import Store, make_engine

SCRIPTS = Path(__file__).parent / "migrations"
_TURN = 0x6164_7561_6E32_34  # "aduan24": of two who upgrade PostgreSQL at once, one waits


class UnknownDatabase(ConfigError):
    """The database is newer than this program, or somebody else's; nothing was changed."""

    def __init__(self, what: str) -> None:
        super().__init__([f"storage.database: {what}"])


def upgrade(engine: Engine, scripts: Path = SCRIPTS) -> None:
    """Bring the database to the newest migration of `scripts`; harmless to repeat.

    Several processes may call it at once: one works, the others wait, then find nothing to do.
    Raises UnknownDatabase.
    """
    with (
        _folder_locked(engine.url),
        engine.connect() as connection,
        _tables_can_be_rebuilt(connection),
        connection.begin(),
    ):
        _wait_for_turn(connection)
        if _waiting(connection, scripts):
            command.upgrade(_alembic(scripts, connection), "head")
            _check_references(connection)


def pending(engine: Engine, scripts: Path = SCRIPTS) -> int:
    """How many migrations are still to run: all of them on an empty database, 0 when up to date.

    Raises UnknownDatabase.
    """
    with Store(engine).read() as session:
        return _waiting(session.connection(), scripts)


def differences(engine: Engine) -> list[str]:
    """What the models have and this database has not, or the other way round; a line each."""
    with Store(engine).read() as session:
        options = {"include_object": compared}
        context = MigrationContext.configure(session.connection(), opts=options)
        found = compare_metadata(context, Base.metadata)
    return [_line(part) for step in found for part in (step if isinstance(step, list) else [step])]


# ---------------------------------------------------------------- where a database stands


def _waiting(connection: Connection, scripts: Path) -> int:
    newest_first = [step.revision for step in ScriptDirectory(str(scripts)).walk_revisions()]
    stands = MigrationContext.configure(connection).get_current_heads()
    if not stands:
        _refuse_strangers_tables(connection)
        return len(newest_first)
    if stands[0] not in newest_first:
        raise UnknownDatabase(
            f"was written by a newer version (migration {stands[0]!r} is not known to this one);"
            " start that version, or restore the backup that was made before it"
        )
    return newest_first.index(stands[0])


def _refuse_strangers_tables(connection: Connection) -> None:
    taken = sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables))
    if taken:
        raise UnknownDatabase(
            f"holds tables that no migration made ({', '.join(taken[:3])});"
            " name an empty database, or one that this program made"
        )


def _alembic(scripts: Path, connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


# ---------------------------------------------------------------- one at a time, all or nothing


@contextmanager
def _folder_locked(url: URL) -> Iterator[None]:
    """SQLite's first connection makes the file a WAL one: two first ones are "locked" at once.

    The lock lies on the folder: closing the database's own file would take SQLite's locks away.
    """
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        yield
        return
    folder = os.open(Path(str(url.database)).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _wait_for_turn(connection: Connection) -> None:
    """On PostgreSQL; SQLite's transaction has begun as the only writer."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")


@contextmanager
def _tables_can_be_rebuilt(connection: Connection) -> Iterator[None]:
    """SQLite alters a table by dropping it for a copy; rows that refer to it must not mind.

    Its pragma does nothing inside a transaction: it is set before one and taken back after it.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.cursor()
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")
        driver.close()


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise RuntimeError(f"a migration broke references: {broken[:5]}")


# ---------------------------------------------------------------- for the workshop


def _line(difference: Sequence[Any]) -> str:
    """`add column calls mode`: what a migration would have to do."""
    kind, *parts = difference
    table = getattr(parts[0], "table", None)
    things = [table, *parts] if isinstance(table, Table) else parts
    words = (str(getattr(thing, "name", thing)) for thing in things if not _says_nothing(thing))
    return " ".join([kind.replace("_", " "), *words])


def _says_nothing(thing: object) -> bool:
    return thing is None or isinstance(thing, dict)


@contextmanager
def _fresh(scripts: Path = SCRIPTS) -> Iterator[Engine]:
    """A database of the migrations alone, thrown away afterwards."""
    with TemporaryDirectory() as folder:
        engine = make_engine(f"sqlite:///{folder}/fresh.db")
        try:
            upgrade(engine, scripts)
            yield engine
        finally:
            engine.dispose()


def check() -> int:
    """Print how migrations and models differ; 1 when they do."""
    with _fresh() as engine:
        found = differences(engine)
    for line in found:
        print(f"migrations: {line}", file=sys.stderr)
    return 1 if found else 0


def new(message: str, scripts: Path = SCRIPTS) -> int:
    """Write the next migration from what the models have and the migrations have not."""
    number = 1 + max(int(step.revision) for step in ScriptDirectory(str(scripts)).walk_revisions())
    with _fresh(scripts) as engine, engine.begin() as connection:
        config = _alembic(scripts, connection)
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module; its result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m callcenter.store.migrate")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--check", action="store_true", help="compare migrations with models")
    wanted.add_argument("--new", metavar="TEXT", help="write the next migration")
    chosen = parser.parse_args(arguments)
    return new(chosen.new) if chosen.new else check()


if __name__ == "__main__":
    sys.exit(main())
