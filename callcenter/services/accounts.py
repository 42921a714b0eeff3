"""Sign-ins of the console: argon2, slowed for guessers, never locked for good."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callcenter.domain.people import Role
from callcenter.services import audit, presences
from callcenter.services.errors import NotFound, Refused, ServiceError
from callcenter.store.models import Agency, SignInAttempt, User

_HASHER = PasswordHasher()
#: Verified for unknown names too, so that the answer takes as long (no list of users by timing).
_DUMMY = _HASHER.hash("nobody has this password")
_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")

#: More failures than this within the span, by name or by address, and a wait is asked for.
_FREE_TRIES = {"username": 5, "address": 20}
_SPAN = timedelta(minutes=15)
MIN_PASSWORD = 10


class SignInRefused(ServiceError):
    """Wrong name or password: the same words for both."""

    error_id = "sign_in_refused"


class SignInThrottled(ServiceError):
    """Too many failures; try again after `retry_after_s` seconds."""

    error_id = "sign_in_throttled"

    def __init__(self, retry_after_s: int) -> None:
        minutes = max(1, round(retry_after_s / 60))
        super().__init__(f"Terlalu banyak percobaan. Coba lagi dalam {minutes} menit.")
        self.retry_after_s = retry_after_s


def add_user(
    session: Session,
    *,
    username: str,
    name: str,
    role: Role,
    password: str,
    now: datetime,
    agency_key: str | None = None,
) -> User:
    """A new sign-in; Refused names the field that is not acceptable."""
    if not _USERNAME.fullmatch(username):
        raise Refused("username", "Nama pengguna: huruf kecil, angka, titik; 2 sampai 40 tanda.")
    if session.scalar(select(User).where(User.username == username)):
        raise Refused("username", f"Nama pengguna {username} sudah ada; pilih nama lain.")
    if role is Role.OFFICER and (agency_key is None or session.get(Agency, agency_key) is None):
        raise Refused("agency", "Petugas harus punya instansi yang ada di config.yaml.")
    user = User(
        username=username,
        name=name or username,
        role=role,
        agency_key=agency_key if role is Role.OFFICER else None,
        password_hash=_hashed(password),
        created_at=now,
    )
    session.add(user)
    session.flush()
    audit.record(session, actor="admin", action="user_added", thing=f"user:{user.id}", now=now)
    return user


def set_password(session: Session, username: str, password: str, *, now: datetime) -> None:
    """A new password; every open session of the user ends."""
    user = _user(session, username)
    user.password_hash = _hashed(password)
    user.session_version += 1
    audit.record(session, actor="admin", action="password_set", thing=f"user:{user.id}", now=now)


def disable(session: Session, username: str, *, now: datetime) -> None:
    """The sign-in no longer works, its sessions end, and no call reaches the person any more; what
    they did stays."""
    user = _user(session, username)
    user.active = False
    user.session_version += 1
    audit.record(session, actor="admin", action="user_disabled", thing=f"user:{user.id}", now=now)
    presences.leave(session, user.id, actor="admin", now=now)


def wait_seconds(session: Session, username: str, address: str, now: datetime) -> int:
    """How long this name or address must wait before another try; 0 for none."""
    waits = [0]
    for column, value in (("username", username), ("address", address)):
        failures, latest = session.execute(
            select(func.count(), func.max(SignInAttempt.at)).where(
                getattr(SignInAttempt, column) == value,
                SignInAttempt.at > now - _SPAN,
                SignInAttempt.succeeded.is_(False),
            )
        ).one()
        extra = failures - _FREE_TRIES[column]
        if extra >= 0 and latest is not None:
            pause = timedelta(seconds=min(30 * 2**extra, _SPAN.total_seconds()))
            waits.append(math.ceil((latest + pause - now).total_seconds()))
    return max(waits)


def check_sign_in(
    session: Session, *, username: str, password: str, address: str, now: datetime
) -> User | ServiceError:
    """The user, or why not. Returns its refusal: the failed try must be committed, not undone."""
    name = "".join(c for c in username if c.isprintable())[:60]  # no database keeps all signs
    if wait := wait_seconds(session, name, address, now):
        return SignInThrottled(wait)
    user = session.scalar(select(User).where(User.username == name, User.active))
    good = _verified(user.password_hash if user else _DUMMY, password) and user is not None
    session.add(SignInAttempt(username=name, address=address[:60], at=now, succeeded=good))
    audit.record(
        session,
        actor=name if good else "anonymous",
        action="sign_in" if good else "sign_in_failed",
        thing=f"user:{user.id}" if user else "user:unknown",
        now=now,
        address=address[:60],
    )
    if user is None or not good:
        return SignInRefused("Nama pengguna atau kata sandi tidak cocok.")
    if _HASHER.check_needs_rehash(user.password_hash):
        user.password_hash = _HASHER.hash(password)
    return user


def _user(session: Session, username: str) -> User:
    user = session.scalar(select(User).where(User.username == username))
    if user is None:
        raise NotFound(f"Tidak ada pengguna {username}.")
    return user


def _hashed(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise Refused("password", f"Kata sandi paling sedikit {MIN_PASSWORD} tanda.")
    return _HASHER.hash(password)


def _verified(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (Argon2Error, InvalidHashError, UnicodeEncodeError):
        return False
