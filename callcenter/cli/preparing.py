"""What `up` does before it starts anything: ports, folders, tables, people, prompts, exchange."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from callcenter.cli.common import now
from callcenter.cli.running import local
from callcenter.cli.users import passphrase
from callcenter.config import Config, ConfigError, read_secrets
from callcenter.domain.people import Role
from callcenter.gateways import valkey
from callcenter.gateways.asterisk import command, control, render
from callcenter.gateways.parts import PartsError, read_parts
from callcenter.instance import Port, taken_ports
from callcenter.services import accounts, directory, ladders, numbers, pins
from callcenter.spoken_names import extra_texts
from callcenter.store.migrate import upgrade
from callcenter.store.models import Call, User
from callcenter.store.session import Store, make_engine
from callcenter.wiring import Wiring

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SAMPLES = (
    ("operator", "Operator Contoh", Role.OPERATOR, None),
    ("supervisor", "Supervisor Contoh", Role.SUPERVISOR, None),
    ("admin", "Administrator Contoh", Role.ADMINISTRATOR, None),
    ("petugas", "Petugas Contoh", Role.OFFICER, "dishub"),
)
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Exchange:
    """How the exchange starts and how it is asked to stop."""

    command: list[str]
    farewell: list[str]


@dataclass(frozen=True)
class Prepared:
    """What the start found and made. `empty`: no call has ever been filed here."""

    empty: bool
    sign_ins: tuple[str, ...]
    exchange: Exchange | None
    line_address: str


def prepare(config: Config, tell: Tell) -> Prepared:
    """Everything that must be in order before the first process; ConfigError names what is not."""
    wiring = Wiring(config, read_secrets(config))
    if config.queue.url is None:
        valkey.put_away_orphan(config.queue.port, config.storage.state / "valkey")
    if mistakes := taken_ports(_ports(config)):
        raise ConfigError(mistakes)
    _make_folders(config)
    bring_prompts(config, tell)
    engine = make_engine(config.storage.database)
    upgrade(engine)
    store = Store(engine, audit_secret=wiring.secret_key)
    with store.write() as session:
        directory.sync(session, config, now())
        ladders.adopt_first(session, config, now())
        sign_ins = _sample_sign_ins(session, config)
        empty = not session.scalar(select(func.count()).select_from(Call))
    exchange = _exchange(config, wiring, tell) if config.line.enabled else None
    if exchange:  # the very first call shall have a number, whatever else does not run yet
        line = config.line
        numbers.refill(store, line.node, wiring.numbers_folder, line.numbers_reserved, now())
        pins.write_pins(wiring.numbers_folder, wiring.secret_key)
    engine.dispose()
    address = f"sip:line@{local(config.line.bind)}:{config.line.sip_port}"
    return Prepared(empty, sign_ins, exchange, address)


def _ports(config: Config) -> Iterator[Port]:
    line, here = config.line, "127.0.0.1"
    yield Port("web.port", config.web.bind, config.web.port)
    yield Port("line.agi_port", here, line.agi_port)
    if config.queue.url is None:
        yield Port("queue.port", here, config.queue.port)
    if line.enabled:
        yield Port("line.sip_port", line.bind, line.sip_port, "udp")
        if line.tls:
            yield Port("line.tls.port", line.bind, line.tls.port)
        yield Port("line.ami_port", here, line.ami_port)


def _make_folders(config: Config) -> None:
    """Complaints and secrets lie in there: the owner's alone."""
    config.storage.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("spool", "calls", "quarantine", "prompts"):
        (config.storage.recordings / name).mkdir(mode=0o700, parents=True, exist_ok=True)


def bring_prompts(config: Config, tell: Tell) -> None:
    """The shipped sounds; then what only this deployment says is spoken, names above all.

    Nothing is done where everything is right. Without espeak-ng the line goes on with what there
    is: an agency whose name has no sound is not named to a caller.
    """
    from ivr import prompts

    folder, days = config.storage.recordings / "prompts", config.storage.retention_days
    names = extra_texts(config)
    prompts.bring(prompts.SHIPPED, folder, days)
    if not prompts.check_all(folder, days, extra=names):
        return
    from ivr.prompt_making import make_all
    from ivr.speaking import SpeechUnavailable

    try:
        made = make_all(folder, days, extra=names)
        tell(f"{len(made)} prompts are spoken anew: {', '.join(made)}")
    except SpeechUnavailable as error:
        tell(f"prompts: {error}")
    for problem in prompts.check_all(folder, days, extra=names):
        tell(f"prompts: {problem}")


def _exchange(config: Config, wiring: Wiring, tell: Tell) -> Exchange | None:
    """The rendered exchange; None, with a line that says why, when Asterisk is not here."""
    try:
        parts = read_parts()
        parts.need_asterisk()
    except PartsError as error:
        tell(f"{error}. Without it there is no telephone line; the test phone takes its place.")
        return None
    settings = wiring.asterisk_settings
    render(settings, parts)
    return Exchange(command(settings, parts), control(settings, parts, "core stop gracefully"))


# ---------------------------------------------------------------- sample sign-ins


def _sample_sign_ins(session: Session, config: Config) -> tuple[str, ...]:
    """`name  passphrase` of each; made on an empty table, kept in a file of the owner's."""
    file = config.storage.state / "sample-sign-ins.txt"
    if not config.sample:
        return ()
    if not session.scalar(select(func.count()).select_from(User)):
        _write(file, _make_samples(session, config))
    return tuple(file.read_text().splitlines()) if file.exists() else ()


def _make_samples(session: Session, config: Config) -> list[str]:
    lines = []
    for username, name, role, agency in SAMPLES:
        key = agency if agency is None or config.agency(agency) else config.agencies[0].key
        password = passphrase()
        accounts.add_user(
            session,
            username=username,
            name=name,
            role=role,
            password=password,
            now=now(),
            agency_key=key,
        )
        lines.append(f"{username:<11}{password:<29}({role.value}{f' of {key}' if key else ''})")
    return lines


def _write(file: Path, lines: list[str]) -> None:
    """Passphrases: readable by the owner alone from the first byte."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.writelines(f"{line}\n" for line in lines)
