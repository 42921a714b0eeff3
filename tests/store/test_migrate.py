"""Migrations: all or none, one at a time, equal to the models, and never on a newer database."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from callcenter.cli import main
from callcenter.store import migrate
from callcenter.store.migrate import SCRIPTS, UnknownDatabase, differences, pending, upgrade
from callcenter.store.models import Agency, Base, Heartbeat, Person
from callcenter.store.search_models import OWN_PARTS
from callcenter.store.session import Store, make_engine
from tests.databases import Database

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
REBUILDS = """
import sqlalchemy as sa
from alembic import op
revision = "later"
down_revision = "{head}"
def upgrade():
    with op.batch_alter_table("agencies") as batch:
        batch.alter_column("name", existing_type=sa.String(120), type_=sa.String(200))
        batch.add_column(sa.Column("added", sa.String(10), nullable=True))
"""
BREAKS = REBUILDS + '    raise RuntimeError("half way")\n'


def _tables(engine: Engine) -> set[str]:
    return {name for name in inspect(engine).get_table_names() if not OWN_PARTS.fullmatch(name)}


def _head() -> str:
    return sorted(path.name[:4] for path in (SCRIPTS / "versions").glob("[0-9]*.py"))[-1]


def _scripts(folder: Path, later: str) -> Path:
    """The migrations, and one more that the next version brings."""
    copy = folder / "migrations, 100% later"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions/later.py").write_text(later.format(head=_head()))
    return copy


def test_an_empty_database_gets_every_table_and_a_repeat_does_nothing(
    empty_database: Database,
) -> None:
    engine = empty_database.engine()
    assert pending(engine) == len(list((SCRIPTS / "versions").glob("[0-9]*.py")))
    upgrade(engine)
    assert pending(engine) == 0
    assert _tables(engine) == {*Base.metadata.tables, "alembic_version"}
    upgrade(engine)
    assert pending(engine) == 0


def test_the_migrated_database_equals_the_models(database: Database) -> None:
    assert differences(database.engine()) == []


def test_what_differs_is_a_line_each(database: Database) -> None:
    engine = database.engine()
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_calls_caller"))
        connection.execute(text("ALTER TABLE calls DROP COLUMN cause"))
        connection.execute(text("CREATE TABLE strange (id INTEGER PRIMARY KEY)"))
    assert set(differences(engine)) == {
        "add index calls ix_calls_caller",
        "add column calls cause",
        "remove table strange",
    }


def test_the_gate_is_quiet_when_all_is_well(tmp_path: Path) -> None:
    gate = subprocess.run(
        [sys.executable, "-W", "error", "-m", "callcenter.store.migrate", "--check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (gate.returncode, gate.stdout, gate.stderr) == (0, "", "")


def test_the_gate_names_what_the_migrations_lack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Base.metadata.tables["calls"].c.mode, "nullable", True)
    assert migrate.main(["--check"]) == 1
    assert capsys.readouterr().err == "migrations: modify nullable calls mode False True\n"


def test_the_workshop_writes_the_next_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "migrations"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(Base.metadata.tables["calls"].c.mode, "nullable", True)
    migrate.new("A call may have no mode", scripts)
    written = (scripts / f"versions/{int(_head()) + 1:04}_a_call_may_have_no_mode.py").read_text()
    assert 'with op.batch_alter_table("calls"' in written.replace("'", '"')
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database.engine(), scripts)
    assert differences(database.engine()) == []
    database.close()


# ---------------------------------------------------------------- all or nothing, one at a time


def test_two_processes_may_upgrade_at_once(empty_database: Database) -> None:
    """Each in a process of its own, released together; SQLite's file does not exist before."""
    code = (
        "import sys; from callcenter.store.migrate import upgrade;"
        "from callcenter.store.session import make_engine;"
        "engine = make_engine(sys.argv[1]); print('ready', flush=True); sys.stdin.read();"
        "upgrade(engine); engine.dispose()"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, empty_database.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda process: process.communicate(), both))
    assert [process.returncode for process in both] == [0, 0], said
    assert pending(empty_database.engine()) == 0


