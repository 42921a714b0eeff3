"""The outbox: a notice is written in the transaction of what it tells about.

Its key names ticket, step and person, and is unique: writing the same notice a second time is
impossible, whoever tries. The workers hear of it after the commit; if they do not, the clock's
sweep finds it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from callcenter.domain.complaint import Urgency
from callcenter.domain.timekeeping import MOST_DRIFT
from callcenter.services import audit, links, phones
from callcenter.services.errors import NotFound, Refused
from callcenter.services.rules import Rules
from callcenter.services.wording import Words
from callcenter.store.bulk import write_rows
from callcenter.store.models import Complaint, Notice, NoticeAttempt, Person, Ticket
from callcenter.store.session import Letter, post_after_commit

#: A worker that has held a notice for so long is dead or stuck: another one may take it.
LEASE = timedelta(seconds=45)

#: A notice that only failed because providers were away is tried anew so often, and so long.
REVIVED_EVERY = timedelta(hours=1)
REVIVED_FOR = timedelta(hours=24)
_FRESH = {"state": "queued", "fence": 0, "tries": 0, "forgiven": 0, "error": ""}
#: The kind of the first notice to a complaint's reporter; it has no person.
RECEIPT = "receipt"
#: News of the work, to the same; without the PIN.
NEWS = "news"
#: What an operator writes, to the same (`services.correspondence`).
REPLY = "reply"
#: The kinds that go to a complaint's reporter.
TO_REPORTER = (RECEIPT, NEWS, REPLY)


@dataclass(frozen=True, slots=True)
class Telling:
    """Words of one kind about a ticket, for these people."""

    ticket: Ticket
    people: Sequence[Person]
    kind: str
    words: Words
    not_before: datetime | None = None
    again: str = ""

    def key(self, person: Person) -> str:
        """Names the one notice to this person; `again` tells a wanted repeat from it."""
        return f"ticket:{self.ticket.id}:{self.kind}:{person.key}{self.again}"


def write(
    session: Session,
    *,
    ticket: Ticket,
    people: Sequence[Person],
    kind: str,
    words: Words,
    now: datetime,
    rules: Rules,
    not_before: datetime | None = None,
    again: str = "",
) -> None:
    """One notice to each of these people, each with a signed link of their own."""
    write_all(
        session, [Telling(ticket, people, kind, words, not_before, again)], now=now, rules=rules
    )


def write_all(
    session: Session, tellings: Sequence[Telling], *, now: datetime, rules: Rules
) -> None:
    """One notice to each person of each telling; the caller holds the tickets.

    Whoever has the very notice already gets no second one. However many they are, the database is
    asked four times.
    """
    keys = [told.key(person) for told in tellings for person in told.people]
    had = set(session.scalars(select(Notice.key).where(Notice.key.in_(keys))))
    fresh = {
        told.key(person): (told, person)
        for told in tellings
        for person in told.people
        if told.key(person) not in had
    }
    pairs = [(told.ticket.id, person.key) for told, person in fresh.values()]
    made = links.links_for(session, pairs, now=now, lifetime=rules.link_lifetime) if pairs else {}
    _post(
        session,
        [
            {
                "key": key,
                "kind": told.kind,
                "ticket_id": told.ticket.id,
                "complaint_id": told.ticket.complaint_id,
                "person_key": person.key,
                "subject": told.words.subject[:200],
                "body": told.words.body,
                "link_id": made[told.ticket.id, person.key],
                "urgent": told.ticket.urgency is Urgency.EMERGENCY,
                "not_before": told.not_before or now,
                "created_at": now,
            }
            for key, (told, person) in fresh.items()
        ],
    )


def _post(session: Session, written: Sequence[dict[str, Any]]) -> None:
    """All of them in one statement, and to the workers after the commit."""
    if not written:
        return
    session.flush()
    write_rows(session, Notice, [{**_FRESH, **values} for values in written])
    keys = [values["key"] for values in written]
    made = select(Notice.id, Notice.urgent).where(Notice.key.in_(keys)).order_by(Notice.id)
    for notice_id, urgent in session.execute(made):
        post_after_commit(session, notice_id, urgent=urgent)


def to_reporter(
    session: Session, complaint: Complaint, words: Words, *, now: datetime, not_before: datetime
) -> None:
    """The receipt of a complaint to whoever reported it, once; the caller sees to that.

    Where it goes is looked up when it leaves: the reporter's number stands in the complaint alone.
    """
    _to_reporter(session, complaint, words, RECEIPT, RECEIPT, now=now, not_before=not_before)


def tell_reporter(
    session: Session, complaint: Complaint, words: Words, *, what: str, now: datetime, rules: Rules
) -> None:
    """News to whoever reported, by day; `what` is new for each. Nothing to who has no mobile."""
    if rules.tells_citizens and phones.mobile(complaint.reporter_phone):
        key, morning = f"{NEWS}:{what}", rules.night.ends(now)
        _to_reporter(session, complaint, words, NEWS, key, now=now, not_before=morning)


def reply_key(complaint_id: int, once: str) -> str:
    """Names the one notice that an operator's form wrote; `once` is the form's own."""
    return f"complaint:{complaint_id}:{REPLY}:{once}"


def reply(
    session: Session,
    complaint: Complaint,
    words: Words,
    *,
    once: str,
    actor: str,
    now: datetime,
    not_before: datetime,
) -> None:
    """What an operator writes to whoever reported; the caller sees to it that `once` is new."""
    what = f"{REPLY}:{once}"
    _to_reporter(
        session, complaint, words, REPLY, what, now=now, not_before=not_before, written_by=actor
    )


def _to_reporter(
    session: Session,
    complaint: Complaint,
    words: Words,
    kind: str,
    what: str,
    *,
    now: datetime,
    not_before: datetime,
    written_by: str | None = None,
) -> None:
    notice = Notice(
        key=f"complaint:{complaint.id}:{what}",
        kind=kind,
        complaint_id=complaint.id,
        subject=words.subject[:200],
        body=words.body,
        state="queued",
        not_before=not_before,
        created_at=now,
        written_by=written_by,
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
    _post(
        session,
        [
            {
                "key": f"{key}:{person.key}",
                "kind": kind,
                "person_key": person.key,
                "subject": words.subject[:200],
                "body": words.body,
                "urgent": True,
                "not_before": now,
                "created_at": now,
            }
            for person in people
        ],
    )


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
    """The condition under which a worker may claim a notice.

    What was written or claimed in the future was stamped by a clock that was wrong: waiting for
    that time to come would be forgetting.
    """
    future = now + MOST_DRIFT
    return or_(
        and_(
            Notice.state == "queued",
            or_(Notice.not_before <= now, Notice.created_at > future),
        ),
        and_(
            Notice.state == "sending",
            or_(Notice.claimed_at <= now - LEASE, Notice.claimed_at > future),
        ),
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
