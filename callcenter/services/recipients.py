"""Who is meant by a post of the ladder, for one ticket, at this moment; where they are reached."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cached_property

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from callcenter.domain.correspondence import session_open
from callcenter.domain.people import AGENCY_POSTS, Post, mask_phone
from callcenter.services import phones, roster
from callcenter.services.notices import REPLY
from callcenter.services.rules import Rules
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.models import Complaint, Notice, Person, Ticket


def people_for(
    session: Session, ticket: Ticket, posts: Iterable[Post], *, now: datetime, rules: Rules
) -> list[Person]:
    """The active people behind these posts of the ladder, each once; see `Directory`."""
    return Directory(session, [ticket], now=now, rules=rules).people_for(ticket, posts)


def responsible(session: Session) -> list[Person]:
    """Who answers for the hotline itself; whoever holds an office where nobody does."""
    offices = sorted(_active(session, ()), key=lambda person: person.key)
    wanted = (Post.COORDINATOR.value, Post.SUPERVISOR.value)
    return [p for post in wanted for p in offices if p.post == post] or offices


class Directory:
    """The active people who matter for some tickets, and who of them was told; asked once.

    A step never goes to nobody: where an agency has nobody at a post, its head is meant, and
    without a head the coordinator, then the supervisor, then whoever holds an office.
    """

    def __init__(
        self, session: Session, tickets: Sequence[Ticket], *, now: datetime, rules: Rules
    ) -> None:
        self._people: dict[tuple[str | None, str], list[Person]] = defaultdict(list)
        agencies = {ticket.agency_key for ticket in tickets}
        for person in _active(session, agencies):
            self._people[person.agency_key, person.post].append(person)
        self._on_duty = roster.on_duty(session, agencies, now, rules)
        self._session, self._tickets = session, tickets
        self._since: dict[int, set[str]] = defaultdict(set)

    def people_for(self, ticket: Ticket, posts: Iterable[Post]) -> list[Person]:
        """The people behind these posts for this ticket, each once."""
        found: dict[str, Person] = {}
        for post in posts:
            for person in self._holders(ticket, post) or self._instead(ticket.agency_key):
                found.setdefault(person.key, person)
        return list(found.values())

    def tell(self, ticket: Ticket, people: Iterable[Person]) -> None:
        """From now on these count as told about the ticket."""
        self._since[ticket.id].update(person.key for person in people)

    @cached_property
    def _before(self) -> dict[int, set[str | None]]:
        """Who was told before; few steps ask."""
        return _told(self._session, [ticket.id for ticket in self._tickets])

    def _holders(self, ticket: Ticket, post: Post) -> list[Person]:
        if post not in AGENCY_POSTS:
            return self._office(post)
        if post in (Post.SECRETARY, Post.HEAD):
            return self._people[ticket.agency_key, post.value]
        officers = self._people[ticket.agency_key, "officer"]
        if post is Post.TEAM:
            return officers
        first = self._of_duty(ticket.agency_key, officers)
        if post is Post.DUTY:
            return first[:1]
        rest = [p for p in officers if p not in first]  # off duty, but better than their head
        told = self._before[ticket.id] | self._since[ticket.id]
        return [p for p in (*first, *rest) if p.key not in told][:1]

    def _of_duty(self, agency_key: str, officers: list[Person]) -> list[Person]:
        """Those on duty, in the order of the plan; all of them where there is none."""
        planned = self._on_duty.get(agency_key)
        if planned is None:
            return officers
        known = {person.key: person for person in officers}
        return [known[key] for key in planned if key in known]

    def _instead(self, agency_key: str) -> list[Person]:
        return (
            self._people[agency_key, Post.HEAD.value]
            or self._office(Post.COORDINATOR)
            or self._office(Post.SUPERVISOR)
            or self._offices()
        )

    def _office(self, post: Post) -> list[Person]:
        return self._people[None, post.value]

    def _offices(self) -> list[Person]:
        held = (people for (agency, _), people in self._people.items() if agency is None)
        return sorted((p for people in held for p in people), key=lambda person: person.key)


def _active(session: Session, agency_keys: Collection[str]) -> Sequence[Person]:
    mine = or_(Person.agency_key.is_(None), Person.agency_key.in_(agency_keys))
    return session.scalars(
        select(Person).where(Person.active, mine).order_by(Person.duty_order, Person.key)
    ).all()


def _told(session: Session, ticket_ids: Collection[int]) -> dict[int, set[str | None]]:
    """Who has had a notice about each of these tickets already."""
    told: dict[int, set[str | None]] = defaultdict(set)
    rows = select(Notice.ticket_id, Notice.person_key).where(Notice.ticket_id.in_(ticket_ids))
    for ticket_id, person_key in session.execute(rows):
        told[ticket_id or 0].add(person_key)
    return told


def addresses(person: Person | None, reporter: Complaint | None) -> dict[str, str | None]:
    """Where this person, or a reporter, is reached by each channel. A reporter only by messages
    to an Indonesian mobile, and never by e-mail."""
    if reporter is not None:
        mobile = phones.mobile(reporter.reporter_phone)
        shown = mask_phone(mobile) if mobile else None
        return {"whatsapp": mobile, "sms": mobile, "screen": shown}
    if person is None or not person.active:
        return {}
    return {
        "whatsapp": person.whatsapp,
        "sms": person.phone,
        "call": person.phone or person.whatsapp if person.post == "officer" else None,
        "email": person.email,
        "screen": person.name,
    }


def reach_of(
    session: Session,
    notice: Notice,
    reporter: Complaint | None,
    now: datetime,
    *,
    doubted: Collection[str] = (),
) -> dict[str, str | None]:
    """Where a notice may go now, by channel.

    An operator's free words go by WhatsApp only while the citizen's session is open there; an
    attempt whose answer was lost (`doubted`) is settled on its own channel all the same.
    """
    reach = addresses(notice.person, reporter)
    if notice.kind == REPLY and "whatsapp" not in doubted:
        mobile = reach.get("whatsapp")
        if not session_open(last_written(session, mobile, "whatsapp"), now):
            reach["whatsapp"] = None
    return reach


def in_order(channels: Iterable[str], reporter: Complaint | None) -> list[str]:
    """The ways in the order in which they are tried: first the one by which the citizen came."""
    own = reporter.channel if reporter else None
    return sorted(channels, key=lambda name: name != own)


def last_written(session: Session, mobile: str | None, channel: str = "") -> datetime | None:
    """When this number last wrote to us (by `channel`); None: never."""
    if not mobile:
        return None
    wrote = select(func.max(InboundMessage.received_at)).where(InboundMessage.sender == mobile)
    if channel:
        wrote = wrote.where(InboundMessage.channel == channel)
    return session.scalar(wrote)
