"""Who is meant by a post of the ladder, for one ticket, at this moment; where they are reached."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.people import AGENCY_POSTS, Post, mask_phone
from callcenter.services import phones
from callcenter.store.models import Complaint, Notice, Person, Ticket


def people_for(session: Session, ticket: Ticket, posts: Iterable[Post]) -> list[Person]:
    """The active people behind these posts, each once.

    Where an agency has nobody at a post, its head is meant, and without a head the coordinator,
    then the supervisor, then whoever holds an office of the regency: a step never goes to nobody.
    """
    found: dict[str, Person] = {}
    for post in posts:
        for person in _holders(session, ticket, post) or _instead(session, ticket):
            found.setdefault(person.key, person)
    return list(found.values())


def _holders(session: Session, ticket: Ticket, post: Post) -> Sequence[Person]:
    if post not in AGENCY_POSTS:
        return _office(session, post)
    if post in (Post.SECRETARY, Post.HEAD):
        return _at(session, ticket.agency_key, post.value)
    officers = _at(session, ticket.agency_key, "officer")
    if post is Post.TEAM:
        return officers
    if post is Post.NEXT:
        told = _told(session, ticket)
        officers = [p for p in officers if p.key not in told]
    return officers[:1]


def _instead(session: Session, ticket: Ticket) -> Sequence[Person]:
    return (
        _at(session, ticket.agency_key, Post.HEAD.value)
        or _office(session, Post.COORDINATOR)
        or _office(session, Post.SUPERVISOR)
        or _offices(session)
    )


def _at(session: Session, agency_key: str, post: str) -> Sequence[Person]:
    return session.scalars(
        select(Person)
        .where(Person.agency_key == agency_key, Person.post == post, Person.active)
        .order_by(Person.duty_order, Person.key)
    ).all()


def _office(session: Session, post: Post) -> Sequence[Person]:
    return session.scalars(
        select(Person)
        .where(Person.agency_key.is_(None), Person.post == post.value, Person.active)
        .order_by(Person.key)
    ).all()


def _offices(session: Session) -> Sequence[Person]:
    return session.scalars(
        select(Person).where(Person.agency_key.is_(None), Person.active).order_by(Person.key)
    ).all()


def responsible(session: Session) -> Sequence[Person]:
    """Who answers for the hotline itself; whoever holds an office where nobody does."""
    known = [*_office(session, Post.COORDINATOR), *_office(session, Post.SUPERVISOR)]
    return known or _offices(session)


def _told(session: Session, ticket: Ticket) -> set[str | None]:
    """Who has had a notice about this ticket already."""
    return set(session.scalars(select(Notice.person_key).where(Notice.ticket_id == ticket.id)))


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
        "email": person.email,
        "screen": person.name,
    }
