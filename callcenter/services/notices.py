"""The outbox: a notice is written in the transaction of what it tells about.

Its key names ticket, step and person, and is unique: writing the same notice a second time is
impossible, whoever tries. The workers hear of it after the commit; if they do not, the clock's
sweep finds it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from callcenter.domain.complaint import Urgency
from callcenter.services import audit, links
from callcenter.services.errors import NotFound, Refused
from callcenter.services.rules import Rules
from callcenter.services.wording import Words
from callcenter.store.models import Complaint, Notice, NoticeAttempt, Person, Ticket
from callcenter.store.session import Letter, post_after_commit

#: A worker that has held a notice for so long is dead or stuck: another one may take it.
LEASE = timedelta(seconds=45)

#: A notice that only failed because providers were away is tried anew so often, and so long.
REVIVED_EVERY = timedelta(hours=1)
REVIVED_FOR = timedelta(hours=24)
#: The kind of a notice to a complaint's reporter; it has no person.
RECEIPT = "receipt"


def write(
    session: Session,
    *,
    ticket: Ticket,
    people: Iterable[Person],
    kind: str,
    words: Words,
    now: datetime,
    rules: Rules,
) -> None:
    """One notice to each of these people, each with a signed link of their own.

    Whoever has this very notice already gets no second one; the caller holds the ticket.
    """
    urgent = ticket.urgency is Urgency.EMERGENCY
    for person in people:
        key = f"ticket:{ticket.id}:{kind}:{person.key}"
        if session.scalar(select(Notice.id).where(Notice.key == key)) is not None:
            continue
        link = links.link_for(
            session,
            ticket_id=ticket.id,
            person_key=person.key,
            now=now,
            lifetime=rules.link_lifetime,
        )
        notice = Notice(
            key=key,
            kind=kind,
            ticket_id=ticket.id,
            complaint_id=ticket.complaint_id,
            person_key=person.key,
            subject=words.subject[:200],
            body=words.body,
            link_id=link.id,
            urgent=urgent,
            state="queued",
            not_before=now,
            created_at=now,
        )
        session.add(notice)
        session.flush()
        post_after_commit(session, notice.id, urgent=urgent)


def to_reporter(
    session: Session, complaint: Complaint, words: Words, *, now: datetime, not_before: datetime
) -> None:
    """The receipt of a complaint to whoever reported it, once; the caller sees to that.

    Where it goes is looked up when it leaves: the reporter's number stands in the complaint alone.
    """
    notice = Notice(
        key=f"complaint:{complaint.id}:{RECEIPT}",
        kind=RECEIPT,
        complaint_id=complaint.id,
        subject=words.subject[:200],
        body=words.body,
        state="queued",
        not_before=not_before,
        created_at=now,
    )
    session.add(notice)
    session.flush()
    if not_before <= now:
        post_after_commit(session, notice.id, urgent=False)


def to_office(
    session: Session, people: Iterable[Person], key: str, kind: str, words: Words, *, now: datetime
) -> None:
    """One urgent notice to each of these people about the hotline itself, without a link.

    The caller sees to it that `key` is new.
    """
    for person in people:
        notice = Notice(
            key=f"{key}:{person.key}",
            kind=kind,
            person_key=person.key,
            subject=words.subject[:200],
            body=words.body,
            urgent=True,
            state="queued",
            not_before=now,
            created_at=now,
        )
        session.add(notice)
        session.flush()
        post_after_commit(session, notice.id, urgent=True)


def due(session: Session, now: datetime, limit: int = 500) -> Sequence[Letter]:
    """What a worker should send now: never taken, put off until now, or held by a dead worker."""
    rows = (
        select(Notice.id, Notice.urgent)
        .where(is_due(now))
        .order_by(Notice.urgent.desc(), Notice.not_before, Notice.id)
        .limit(limit)
    )
    return [(notice_id, urgent) for notice_id, urgent in session.execute(rows)]


def is_due(now: datetime) -> ColumnElement[bool]:
    """The condition under which a worker may claim a notice."""
    return or_(
        and_(Notice.state == "queued", Notice.not_before <= now),
        and_(Notice.state == "sending", Notice.claimed_at <= now - LEASE),
    )


def resend(session: Session, notice_id: int, *, actor: str, now: datetime) -> None:
    """Try a dead notice once more, over every channel; only a dead one."""
    notice = session.get(Notice, notice_id)
    if notice is None:
        raise NotFound("Pesan ini tidak ada.")
    revived = session.execute(
        update(Notice)
        .where(Notice.id == notice_id, Notice.state == "dead")
        .values(state="queued", not_before=now, forgiven=len(notice.attempts), error="")
    )
    if revived.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused("state", "Hanya pesan yang gagal yang bisa dikirim ulang.")
    thing = f"notice:{notice_id}"
    audit.record(session, actor=actor, action="notice_resent", thing=thing, now=now)
    post_after_commit(session, notice_id, urgent=notice.urgent)


def revive_due(session: Session, now: datetime, limit: int = 100) -> int:
    """Try notices anew that died while every provider was away; how many.

    One that somebody refused for good stays dead: a person has to look at it.
    """
    last = (
        select(NoticeAttempt.notice_id, func.max(NoticeAttempt.id).label("attempt_id"))
        .group_by(NoticeAttempt.notice_id)
        .subquery()
    )
    dead = session.scalars(
        select(Notice)
        .join(last, last.c.notice_id == Notice.id)
        .join(NoticeAttempt, NoticeAttempt.id == last.c.attempt_id)
        .where(
            Notice.state == "dead",
            Notice.read_at.is_(None),
            Notice.created_at > now - REVIVED_FOR,
            NoticeAttempt.result.in_(("failed", "unsent", "looked")),
            NoticeAttempt.started_at <= now - REVIVED_EVERY,
        )
        .limit(limit)
        .with_for_update(of=Notice, skip_locked=True)
    ).all()
    for notice in dead:
        notice.state, notice.not_before, notice.forgiven = "queued", now, len(notice.attempts)
        post_after_commit(session, notice.id, urgent=notice.urgent)
    return len(dead)
