"""`aduan24 line-mode show|set`: normal, an announcement first, or emergencies only."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

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
    reading,
    store_of,
)
from callcenter.domain.line_mode import LineMode

if TYPE_CHECKING:
    from callcenter.config import Config
    from callcenter.store.session import Store

app = make_app("What the line does for every caller.")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")]


@command(app, "show")
def show(as_json: _Json = False) -> None:
    """Show the mode of the line, and who switched it."""
    from callcenter.services import line_mode

    with reading() as (config, session):
        switched = line_mode.current(session)
    facts: dict[str, Any] = {
        "mode": switched.in_force(now()).value,
        "switched_to": switched.mode.value,
        "switched_by": switched.switched_by,
        "switched_at": switched.switched_at,
        "until": switched.until,
        "note": switched.note,
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(facts, config)


@command(app, "set")
def set_mode(
    mode: LineMode,
    until: Annotated[
        str | None,
        typer.Option(help='For so long, "90m" or "6h"; or until then, "2026-03-11T14:30".'),
    ] = None,
    why: Annotated[str, typer.Option("--note", help="Why; shown in the console.")] = "",
) -> None:
    """Switch the line, from the next call on; it is written down who did it."""
    import getpass

    from callcenter.services import line_mode

    config = configuration()
    ends = _moment(until, config)
    store = store_of(config)
    with store.write() as session:
        line_mode.switch(
            session,
            mode,
            actor=f"cli:{getpass.getuser()}"[:80],
            now=now(),
            until=ends,
            note=why,
        )
    _tell_the_line(config, store)
    note(f"the line is switched: {mode.value}{f' until {ends.isoformat()}' if ends else ''}")


def _tell_the_line(config: Config, store: Store) -> None:
    from callcenter.services.entry import mode_file

    try:
        mode_file(config.storage.state).publish(store)
    except OSError as error:
        note(f"the line follows as soon as its file can be written ({error.strerror})")


def _moment(text: str | None, config: Config) -> datetime | None:
    """A duration from now on, or a moment; without an offset it is in the programme's zone."""
    from callcenter.config.schema import parse_duration

    if text is None:
        return None
    try:
        return now() + parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f'--until: {text!r} is not known; use "6h" or "2026-03-11T14:30"', 2)
    return moment if moment.tzinfo else moment.replace(tzinfo=config.programme.zone)
