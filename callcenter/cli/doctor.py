"""`aduan24 doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from callcenter.cli.common import command, config_path, print_json


def register(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "doctor")(doctor)


_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")] = False,
) -> None:
    """Look at configuration, machine, data and line; exit code 1 when something is wrong."""
    from callcenter import doctor as doctors

    findings = list(doctors.examine(config_path()))
    if as_json:
        print_json([finding.facts for finding in findings])
    else:
        for finding in findings:
            word = typer.style(f"{finding.level:<4}", fg=_COLOURS[finding.level])
            remedy = f"; {finding.remedy}" if finding.remedy else ""
            typer.echo(f"{word}  {finding.name}: {finding.text}{remedy}")
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)
