"""`aduan24 audit list|verify`: who did what, and whether anybody has changed the record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli.common import (
    command,
    configuration,
    fail,
    make_app,
    note,
    now,
    print_json,
    print_table,
    reading,
    store_of,
    writing,
)

if TYPE_CHECKING:
    from callcenter.domain.audit_chain import Fault
    from callcenter.store.models import Audit

app = make_app("The audit rows: who saw, heard, changed and exported what.")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")]
_COLUMNS = ("id", "at", "actor", "action", "thing", "address", "place")


@command(app, "list")
def list_all(
    *,
    actor: Annotated[str, typer.Option(help="Only of this person or part.")] = "",
    action: Annotated[str, typer.Option(help="Only this, such as recording_played.")] = "",
    thing: Annotated[str, typer.Option(help="Only about this, such as complaint:12.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    before: Annotated[
        int | None,
        typer.Option(metavar="ID", help="Only older ones: the last id of the page above."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """List audit rows, newest first."""
    from callcenter.store.audit_queries import audit_rows

    with reading() as (config, session):
        rows = audit_rows(
            session, actor=actor, action=action, thing=thing, before=before, most=limit
        )
        facts = [_facts(row) for row in rows]
    if as_json:
        print_json(facts)
    else:
        print_table(facts, _COLUMNS, config)


def _facts(row: Audit) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "actor": row.actor,
        "action": row.action,
        "thing": row.thing,
        "address": row.address,
        "detail": row.detail,
        "place": row.place,
        "seal": row.seal,
    }


@command(app, "verify")
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE:SEAL", help="A head that was kept elsewhere; repeatable."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Examine the whole chain of audit rows; exit code 1 if anything was changed behind our back.

    Compared with the heads of every day in the state folder (`audit-heads.txt`; copy it
    elsewhere), and with those given. How it ended is an audit row, too.
    """
    from callcenter.services import audit_chain, audit_watch
    from callcenter.services.audit_chain import Heads
    from callcenter.store.session import key_of
    from callcenter.wiring import secret_of

    given = dict(_head(text) for text in head or ())
    config = configuration()
    kept = Heads(config.storage.state / "audit-heads.txt").kept() | given
    key = key_of(secret_of(config))
    with store_of(config).read() as session:
        found = list(audit_chain.examine(session, key, kept))
        sealed, waiting = audit_chain.sealed_and_not(session)
    with writing() as (_config, session):
        audit_watch.conclude(session, found, actor="cli", now=now())
    _say(found, sealed, waiting, len(kept), as_json)
    if found:
        raise typer.Exit(1)


def _head(text: str) -> tuple[int, str]:
    place, _, seal = text.partition(":")
    if not (place.isdecimal() and len(seal) == 64 and set(seal) <= set("0123456789abcdef")):
        fail(f"--head: {text!r} is no head; use PLACE:SEAL, the seal has 64 digits", 2)
    return int(place), seal


def _say(found: list[Fault], sealed: int, waiting: int, heads: int, as_json: bool) -> None:
    faults = [{"place": f.place, "last": f.last, "harm": f.harm.value} for f in found]
    if as_json:
        print_json({"sealed": sealed, "waiting": waiting, "heads": heads, "faults": faults})
        return
    for fault in found:
        upto = f" to {fault.last}" if fault.last != fault.place else ""
        typer.echo(f"place {fault.place}{upto}: {fault.harm.value}")
    whole = "broken" if found else "whole"
    note(f"the chain is {whole}: {sealed:,} sealed rows, {waiting:,} waiting, {heads} heads kept")
