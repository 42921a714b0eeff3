"""An error as the person at the terminal should read it: which key or thing, and the remedy."""

from __future__ import annotations

from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from callcenter.config import ConfigError
from callcenter.gateways.asterisk import SettingsError
from callcenter.gateways.parts import PartsError
from callcenter.instance import AlreadyRunning
from callcenter.services.errors import Refused, ServiceError

_NO_TABLES = ("no such table", "does not exist", "UndefinedTable", "no such column")


def explained(error: Exception) -> tuple[list[str], int]:
    """Lines and exit code; raises `error` again when it is a mistake of ours, not of a person."""
    match error:
        case ConfigError(mistakes=lines):
            told = lines, 2
        case SettingsError() | AlreadyRunning():
            told = str(error).splitlines(), 2
        case Refused(field=field, message=message):
            told = [f"{field}: {message}"], 2
        case ServiceError(message=message):
            told = [message], 1
        case PartsError():
            told = [str(error)], 1
        case DBAPIError() | ArgumentError() | NoSuchModuleError():
            told = _database(error)
        case OSError(filename=file, strerror=reason) if file:
            told = [f"{file}: {reason}"], 1
        case _:
            raise error
    return told


def _database(error: Exception) -> tuple[list[str], int]:
    said = str(getattr(error, "orig", None) or error).strip().splitlines() or [""]
    if any(words in said[0] for words in _NO_TABLES):
        return ["storage.database: the tables are missing or old; run: aduan24 migrate"], 1
    if isinstance(error, OperationalError):
        return [f"storage.database: cannot be used ({said[0]}); run: aduan24 doctor"], 1
    if isinstance(error, DBAPIError):
        raise error
    return [f"storage.database: not an address of a database ({said[0]})"], 2
