"""Many things in one transaction, of which a broken one holds up no other."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

log = logging.getLogger("aduan24.batch")

Thing = TypeVar("Thing")


def one_by_one(
    session: Session, what: str, things: Iterable[Thing], work: Callable[[Thing], object]
) -> list[Thing]:
    """Do `work` for each thing, in a savepoint of its own; those that failed, left as they were.

    A failure is logged as `what`. An OperationalError is the database's own failure (it is away,
    full, or broke a deadlock): it is raised, and the whole transaction is tried again.
    """
    failed = []
    for thing in things:
        try:
            with session.begin_nested():
                work(thing)
        except OperationalError:
            raise
        except Exception as error:  # whatever one row provokes, the others go on
            log.error("%s failed and will be tried again: %s", what, named(error))
            failed.append(thing)
    return failed


def named(error: Exception) -> str:
    """Kind and place of an error, without its text: that may quote what citizens said."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "callcenter" in f.filename]
    place = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + place
