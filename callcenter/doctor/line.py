"""The line: exchange, manager, the application's port, prompts, numbers left."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from callcenter.config import Config, ConfigError, read_secrets
from callcenter.doctor.findings import Finding, failed, fine, warned
from callcenter.gateways import sip_probe
from callcenter.gateways.asterisk import AsteriskSettings
from callcenter.gateways.parts import PartsError, read_parts
from callcenter.services import numbers
from callcenter.spoken_names import extra_texts
from ivr import prompts

_PATIENCE = 2.0
_FEW = 200
_NAMED = 5  # of what callers can do without


def examine(config: Config) -> Iterator[Finding]:
    """Everything between the caller and the application."""
    yield from _prompts(config)
    if not config.line.enabled:
        yield warned("line", "line.enabled is false: test phone only", "set it to true")
        return
    try:
        program = read_parts().need_asterisk()
    except PartsError as error:
        yield failed("asterisk", str(error), "or set line.enabled: false")
        return
    yield fine("asterisk", program[-1])
    yield from _exchange(config)
    yield _numbers(config.storage.state / "numbers")


def _prompts(config: Config) -> Iterator[Finding]:
    folder, days = config.storage.recordings / "prompts", config.storage.retention_days
    problems = prompts.check(folder, prompts.MAIN, days)
    for problem in problems:
        yield failed("prompts", problem, "")
    others = prompts.check_all(folder, days, extra=extra_texts(config))
    lesser = [line for line in others if line not in problems]
    for line in lesser[:_NAMED]:
        yield warned("prompts", line, "aduan24 up; or record it in the console")
    if len(lesser) > _NAMED:
        yield warned("prompts", f"and {len(lesser) - _NAMED} more", "aduan24 up")
    if not problems and not lesser:
        yield fine("prompts", "all are there and say what the table says")


def _exchange(config: Config) -> Iterator[Finding]:
    try:
        settings = _settings(config)
    except ConfigError as error:
        yield failed("exchange", "; ".join(error.mistakes), "")
        return
    mistakes = list(settings.mistakes())
    for mistake in mistakes:
        yield failed("exchange", mistake, "correct it")
    if mistakes:
        return
    here = "127.0.0.1" if settings.sip_bind == "0.0.0.0" else settings.sip_bind  # noqa: S104
    if not sip_probe.answers(here, settings.sip_port, _PATIENCE):
        text = f"nobody answers on {here}:{settings.sip_port}"
        yield failed("SIP", text, "aduan24 up; then look into log/asterisk.log")
        return
    yield fine("SIP", f"{here}:{settings.sip_port} answers")
    yield _application(settings.agi_port)
    yield _manager(settings, "manager", settings.ami_user, settings.ami_secret)
    if settings.calls_out:
        yield _manager(settings, "dialler", settings.dialler_user, settings.dialler_secret)


def _settings(config: Config) -> AsteriskSettings:
    from callcenter.wiring import Wiring

    return Wiring(config, read_secrets(config)).asterisk_settings


def _application(port: int) -> Finding:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE).close()
    except OSError as error:
        return failed(
            "application",
            f"the line process does not listen on port {port} ({error.strerror or 'no answer'}); "
            "the exchange alone takes the complaints meanwhile",
            "aduan24 up; then look into log/line.log",
        )
    return fine("application", f"listens on port {port}")


def _manager(settings: AsteriskSettings, name: str, user: str, secret: str) -> Finding:
    """Sign in to the manager interface as the line process does."""
    login = (
        f"Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\n"
        "Events: off\r\n\r\nAction: Logoff\r\n\r\n"
    )
    try:
        with socket.create_connection(("127.0.0.1", settings.ami_port), _PATIENCE) as link:
            link.settimeout(_PATIENCE)
            link.sendall(login.encode())
            answer = b"".join(iter(lambda: link.recv(4096), b""))
    except OSError as error:
        return failed(name, f"port {settings.ami_port}: {error}", "aduan24 up")
    if b"Response: Success" not in answer:
        return failed(name, "refuses our sign-in", "stop `aduan24 up` and start it again")
    return fine(name, f"signed in on port {settings.ami_port}")


def _numbers(folder: Path) -> Finding:
    """How many public numbers the exchange can still give out by itself."""
    if not (folder / "numbers.txt").exists():
        return warned("numbers", "none are reserved for the exchange yet", "aduan24 up")
    left = numbers.left(folder)
    if left <= 0:
        return failed("numbers", "none are left for the exchange", "start the line process")
    if left < _FEW:
        return warned("numbers", f"{left} are left for the exchange", "start the line process")
    return fine("numbers", f"{left} are reserved for the exchange")
