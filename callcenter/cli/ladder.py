"""`aduan24 ladder`: what a changed ladder would do to open tickets, and adopting it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli.common import (
    command,
    configuration,
    note,
    now,
    print_json,
    print_table,
    store_of,
)

if TYPE_CHECKING:
    from callcenter.services.ladder_change import Change


def register(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "ladder")(ladder)


def ladder(
    apply: Annotated[
        bool, typer.Option("--apply", help="Adopt the ladders of the configuration from now on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")] = False,
) -> None:
    """Show what the ladders of config.yaml change for open tickets; adopt them with --apply."""
    import getpass

    from callcenter.services import ladder_change, ladders
    from callcenter.wiring import rules_of

    config, moment = configuration(), now()
    rungs, rules = ladders.rungs_of(config), rules_of(config)
    store = store_of(config)
    with store.read() as session:
        version = ladders.in_force(session)
        new = version is None or version.digest != ladders.digest(rungs)
        changes = ladder_change.preview(session, rungs, now=moment, rules=rules) if new else []
        rows = [_facts(change) for change in changes]
    if apply and new:
        with store.write() as session:
            ladders.adopt(session, rungs, actor=f"cli:{getpass.getuser()}"[:80], now=now())
    if as_json:
        print_json({"differs": new, "applied": apply and new, "tickets": rows})
        return
    if rows:
        columns = ("ticket", "complaint", "agency", "before", "before_at", "after", "after_at")
        print_table(rows, (*columns, "at_once", "passed"), config)
    note(_said(new, apply, len(rows)))


def _facts(change: Change) -> dict[str, Any]:
    before, after, ticket = change.before, change.after, change.ticket
    return {
        "ticket": ticket.id,
        "complaint": ticket.complaint.public_number,
        "agency": ticket.agency_key,
        "before": before.step.key if before else None,
        "before_at": before.release if before else None,
        "after": after.step.key if after else None,
        "after_at": after.release if after else None,
        "at_once": change.at_once,
        "passed": " ".join(change.passed),
    }


def _said(new: bool, apply: bool, tickets: int) -> str:
    if not new:
        return "the ladders in config.yaml are in force"
    if apply:
        return f"adopted; {tickets} open tickets change within seconds, what happened stays"
    return (
        f"config.yaml differs from the ladders in force; {tickets} open tickets would change. "
        "Nothing was done: aduan24 ladder --apply"
    )
