"""Signed links of officers: bound to one person and one ticket, expiring, revocable.

The token is only made when a message is sent; the database holds the link, not the token.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from callcenter.services.errors import NotFound
from callcenter.store.bulk import write_rows
from callcenter.store.models import OfficerLink
from ivr.flow import Clip

_SALT, _CLIP_SALT = "officer-link", "twilio-clip"
_WORDS = "Tautan ini tidak berlaku lagi."


class LinkSigner:
    """Link id <-> URL; the key is the installation's own."""

    def __init__(self, secret_key: str, public_url: str) -> None:
        self._serializer = URLSafeSerializer(secret_key, salt=_SALT)
        self._base = public_url.rstrip("/")

    def url(self, link_id: int) -> str:
        """The address that opens the link."""
        return f"{self._base}/p/{self.token(link_id)}"

    def token(self, link_id: int) -> str:
        """The signed token alone."""
        return str(self._serializer.dumps(link_id))

    def link_id(self, token: str) -> int:
        """The link behind a token; NotFound for anything that we did not sign."""
        try:
            value = self._serializer.loads(token)
        except (BadData, UnicodeEncodeError):
            raise NotFound(_WORDS) from None
        if type(value) is not int:
            raise NotFound(_WORDS)
        return value


class ClipSigner:
    """A clip of a call that goes on <-> the token in its address at Twilio."""

    def __init__(self, secret_key: str) -> None:
        self._serializer = URLSafeSerializer(secret_key, salt=_CLIP_SALT)

    def token(self, call_sid: str, clip: Clip) -> str:
        """The signed token."""
        return str(self._serializer.dumps([call_sid, clip.kind, clip.take]))

    def clip(self, token: str) -> tuple[str, Clip]:
        """The call and the clip behind a token; NotFound for anything that we did not sign."""
        try:
            call_sid, kind, take = self._serializer.loads(token)
        except (BadData, UnicodeEncodeError):
            raise NotFound(_WORDS) from None
        return call_sid, Clip(kind, take)


def link_for(
    session: Session, *, ticket_id: int, person_key: str, now: datetime, lifetime: timedelta
) -> OfficerLink:
    """The person's link to the ticket; see `links_for`."""
    pair = (ticket_id, person_key)
    ids = links_for(session, [pair], now=now, lifetime=lifetime)
    return session.get_one(OfficerLink, ids[pair], populate_existing=True)


def links_for(
    session: Session,
    pairs: Collection[tuple[int, str]],
    *,
    now: datetime,
    lifetime: timedelta,
) -> dict[tuple[int, str], int]:
    """Ids of links of (ticket, person), made when missing; from now on each works for `lifetime`.

    A message that goes out now must not carry a link that dies tomorrow. A revoked link stays
    revoked. However many they are, the database is asked four times.
    """
    ends = now + lifetime
    there = _links_of(session, pairs)
    ids = {pair: there[pair][0] for pair in pairs if pair in there}
    short = [ids[pair] for pair in ids if there[pair][1] < ends]
    if short:
        session.execute(
            update(OfficerLink)
            .where(OfficerLink.id.in_(short))
            .values(expires_at=ends)
            .execution_options(synchronize_session=False)
        )
    missing = [pair for pair in dict.fromkeys(pairs) if pair not in there]
    if missing:
        write_rows(
            session,
            OfficerLink,
            [
                {"ticket_id": ticket, "person_key": person, "created_at": now, "expires_at": ends}
                for ticket, person in missing
            ],
        )
        made = _links_of(session, missing)
        ids |= {pair: made[pair][0] for pair in missing}
    return ids


def _links_of(
    session: Session, pairs: Collection[tuple[int, str]]
) -> dict[tuple[int, str], tuple[int, datetime]]:
    """(ticket, person) -> id and end, of those that there are."""
    found = select(
        OfficerLink.ticket_id, OfficerLink.person_key, OfficerLink.id, OfficerLink.expires_at
    ).where(
        OfficerLink.ticket_id.in_({ticket_id for ticket_id, _ in pairs}),
        OfficerLink.person_key.in_({person_key for _, person_key in pairs}),
    )
    return {(t, person): (link_id, end) for t, person, link_id, end in session.execute(found)}


def open_link(session: Session, link_id: int, now: datetime) -> OfficerLink:
    """The link when it is valid in [created, expires); the same NotFound for everything else."""
    link = session.get(OfficerLink, link_id)
    if link is None or link.revoked_at is not None or link.expires_at <= now:
        raise NotFound(_WORDS)
    return link


def revoke(session: Session, link_id: int, now: datetime) -> None:
    """From now on the link opens nothing."""
    link = session.get(OfficerLink, link_id)
    if link is not None and link.revoked_at is None:
        link.revoked_at = now
