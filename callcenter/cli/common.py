"""What every command shares: `--config` anywhere, errors of one line, facts as table or JSON.

Exit codes: 0 done; 1 it failed; 2 the configuration or the way it was called is wrong.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_type_hints

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from callcenter.config import Config
    from callcenter.store.session import Store

_chosen: ContextVar[Path] = ContextVar("config")


def now() -> datetime:
    """The present moment: commands are where time enters."""
    return datetime.now(UTC)


def choose_config(path: Path | None) -> None:
    """Remember `--config`; of several the last one counts."""
    if path is not None:
        _chosen.set(path)


def config_path() -> Path:
    """The file named by `--config`, else ./config.yaml."""
    return _chosen.get(Path("config.yaml"))


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration.  [default: ./config.yaml]"),
]


def make_app(help_text: str) -> typer.Typer:
    """An application or a group of commands in the house's style; both take `--config`."""
    app = typer.Typer(
        help=help_text,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def _options(config: ConfigOption = None) -> None:
        choose_config(config)

    return app


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: a command that takes `--config` too, besides the one before it."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name)(_with_config(function))
        return function

    return register


def _with_config(function: Callable[..., None]) -> Callable[..., None]:
    def run(config: Path | None = None, **arguments: Any) -> None:
        choose_config(config)
        function(**arguments)

    signature = inspect.signature(function)
    last = inspect.Parameter(
        "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigOption
    )
    run.__doc__ = function.__doc__
    run.__annotations__ = {
        **get_type_hints(function, include_extras=True),
        "config": ConfigOption,
    }
    parameters = [
        p.replace(annotation=run.__annotations__[p.name]) for p in signature.parameters.values()
    ]
    run.__signature__ = inspect.Signature([*parameters, last])  # type: ignore[attr-defined]
    return run


def configuration() -> Config:
    """The checked configuration; raises ConfigError."""
    from callcenter.config import load

    return load(config_path())


def store_of(config: Config) -> Store:
    """The database, as it is: nothing is migrated."""
    from callcenter.store.session import Store, make_engine
    from callcenter.wiring import secret_of

    return Store(make_engine(config.storage.database), audit_secret=secret_of(config))


@contextmanager
def reading() -> Iterator[tuple[Config, Session]]:
    """The configuration and a session for reading."""
    config = configuration()
    with store_of(config).read() as session:
        yield config, session


@contextmanager
def writing() -> Iterator[tuple[Config, Session]]:
    """The configuration and one write transaction."""
    config = configuration()
    with store_of(config).write() as session:
        yield config, session


def note(text: str) -> None:
    """A line for the person, on standard error: standard output stays clean for facts."""
    typer.echo(text, err=True)


def fail(text: str, code: int = 1) -> NoReturn:
    """One line on standard error, and out."""
    note(f"aduan24: {text}")
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """Facts for programs: UTF-8, times as ISO 8601 UTC, one document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=_plain) + "\n")


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)


def print_facts(facts: Mapping[str, Any], config: Config) -> None:
    """One thing, a line per fact."""
    shown = partial(_shown, config=config)
    width = max(map(len, facts), default=0)
    for key, value in facts.items():
        if isinstance(value, list):
            typer.echo(f"{key}:" + ("" if value else " -"))
            for row in value:
                text = (
                    "  ".join(f"{k}={shown(v)}" for k, v in row.items() if v not in (None, ""))
                    if isinstance(row, dict)
                    else shown(row)
                )
                typer.echo(f"  {text}")
        else:
            typer.echo(f"{key + ':':<{width + 2}}{shown(value)}")


def print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], config: Config) -> None:
    """A plain table of the named columns; times in the programme's zone."""
    body = [[_shown(row.get(column), config) for column in columns] for row in rows]
    if not body:
        note("(none)")
        return
    lines = [[c.replace("_", " ") for c in columns], *body]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _shown(value: Any, config: Config) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(config.programme.zone).strftime("%Y-%m-%d %H:%M:%S")
    text = str(value)
    return "".join(c if c.isprintable() else " " for c in text)
