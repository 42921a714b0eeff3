"""The parts of `up`: which processes, how they start, when they are ready, how they end."""

from __future__ import annotations

import socket
import sys
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from callcenter.gateways import sip_probe, valkey
from callcenter.supervisor import Part

if TYPE_CHECKING:
    from callcenter.cli.preparing import Exchange, Prepared
    from callcenter.config import Config

_QUICK = 0.3
#: Words of a log line that a person at the terminal should see.
_LOUD = ("error", "critical", "traceback", "warning")


def parts_of(config: Config, path: Path, prepared: Prepared) -> list[Part]:
    """Everything to run, in the order in which the terminal names it."""
    parts = [] if config.queue.url else [_queue(config)]
    if prepared.exchange:
        parts.append(_exchange(config, prepared.exchange))
    parts += [_line(config, path), _web(config, path)]
    after = () if config.queue.url else ("queue",)
    parts += [
        Part(
            f"worker-{n}",
            _own("worker", path),
            after=after,
            shows=_notice,
            variables={"ADUAN24_PART": f"worker-{n}"},
        )
        for n in range(1, config.queue.workers + 1)
    ]
    if config.speech:
        parts.append(
            Part(
                "speech",
                _own("speech", path),
                after=after,
                shows=_loud,
                variables={"ADUAN24_PART": "speech"},
            )
        )
    parts.append(Part("clock", _own("clock", path), after=after, shows=_loud))
    return parts


def demo_part(path: Path, *, by_phone: bool) -> Part:
    """The demonstration call; every line it prints is for the person."""
    command = _own("demo", path) + (("--by-phone",) if by_phone else ())
    return Part("demo", command, once=True, shows=lambda line: line)


def _own(command: str, path: Path) -> tuple[str, ...]:
    return (sys.executable, "-u", "-m", "callcenter.cli", command, "--config", str(path))


def _queue(config: Config) -> Part:
    port = config.queue.port
    command = valkey.command(port, config.storage.state / "valkey")
    return Part("queue", tuple(command), ready=partial(valkey.answers, port), wave=3)


def _exchange(config: Config, exchange: Exchange) -> Part:
    host = local(config.line.bind)
    return Part(
        "asterisk",
        tuple(exchange.command),
        ready=partial(sip_probe.answers, host, config.line.sip_port),
        wave=1,
        farewell=tuple(exchange.farewell),
        patience=4.0,
        shows=_exchange_trouble,
    )


def _line(config: Config, path: Path) -> Part:
    port = config.line.agi_port
    return Part("line", _own("line", path), ready=partial(_listens, port), wave=2, shows=_loud)


def _web(config: Config, path: Path) -> Part:
    host = local(config.web.bind)
    url = f"http://{f'[{host}]' if ':' in host else host}:{config.web.port}/healthz"
    return Part("web", _own("web", path), ready=partial(_healthy, url), shows=_loud)


def local(address: str) -> str:
    """Where this machine reaches what listens on `address`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_QUICK).close()
    except OSError:
        return False
    return True


def _healthy(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_QUICK) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _loud(line: str) -> str | None:
    lower = line.lower()
    return line if any(word in lower for word in _LOUD) else None


def _exchange_trouble(line: str) -> str | None:
    return line if "ERROR" in line or "Unable to" in line else None


def _notice(line: str) -> str | None:
    """Notices of the channel `screen` begin with an envelope; everything else only when loud."""
    return line if line.startswith("✉") else _loud(line)
