"""The command line: `aduan24 COMMAND`. One module per group of commands.

Heavy imports stand inside the functions that need them, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from callcenter.cli import (
    audit_log,
    call,
    clock_time,
    doctor,
    ladder,
    line_mode,
    listings,
    reconcile,
    run,
    search,
    setup,
    suggestions,
    up,
    users,
)
from callcenter.cli.common import ConfigOption, choose_config, make_app

app = make_app(
    "The complaint hotline: line, console, dispatch, 24-hour window.\n\n"
    "`aduan24 up` starts everything; `aduan24 doctor` says what is wrong and how to mend it."
)

for module in (up, run, call, doctor, ladder, setup):
    module.register(app)
app.add_typer(users.app, name="user")
app.add_typer(line_mode.app, name="line-mode")
app.add_typer(clock_time.app, name="time")
app.add_typer(suggestions.app, name="suggestions")
app.add_typer(audit_log.app, name="audit")
app.add_typer(search.app, name="search")
reconcile.register(listings.APPS["calls"])
for name, listing in listings.APPS.items():
    app.add_typer(listing, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        from callcenter.cli.version import version

        typer.echo(f"aduan24 {version()}")
        raise typer.Exit


@app.callback()
def _options(
    config: ConfigOption = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    choose_config(config)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit; every mistake of a person is one line on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(given or ["--help"]))


def _run(arguments: list[str]) -> int:
    try:
        result = app(arguments, prog_name="aduan24", standalone_mode=False)
    except typer.Abort:
        return _said("stopped", 130)
    except BrokenPipeError:  # the reader of a listing had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if usage := _misused(error):
            return _said(usage, 2)
        from callcenter.cli.mistakes import explained

        lines, code = explained(error)
        for line in lines:
            _said(line, code)
        return code
    return result if isinstance(result, int) else 0


def _misused(error: Exception) -> str | None:
    """The line about a wrong option or argument. Typer keeps the class of these to itself."""
    told = getattr(error, "format_message", None)
    if told is None:
        return None
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "aduan24"
    text = " ".join(told().split()).rstrip(".").replace("Value error, ", "")
    return f"{text}; see: {where} --help"


def _said(text: str, code: int) -> int:
    typer.echo(f"aduan24: {text}", err=True)
    return code
