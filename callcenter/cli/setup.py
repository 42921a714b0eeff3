"""`aduan24 init` and `aduan24 migrate`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from callcenter.cli.common import command, config_path, configuration, fail, note, now


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    command(app, "init")(init)
    command(app, "migrate")(migrate)


def init(
    first_port: Annotated[
        int | None,
        typer.Option(
            min=1024, max=65000, help="Move all ports to a block of 210 that begins here."
        ),
    ] = None,
) -> None:
    """Write a commented config.yaml; an existing one is never overwritten."""
    from callcenter.config.template import rendered

    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        fail(f"{path}: exists already; move it away first, or name another with --config", 2)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(rendered(first_port))
    note(f"{path} is written; read it, then start everything with: aduan24 up --config {path}")


def migrate() -> None:
    """Bring the database to the present tables; harmless to repeat."""
    config = configuration()

    from callcenter.services import directory, ladders
    from callcenter.store.migrate import upgrade
    from callcenter.store.session import Store, make_engine
    from callcenter.wiring import secret_of

    engine = make_engine(config.storage.database)
    upgrade(engine)
    with Store(engine, audit_secret=secret_of(config)).write() as session:
        directory.sync(session, config, now())
        ladders.adopt_first(session, config, now())
    note("the database is up to date")
