"""Reading config.yaml: every mistake is named by its key, with the remedy.

Relative paths are relative to the configuration file's folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from callcenter.config.checks import cross_checks, file_checks
from callcenter.config.errors import ConfigError
from callcenter.config.schema import Config, Line, Notices


def load(path: Path) -> Config:
    """Read, check and resolve `path`; raises ConfigError with one line per mistake."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: there is no such file; `aduan24 init` writes a commented one"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read ({error}); save it as UTF-8 text"]) from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        raise ConfigError([f"{path}: {line}not valid YAML; look at the indentation"]) from None
    if not isinstance(raw, dict):
        raise ConfigError([f"{path}: must hold keys and values; `aduan24 init` writes an example"])
    config = _validated(raw)
    mistakes = list(cross_checks(config))
    if mistakes:
        raise ConfigError(mistakes)
    resolved = _resolved(config, path.resolve().parent)
    if mistakes := list(file_checks(resolved)):
        raise ConfigError(mistakes)
    return resolved


def _validated(raw: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError([_line(dict(e)) for e in error.errors()]) from None


_REMEDIES = {
    "extra_forbidden": "unknown key; remove it or correct its spelling",
    "missing": "is missing; add it",
}


def _line(error: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    remedy = _REMEDIES.get(error["type"])
    if remedy:
        return f"{key}: {remedy}"
    message = str(error["msg"]).removeprefix("Value error, ")
    shown = error.get("input")
    value = f" (now: {shown!r})" if isinstance(shown, str | int | float | bool) else ""
    return f"{key}: {message}{value}"


def _resolved(config: Config, folder: Path) -> Config:
    """Every relative path made absolute from the configuration file's folder."""
    storage = config.storage.model_copy(
        update={
            "state": folder / config.storage.state,
            "recordings": folder / config.storage.recordings,
            "database": _resolved_database(config.storage.database, folder),
        }
    )
    update: dict[str, Any] = {"storage": storage}
    if config.programme.logo:
        logo = {"logo": folder / config.programme.logo}
        update["programme"] = config.programme.model_copy(update=logo)
    update["line"] = _resolved_line(config.line, folder)
    if config.speech:
        model = {"model": folder / config.speech.model}
        update["speech"] = config.speech.model_copy(update=model)
    update["notices"] = _resolved_notices(config.notices, folder)
    return config.model_copy(update=update)


def _resolved_line(line: Line, folder: Path) -> Line:
    update: dict[str, Any] = {
        "operators": tuple(
            operator.model_copy(update={"secret_file": folder / operator.secret_file})
            if operator.secret_file
            else operator
            for operator in line.operators
        )
    }
    if line.trunk and line.trunk.secret_file:
        path = folder / line.trunk.secret_file
        update["trunk"] = line.trunk.model_copy(update={"secret_file": path})
    if line.calls_out and line.calls_out.secret_file:
        path = folder / line.calls_out.secret_file
        update["calls_out"] = line.calls_out.model_copy(update={"secret_file": path})
    if line.tls:
        files = {"certificate": folder / line.tls.certificate, "key": folder / line.tls.key}
        update["tls"] = line.tls.model_copy(update=files)
    return line.model_copy(update=update)


def _resolved_notices(notices: Notices, folder: Path) -> Notices:
    update: dict[str, Any] = {}
    if notices.twilio and notices.twilio.auth_token_file:
        path = folder / notices.twilio.auth_token_file
        update["twilio"] = notices.twilio.model_copy(update={"auth_token_file": path})
    if notices.smtp and notices.smtp.password_file:
        path = folder / notices.smtp.password_file
        update["smtp"] = notices.smtp.model_copy(update={"password_file": path})
    return notices.model_copy(update=update)


def _resolved_database(url: str, folder: Path) -> str:
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return f"{prefix}{folder / url.removeprefix(prefix)}"
    return url
