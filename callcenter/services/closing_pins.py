"""The PIN with which an officer closes: chosen by the officer, asked for with the handling report.

A link may be forwarded; who closes a ticket should be who was asked to. The PIN is kept sealed with
the installation's secret, so that a stolen database does not give it away. It is none of the PINs
of `pins`: those follow from the secret and are told to people.
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from callcenter.services import audit, notices, wording
from callcenter.services.errors import NotFound, Refused
from callcenter.services.rules import Rules
from callcenter.store.models import Person, Ticket

_FOUR = re.compile(r"\d{4}", re.ASCII)
_EASY = frozenset({"1234", "4321", *(str(digit) * 4 for digit in range(10))})
_PURPOSE = b"aduan24 pin for closing 1\0"
#: So many wrong ones are free; each further five lock twice as long.
_FREE, _FIRST, _LONGEST = 5, timedelta(minutes=15), timedelta(hours=24)


def check(
    session: Session, person_key: str, pin: str, *, secret: str, actor: str, now: datetime
) -> Refused | None:
    """Why not; None where the PIN is right.

    Returns its refusal: a wrong try must be committed, not undone.
    """
    person = _held(session, person_key)
    if person.pin_locked_until is not None and now < person.pin_locked_until:
        return Refused(
            "pin", "Terlalu banyak PIN salah. Coba lagi nanti, atau telepon call center."
        )
    if person.pin_seal is not None and hmac.compare_digest(
        person.pin_seal, _seal(pin, person_key, secret)
    ):
        person.pin_wrong, person.pin_locked_until = 0, None
        return None
    person.pin_wrong += 1
    rounds, rest = divmod(person.pin_wrong, _FREE)
    if rest == 0:
        person.pin_locked_until = now + min(_FIRST * 2 ** min(rounds - 1, 20), _LONGEST)
    audit.record(session, actor=actor, action="pin_wrong", thing=f"person:{person_key}", now=now)
    return Refused("pin", "PIN salah.")


def choose(
    session: Session,
    ticket_id: int,
    person_key: str,
    pin: str,
    again: str,
    *,
    secret: str,
    actor: str,
    now: datetime,
    rules: Rules,
) -> Refused | None:
    """The first PIN of a person, who is told so; why not, or None where it is taken.

    Of two at once the first counts, and the second is checked against it.
    """
    person = _held(session, person_key)
    if person.pin_seal is not None:
        return check(session, person_key, pin, secret=secret, actor=actor, now=now)
    if not _FOUR.fullmatch(pin):
        return Refused("pin", "PIN terdiri dari empat angka.")
    if pin in _EASY:
        return Refused("pin", "PIN ini terlalu mudah ditebak; pilih yang lain.")
    if pin != again:
        return Refused("pin", "Kedua PIN tidak sama; ketik lagi.")
    person.pin_seal, person.pin_set_at = _seal(pin, person_key, secret), now
    audit.record(session, actor=actor, action="pin_chosen", thing=f"person:{person_key}", now=now)
    ticket = session.get_one(Ticket, ticket_id)
    notices.write(
        session,
        ticket=ticket,
        people=[person],
        kind=f"pin-chosen-{int(now.timestamp())}",
        words=wording.of_pin(ticket, rules),
        now=now,
        rules=rules,
    )
    return None


def forget(session: Session, person_key: str, *, actor: str, now: datetime) -> None:
    """The person chooses anew at the next report. NotFound for nobody."""
    person = _held(session, person_key)
    person.pin_seal = person.pin_set_at = person.pin_locked_until = None
    person.pin_wrong = 0
    audit.record(
        session, actor=actor, action="pin_forgotten", thing=f"person:{person_key}", now=now
    )


def _held(session: Session, person_key: str) -> Person:
    person = session.get(Person, person_key, with_for_update=True)
    if person is None:
        raise NotFound("Orang ini tidak ada.")
    return person


def _seal(pin: str, person_key: str, secret: str) -> str:
    words = _PURPOSE + person_key.encode() + b"\0" + pin.encode("utf-8", "replace")
    return hmac.digest(secret.encode(), words, "sha256").hex()
