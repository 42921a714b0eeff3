"""`aduan24 user ...`: the sign-ins of the console. A password is never an argument."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from callcenter.cli.common import command, make_app, note, now, print_json, print_table, reading
from callcenter.cli.common import writing as writing_session
from callcenter.domain.people import Role

app = make_app("The console's sign-ins.")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")]
_Generate = Annotated[
    bool, typer.Option("--generate", help="Make a password and print it, instead of asking.")
]
_COLUMNS = ("username", "name", "role", "agency", "active", "created_at")


@command(app, "add")
def add(
    username: str,
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    name: Annotated[str, typer.Option(help="The person's name.  [default: the username]")] = "",
    agency: Annotated[str | None, typer.Option(help="Of an officer: the agency's key.")] = None,
    generate: _Generate = False,
) -> None:
    """Add a sign-in; asks for the password unless --generate."""
    from callcenter.services import accounts

    password = _password(generate)
    with writing_session() as (_, session):
        accounts.add_user(
            session,
            username=username,
            name=name,
            role=role,
            password=password,
            now=now(),
            agency_key=agency,
        )
    note(f"{username} can sign in as {role.value}")
    _show(password, generate)


@command(app, "password")
def set_password(username: str, generate: _Generate = False) -> None:
    """Set another password; the person's open sessions end."""
    from callcenter.services import accounts

    password = _password(generate)
    with writing_session() as (_, session):
        accounts.set_password(session, username, password, now=now())
    note(f"{username}: the password is changed, open sessions have ended")
    _show(password, generate)


@command(app, "disable")
def disable(username: str) -> None:
    """End a sign-in; what the person did stays recorded."""
    from callcenter.services import accounts

    with writing_session() as (_, session):
        accounts.disable(session, username, now=now())
    note(f"{username} can no longer sign in")


@command(app, "list")
def list_users(as_json: _Json = False) -> None:
    """List the sign-ins."""
    from sqlalchemy import select

    from callcenter.store.models import User

    with reading() as (config, session):
        rows = [
            {
                "id": user.id,
                "username": user.username,
                "name": user.name,
                "role": user.role.value,
                "agency": user.agency_key,
                "active": user.active,
                "created_at": user.created_at,
            }
            for user in session.scalars(select(User).order_by(User.username))
        ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS, config)


def passphrase(words: int = 4) -> str:
    """Syllables that can be read out and typed: about 11.8 bits each word of three letters."""
    return "-".join(_word() + _word() for _ in range(words))


def _word() -> str:
    one, two = "bdfghjklmnprstvwz", "aeiou"
    return secrets.choice(one) + secrets.choice(two) + secrets.choice(one)


def _password(generate: bool) -> str:
    if generate:
        return passphrase()
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _show(password: str, generated: bool) -> None:
    if generated:
        typer.echo(password)
