"""What config.yaml must never hold: from the environment first, then from `*_file` keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from callcenter.config.errors import ConfigError
from callcenter.config.schema import Config, Section

_DIALLER = "ADUAN24_DIALLER_SECRET"
_HARD_TO_GUESS = re.compile(r"[!#-:<-\[\]-~]{16,128}")  # as the exchange's files take it


@dataclass(frozen=True, slots=True)
class Secrets:
    """What config.yaml must never hold; None where nothing was given."""

    twilio_auth_token: str | None
    smtp_password: str | None
    trunk_secret: str | None
    operator_secrets: Mapping[str, str] = field(default_factory=dict)
    dialler_secret: str | None = None


def read_secrets(config: Config) -> Secrets:
    """Secrets from the environment first, then from the `*_file` keys.

    Raises ConfigError when a configured channel has no secret or a file cannot be read.
    """
    twilio, smtp, trunk = config.notices.twilio, config.notices.smtp, config.line.trunk
    mistakes: list[str] = []
    token = _secret(
        "ADUAN24_TWILIO_AUTH_TOKEN", twilio.auth_token_file if twilio else None, twilio, mistakes
    )
    password = _secret(
        "ADUAN24_SMTP_PASSWORD",
        smtp.password_file if smtp else None,
        smtp if smtp and smtp.user else None,
        mistakes,
    )
    secret = _secret("ADUAN24_TRUNK_SECRET", trunk.secret_file if trunk else None, trunk, mistakes)
    operators = {
        operator.user: _secret(
            f"ADUAN24_OPERATOR_{operator.user.upper()}_SECRET",
            operator.secret_file,
            None if operator.address else operator,
            mistakes,
        )
        for operator in config.line.operators
    }
    dialler = _dialler_secret(config, mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    known = {user: value for user, value in operators.items() if value}
    return Secrets(token, password, secret, known, dialler)


def _dialler_secret(config: Config, mistakes: list[str]) -> str | None:
    """Of the account that may place calls; None: the program makes one."""
    calls_out = config.line.calls_out
    given = calls_out and (calls_out.secret_file or os.environ.get(_DIALLER))
    if not calls_out or not given:
        return None
    value = _secret(_DIALLER, calls_out.secret_file, calls_out, mistakes)
    if value is not None and not _HARD_TO_GUESS.fullmatch(value):
        mistakes.append(
            f"line.calls_out.secret_file or {_DIALLER}: must be 16 to 128 printable characters "
            "without space, quote, ; and \\; write another one"
        )
    return value


def _secret(
    variable: str, file: Path | None, needed_by: Section | None, mistakes: list[str]
) -> str | None:
    if needed_by is None:
        return None
    if value := os.environ.get(variable):
        return value
    try:
        if file is not None:
            return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        mistakes.append(f"{file}: the secret cannot be read ({error.strerror})")
        return None
    mistakes.append(f"{variable}: is not set; set it or name a file in the *_file key")
    return None
