"""`aduan24 up`: everything, in the foreground, under one supervisor."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli.common import command, config_path, configuration

if TYPE_CHECKING:
    from callcenter.cli.preparing import Prepared
    from callcenter.config import Config
    from callcenter.supervisor import Supervisor


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    command(app, "up")(up)


def up(
    demo: Annotated[
        bool, typer.Option(help="On an empty database, place one demonstration call.")
    ] = True,
) -> None:
    """Start everything; Ctrl-C or SIGTERM stops it."""
    config = configuration()

    from callcenter.cli.preparing import prepare
    from callcenter.cli.running import parts_of
    from callcenter.instance import InstanceLock
    from callcenter.supervisor import Supervisor

    tell = _teller()
    lock = InstanceLock(config.storage.state / "up.lock")
    lock.take()
    prepared = prepare(config, lambda text: tell("up", text))
    parts = parts_of(config, config_path().resolve(), prepared)
    tell("up", f"starting {', '.join(part.name for part in parts)}")
    Supervisor(
        parts,
        folder=config_path().resolve().parent,
        logs=config.storage.state / "log",
        tell=tell,
        on_ready=_announcer(config, prepared, tell, demo),
        locked=lock.descriptor,
    ).run()
    tell("up", "everything has stopped")


def _announcer(
    config: Config, prepared: Prepared, tell: Callable[[str, str], None], demo: bool
) -> Callable[[Supervisor], None]:
    from callcenter.cli.running import demo_part

    def announce(supervisor: Supervisor) -> None:
        for line in _banner(config, prepared):
            tell("up", line)
        if demo and config.sample and prepared.empty:
            supervisor.add(demo_part(config_path().resolve(), by_phone=prepared.exchange is None))

    return announce


def _banner(config: Config, prepared: Prepared) -> list[str]:
    lines = ["", f"READY. Console: {config.web.public_url}"]
    for who in prepared.sign_ins:
        lines.append(f"  sign in as {who}")
    if prepared.exchange is None:
        lines.append("No telephone line; the test phone: aduan24 phone --audio FILE")
    else:
        lines.append(f"Call the line with any SIP phone: {prepared.line_address}")
        lines.append('  or from another terminal: aduan24 call --say "Jalan di depan rumah rusak"')
        if config.line.bind == "127.0.0.1":
            lines.append(
                "  from other machines: set line.bind in config.yaml to this machine's address "
                "(behind a firewall)"
            )
    lines += ["Ctrl-C stops everything.", ""]
    return lines


_COLOURS = {"up": "bold", "demo": "bold cyan", "line": "green", "asterisk": "green"}


def _teller() -> Callable[[str, str], None]:
    """A function that prints `name | text`, in colour on a terminal."""
    if not sys.stdout.isatty():
        return _plain

    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def coloured(name: str, text: str) -> None:
        style = _COLOURS.get(name, "magenta")
        console.print(Text(f"{name:>9} ", style) + Text("│ ", "dim") + Text(text))

    return coloured


def _plain(name: str, text: str) -> None:
    try:
        sys.stdout.write(f"{name:>9} | {text}\n")
        sys.stdout.flush()
    except OSError:
        return  # nobody reads any more (the terminal was closed); the logs go on