def test_many_threads_may_upgrade_at_once(empty_database: Database) -> None:
    engines = [empty_database.engine() for _ in range(4)]
    together = threading.Barrier(len(engines))

    def run(engine: Engine) -> int:
        together.wait()
        upgrade(engine)
        return pending(engine)

    with ThreadPoolExecutor(len(engines)) as pool:
        assert list(pool.map(run, engines)) == [0, 0, 0, 0]


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_the_first_connection_to_a_file_waits_for_whoever_is_at_it(
    empty_database: Database, tmp_path: Path
) -> None:
    """Two that make one file a WAL file at once are both told "locked", whatever the timeout."""
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    engine = empty_database.engine()
    with ThreadPoolExecutor(1) as pool:
        upgrading = pool.submit(upgrade, engine)
        with pytest.raises(TimeoutError):
            upgrading.result(timeout=0.5)
        assert list(tmp_path.iterdir()) == []
        os.close(folder)
        upgrading.result()
    assert pending(engine) == 0


def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database: Database, tmp_path: Path
) -> None:
    engine, scripts = empty_database.engine(), _scripts(tmp_path, BREAKS)
    with pytest.raises(RuntimeError, match="half way"):
        upgrade(engine, scripts)
    assert _tables(engine) == set()
    assert pending(engine, scripts) == pending(engine) + 1
    upgrade(engine)
    assert pending(engine) == 0


def test_a_table_that_others_refer_to_can_be_rebuilt(database: Database, tmp_path: Path) -> None:
    """On SQLite altering means dropping: neither refused nor followed by the rows that refer."""
    store = database.store()
    _fill(store)
    upgrade(store.engine, _scripts(tmp_path, REBUILDS))
    with store.read() as session:
        assert session.scalars(select(Person.agency_key)).all() == ["pupr"]
        assert session.scalars(text("SELECT added FROM agencies")).all() == [None]
    with pytest.raises(SQLAlchemyError, match=r"(?i)foreign key"), store.write() as session:
        session.add(Person(key="x", agency_key="nobody", post="head", name="X"))


def test_an_upgrade_keeps_what_is_stored(database: Database, tmp_path: Path) -> None:
    store = database.store()
    with store.write() as session:
        session.add(Heartbeat(part="clock", at=NOW, detail={"said": "Selamat pagi"}))
    upgrade(store.engine, _scripts(tmp_path, REBUILDS))
    with store.read() as session:
        beat = session.scalars(select(Heartbeat)).one()
        assert (beat.at, beat.detail) == (NOW, {"said": "Selamat pagi"})


def _fill(store: Store) -> None:
    with store.write() as session:
        session.add(Agency(key="pupr", name="PUPR Perkim", kind="OPD"))
        session.flush()
        session.add(Person(key="pupr_1", agency_key="pupr", post="officer", name="I Wayan"))


# ---------------------------------------------------------------- databases that are not ours


def test_a_newer_database_is_refused_and_not_touched(database: Database, tmp_path: Path) -> None:
    engine = database.engine()
    upgrade(engine, _scripts(tmp_path, REBUILDS))
    for act in (upgrade, pending):
        with pytest.raises(UnknownDatabase, match=r"newer version .*'later'.*backup"):
            act(engine)
    assert "added" in {column["name"] for column in inspect(engine).get_columns("agencies")}


def test_tables_of_somebody_else_are_refused(empty_database: Database) -> None:
    engine = empty_database.engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY)"))
    for act in (upgrade, pending):
        with pytest.raises(UnknownDatabase, match=r"no migration made \(users\)"):
            act(engine)
    assert _tables(engine) == {"users"}


@pytest.fixture
def old_program(tmp_path: Path) -> Path:
    """A configuration whose database a newer version has already brought further."""
    config = tmp_path / "config.yaml"
    shutil.copy(ROOT / "config.yaml", config)
    engine = make_engine(f"sqlite:///{tmp_path}/var/aduan24.db")
    upgrade(engine, _scripts(tmp_path, REBUILDS))
    engine.dispose()
    return config


def test_an_old_program_says_so_in_one_line(
    old_program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--config", str(old_program), "migrate"])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.out == ""
    assert said.err.startswith("aduan24: storage.database: was written by a newer version")
    assert said.err.count("\n") == 1
