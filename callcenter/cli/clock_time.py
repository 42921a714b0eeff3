"""`aduan24 time show|trust`: whether the machine's time is believed, and believing a new one."""

from __future__ import annotations

from typing import Annotated

import typer

from callcenter.cli.common import (
    command,
    configuration,
    fail,
    make_app,
    note,
    now,
    print_facts,
    print_json,
    store_of,
)

app = make_app("Whether the machine's time is believed.")


@command(app, "show")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show by how much the time has jumped since it was trusted; exit code 1 while it is held."""
    from callcenter.domain.timekeeping import doubtful
    from callcenter.timekeeper import Timekeeper, anchor_file

    config = configuration()
    by = Timekeeper(anchor_file(config.storage.state)).drift(now())
    facts = {
        "now": now(),
        "jumped_seconds": round(by.total_seconds(), 1),
        "held": doubtful(by),
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(facts, config)
    if facts["held"]:
        raise typer.Exit(1)


@command(app, "trust")
def trust() -> None:
    """Believe the present time: what was held goes on. Written down with who said so."""
    import getpass

    from callcenter.services import audit
    from callcenter.timekeeper import Timekeeper, anchor_file

    config = configuration()
    keeper = Timekeeper(anchor_file(config.storage.state))
    by = keeper.drift(now())
    with store_of(config).write() as session:
        audit.record(
            session,
            actor=f"cli:{getpass.getuser()}"[:80],
            action="time_trusted",
            thing="clock:time",
            now=now(),
            detail={"jumped_seconds": round(by.total_seconds(), 1)},
        )
    try:
        keeper.trust(now())
    except OSError as error:
        fail(f"{anchor_file(config.storage.state)} cannot be written ({error.strerror})")
    note("the present time is trusted; what was held goes on within seconds")
