"""`aduan24 calls|complaints|tickets|notices list|show`: facts, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli.common import (
    command,
    fail,
    make_app,
    now,
    print_facts,
    print_json,
    print_table,
    reading,
    writing,
)

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

_Json = Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")]
_Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
_Before = Annotated[
    int | None, typer.Option(metavar="ID", help="Only older ones: the last id of the page above.")
]
_Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show whole telephone numbers; this is written down.")
]
_State = Annotated[str | None, typer.Option(help="Only those in this state.")]


@dataclass(frozen=True)
class _Kind:
    """What is listed: `name` is the model's and the facts' name in lower case."""

    name: str
    columns: tuple[str, ...]
    named_by: str  # besides the id: the column that `show` accepts
    states: str = ""  # the domain's enumeration of states, if there is one


_KINDS = {
    "calls": _Kind(
        "call",
        ("id", "started_at", "seconds", "caller", "number", "speech_seconds", "silent", "mode"),
        "call_uid",
    ),
    "complaints": _Kind(
        "complaint",
        ("id", "number", "state", "urgency", "received_at", "category", "agencies"),
        "public_number",
        "callcenter.domain.complaint:ComplaintState",
    ),
    "tickets": _Kind(
        "ticket",
        ("id", "complaint", "agency", "state", "due_at", "standing", "next_step", "next_step_at"),
        "id",
        "callcenter.domain.ticket:TicketState",
    ),
    "notices": _Kind(
        "notice",
        ("id", "kind", "state", "person", "channel", "created_at", "sent_at", "error"),
        "key",
    ),
}
_NOTICE_STATES = ("queued", "sending", "sent", "delivered", "dead")


def _make(plural: str, kind: _Kind) -> typer.Typer:
    app = make_app(f"The {plural}.")

    def list_all(
        state: _State = None,
        limit: _Limit = 50,
        before: _Before = None,
        reveal: _Reveal = False,
        as_json: _Json = False,
    ) -> None:
        rows = _rows(kind, state=state, limit=limit, before=before)
        _print_list(kind, rows, reveal, as_json)

    def show(thing: str, reveal: _Reveal = False, as_json: _Json = False) -> None:
        _print_one(kind, thing, reveal, as_json)

    list_all.__doc__ = f"List {plural}, newest first."
    show.__doc__ = f"Show one {kind.name}: by its id{_also(kind)}."
    command(app, "list")(list_all)
    command(app, "show")(show)
    return app


def _also(kind: _Kind) -> str:
    names = {"call_uid": "call id", "public_number": "public number", "key": "key"}
    return f" or its {names[kind.named_by]}" if kind.named_by in names else ""


def _model(kind: _Kind) -> Any:
    from callcenter.store import models

    return getattr(models, kind.name.capitalize())


def _rows(kind: _Kind, *, state: str | None, limit: int, before: int | None) -> Select[Any]:
    from sqlalchemy import select

    model = _model(kind)
    rows = select(model).order_by(model.id.desc()).limit(limit)
    if before is not None:
        rows = rows.where(model.id < before)
    if state is not None:
        rows = rows.where(model.state == _state(kind, state))
    return rows


def _state(kind: _Kind, text: str) -> str:
    import importlib

    if kind.states:
        module, _, name = kind.states.partition(":")
        known = tuple(member.value for member in getattr(importlib.import_module(module), name))
    else:
        known = _NOTICE_STATES if kind.name == "notice" else ()
    if text not in known:
        wanted = f"use one of {', '.join(known)}" if known else f"a {kind.name} has no state"
        fail(f"--state: {text!r} is not known; {wanted}", 2)
    return text


def _print_list(kind: _Kind, rows: Select[Any], reveal: bool, as_json: bool) -> None:
    config, facts = _collect(kind, "brief", reveal, lambda session: list(session.scalars(rows)))
    if as_json:
        print_json(facts)
    else:
        print_table(facts, kind.columns, config)


def _print_one(kind: _Kind, thing: str, reveal: bool, as_json: bool) -> None:
    config, facts = _collect(kind, "full", reveal, lambda session: [_find(kind, session, thing)])
    if as_json:
        print_json(facts[0])
    else:
        print_facts(facts[0], config)


def _find(kind: _Kind, session: Session, thing: str) -> Any:
    """By what people call it, else by id: a public number is a number too."""
    from sqlalchemy import select

    model = _model(kind)
    name = thing.replace(" ", "") if kind.name == "complaint" else thing
    if kind.named_by != "id":
        found = session.scalar(select(model).where(getattr(model, kind.named_by) == name))
        if found is not None:
            return found
    found = session.get(model, int(thing)) if thing.isdecimal() and len(thing) < 10 else None
    if found is None:
        fail(f"there is no {kind.name} {thing!r}; see: aduan24 {kind.name}s list")
    return found


def _collect(
    kind: _Kind, size: str, reveal: bool, find: Callable[[Session], list[Any]]
) -> tuple[Any, list[dict[str, Any]]]:
    from callcenter.cli import facts

    describe = getattr(facts, f"{size}_{kind.name}")
    with (writing if reveal else reading)() as (config, session):
        things = find(session)
        if reveal:
            _write_down(session, kind, things)
        return config, [describe(thing, now=now(), reveal=reveal) for thing in things]


def _write_down(session: Session, kind: _Kind, things: list[Any]) -> None:
    """Whole numbers were shown: who asked (the account of this machine) and for which."""
    import getpass

    from callcenter.services import audit

    for thing in things:
        audit.record(
            session,
            actor=f"cli:{getpass.getuser()}"[:80],
            action="number_revealed",
            thing=f"{kind.name}:{thing.id}",
            now=now(),
        )


APPS = {plural: _make(plural, kind) for plural, kind in _KINDS.items()}
