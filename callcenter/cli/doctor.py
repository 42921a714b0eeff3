"""`aduan24 doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli.common import command, config_path, configuration, fail, print_json

if TYPE_CHECKING:
    from callcenter.doctor.speech import Measured


def register(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "doctor")(doctor)


_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")] = False,
    speech: Annotated[
        Path | None,
        typer.Option(
            help="Measure speech to text instead, on sound files with what is said in a .txt.",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Look at configuration, machine, data and line; exit code 1 when something is wrong."""
    from callcenter import doctor as doctors

    if speech is not None:
        _speech(speech, as_json)
        return
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


def _speech(folder: Path, as_json: bool) -> None:
    """Each file as it is measured, then all of them."""
    from callcenter.doctor.speech import measure, together
    from callcenter.gateways.engine_apart import EngineApart
    from callcenter.gateways.hearing import EngineFailed

    told = configuration().speech
    if told is None:
        fail("speech: is not set up; add speech.model to config.yaml")
    engine = EngineApart(told.model, told.language, told.threads, told.memory_mb)
    measured: list[Measured] = []
    try:
        engine.warm()  # loading the model is no part of the measured time
        for one in measure(folder, engine):
            measured.append(one)
            if not as_json:
                typer.echo(_line(one))
    except EngineFailed as error:
        fail(f"speech: {error}")
    finally:
        engine.close()
    if not measured:
        fail(f"{folder}: no sound files; put name.wav and name.txt there")
    whole = together(measured)
    if as_json:
        print_json({"files": [one.facts for one in measured], "all": whole.facts})
    else:
        typer.echo(_line(whole))
    if any(one.wrong for one in measured):
        raise typer.Exit(1)


def _line(one: Measured) -> str:
    if one.wrong:
        return f"fail  {one.name}: {one.wrong}"
    errors = one.errors
    return (
        f"{errors.rate:6.1%} wrong  {errors.substituted} changed, {errors.inserted} put in, "
        f"{errors.deleted} left out of {errors.said} words  "
        f"{one.pace:.2f} s of work for each second  {one.name}"
    )
