"""What one request works with: the wiring, the clock, one reading session, the signed-in person."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from flask import Flask, current_app, g, request
from flask_login import current_user
from sqlalchemy.orm import Session

from callcenter.domain.people import Role, may
from callcenter.store.models import User
from callcenter.wiring import Wiring


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person at the console, free of any session; `key` carries the session version."""

    id: int
    username: str
    name: str
    role: Role
    agency_key: str | None
    language: str
    session_version: int
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    @classmethod
    def of(cls, user: User) -> SignedIn:
        """The part of the row that a request needs."""
        return cls(
            user.id,
            user.username,
            user.name,
            user.role,
            user.agency_key,
            user.language,
            user.session_version,
        )

    def get_id(self) -> str:
        """What the session cookie holds: a raised session version makes it worthless."""
        return f"{self.id}.{self.session_version}"

    def may(self, right: str) -> bool:
        """Whether the person's role has `right`."""
        return may(self.role, right)

    def may_any(self, rights: tuple[str, ...]) -> bool:
        """Whether the person's role has one of `rights`."""
        return any(self.may(right) for right in rights)


def wiring() -> Wiring:
    """Everything that was built for this process."""
    return cast(Wiring, current_app.extensions["aduan24"])


def now() -> datetime:
    """The present moment, one and the same during a request."""
    if "now" not in g:
        g.now = datetime.now(UTC)
    return cast(datetime, g.now)


def me() -> SignedIn:
    """The signed-in person; only for routes that need a sign-in."""
    return cast(SignedIn, current_user._get_current_object())


def address() -> str:
    """Where the request comes from, for the audit rows."""
    return (request.remote_addr or "")[:60]


def reading() -> Session:
    """The request's reading session, opened when first asked for, closed at its end."""
    if "reading" not in g:
        stack = g.reading_stack = ExitStack()
        g.reading = stack.enter_context(wiring().store.read())
    return cast(Session, g.reading)


def writing() -> AbstractContextManager[Session]:
    """A write transaction; what was read before it is stale afterwards and is let go."""
    stop_reading()
    transaction: AbstractContextManager[Session] = wiring().store.write()
    return transaction


def stop_reading(_error: BaseException | None = None) -> None:
    """Close the reading session, if any."""
    g.pop("reading", None)
    stack: Any = g.pop("reading_stack", None)
    if stack is not None:
        stack.close()


def init(app: Flask, wired: Wiring) -> None:
    """Bind the wiring and the sessions' end to the app."""
    app.extensions["aduan24"] = wired
    app.teardown_appcontext(stop_reading)
