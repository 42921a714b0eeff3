"""`aduan24 calls reconcile`: the log of calls against the exchange's own record, day by day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli.common import command, fail, note, now, print_json, reading

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from callcenter.services.call_counts import Figure

_MOST_DAYS = 400
_NAMED = 5


def register(calls: typer.Typer) -> None:
    """Put the command into the group of calls."""
    command(calls, "reconcile")(reconcile)


def reconcile(
    day: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="The last day.  [default: today]")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="So many days.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")] = False,
) -> None:
    """Count the calls of the exchange's own record and those here; exit code 1 if some lack.

    Days are those of the programme's zone. What is counted is how things stand now; every night
    each day before is counted too, and the figure kept.
    """
    from callcenter.services import call_counts

    moment = now()
    with reading() as (config, session):
        zone = config.programme.zone
        last = _day(day) or moment.astimezone(zone).date()
        figures = [
            call_counts.count(session, node, last - timedelta(days=back), zone=zone, now=moment)
            for node in call_counts.nodes(session)
            for back in range(days)
        ]
        facts = [_facts(session, figure) for figure in figures]
    if as_json:
        print_json(facts)
    else:
        for figure in figures:
            typer.echo(_line(figure))
        if not figures:
            note("no exchange has recorded a call yet")
    if not all(figure.equal for figure in figures):
        raise typer.Exit(1)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"--day: {text!r} is no day; use 2026-03-11", 2)


def _facts(session: Session, figure: Figure) -> dict[str, Any]:
    from sqlalchemy import select

    from callcenter.store.exchange_models import CallCount

    counted: datetime | None = session.scalar(
        select(CallCount.counted_at).where(
            CallCount.node == figure.node, CallCount.day == figure.day
        )
    )
    return {
        "day": figure.day.isoformat(),
        "line": figure.node,
        "in_exchange": figure.in_exchange,
        "here": figure.here,
        "on_their_way": figure.on_their_way,
        "here_alone": figure.here_alone,
        "equal": figure.equal,
        "missing": list(figure.missing),
        "counted_at": counted,
    }


def _line(figure: Figure) -> str:
    said = (
        f"{figure.day}  {figure.node}  {figure.in_exchange:,} calls in Asterisk, "
        f"{figure.here:,} here"
    )
    if figure.on_their_way:
        said += f", {figure.on_their_way:,} still going on or on their way"
    if figure.here_alone:
        said += f"; {figure.here_alone:,} more are here alone"
    if figure.missing:
        said += f"; missing: {', '.join(figure.missing[:_NAMED])}"
        said += " ..." if len(figure.missing) > _NAMED else ""
    return said
