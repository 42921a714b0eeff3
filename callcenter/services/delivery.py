"""From the outbox to a person: claim, write the attempt down, send, write the result down.

At least once to the provider's door, and once to the person: a claim is a conditional UPDATE
with a fence that grows, so a stale worker's result is refused; an attempt whose answer was lost
is looked up at the provider before anything is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import or_, select, true, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from callcenter.gateways.channel import (
    Anothers,
    Arrival,
    Channel,
    Enclosure,
    Outgoing,
    Receipt,
    TransportError,
    nobodys,
)
from callcenter.services import reports
from callcenter.services.batch import named
from callcenter.services.links import LinkSigner
from callcenter.services.notices import RECEIPT, TO_REPORTER, is_due
from callcenter.services.recipients import in_order, reach_of
from callcenter.services.rules import Rules
from callcenter.store.models import Base, Complaint, Notice, NoticeAttempt
from callcenter.store.session import Store, post_after_commit

log = logging.getLogger("aduan24.delivery")

#: After so many tries on one channel without success the next channel is tried.
TRIES_PER_CHANNEL = 5
_PAUSES = tuple(timedelta(seconds=s) for s in (5, 20, 60, 300))
#: After the sending, the provider is asked so often whether the message arrived, then no more. A
#: telephone may be off for days, and a report that is not known to have arrived keeps its ticket
#: open.
_QUESTIONS = (
    *(timedelta(seconds=s) for s in (5, 15, 60, 300, 1800, 7200, 43200)),
    *(timedelta(days=d) for d in (1, 2, 4, 7, 14)),
)
_ATTEMPTS = Base.metadata.tables[NoticeAttempt.__tablename__]
#: Channels that carry files, and those whose provider says when a message was read.
_CARRY_FILES = frozenset({"email"})
_TELL_READING = frozenset({"whatsapp"})


class Clock(Protocol):
    """Tells the present moment, aware UTC: a delivery takes time, so one `now` is not enough."""

    def __call__(self) -> datetime:
        """The present moment."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A notice in this worker's hands.

    `doubtful_since`: an earlier attempt may have arrived, look first. `only_look`: this way is
    used up; when nothing is found, the next way is tried. `report_of`: the ticket whose report
    goes along as a file. `first`: nobody tried before. `plain`: nothing follows from its arrival.
    """

    notice_id: int
    fence: int
    attempt_id: int
    channel: str
    message: Outgoing
    first: bool = False
    plain: bool = False
    doubtful_since: datetime | None = None
    only_look: bool = False
    report_of: int | None = None


#: The handling report of a ticket, as a file.
Paper = Callable[[Session, int], Enclosure]


def _no_pin(_number: str) -> str:
    return "-"


@dataclass(frozen=True, slots=True)
class Carriers:
    """The configured channels by name, in their order, who signs the links, who knows the PINs,
    and who makes the paper that goes along with a report (None: nobody)."""

    channels: Mapping[str, Channel]
    links: LinkSigner
    pin_of: Callable[[str], str] = _no_pin
    paper: Paper | None = None

    @classmethod
    def of(
        cls,
        channels: Iterable[Channel],
        links: LinkSigner,
        pin_of: Callable[[str], str] = _no_pin,
        paper: Paper | None = None,
    ) -> Carriers:
        """From a sequence of channels."""
        return cls({channel.name: channel for channel in channels}, links, pin_of, paper)


def deliver(
    store: Store, notice_id: int, carriers: Carriers, *, clock: Clock, rules: Rules
) -> bool:
    """Send one notice if it is due and nobody else has it; whether this call did something.

    Running it twice is harmless: the second claim finds nothing to claim.
    """
    with store.write() as session:
        claim = claim_notice(session, notice_id, carriers, now=clock())
    if claim is None:
        return False
    claim = _with_paper(store, claim, carriers)
    result = attempt(claim, carriers.channels[claim.channel], _anothers(store, claim))
    with store.write() as session:
        settle(session, claim, result, now=clock(), rules=rules)
    return True


def _with_paper(store: Store, claim: Claim, carriers: Carriers) -> Claim:
    """The claim with the report beside its message; outside of any write, for it takes a moment.

    A paper that cannot be made holds nothing up: the link in the message opens the report.
    """
    if claim.report_of is None or carriers.paper is None:
        return claim
    try:
        with store.read() as session:
            paper = carriers.paper(session, claim.report_of)
    except OperationalError:
        raise  # the database is away: the notice is taken up again when its lease ends
    except Exception as error:  # a picture that is gone from the disk, a fault of the typesetter
        log.error("a report went without its paper: %s", named(error))
        return claim
    return replace(claim, message=replace(claim.message, files=(paper,)))


# ---------------------------------------------------------------- claim


def claim_notice(
    session: Session, notice_id: int, carriers: Carriers, *, now: datetime
) -> Claim | None:
    """Take the notice, if it is due, and write down the attempt that is about to be made."""
    taken = session.execute(
        update(Notice)
        .where(Notice.id == notice_id, is_due(now))
        .values(state="sending", claimed_at=now, fence=Notice.fence + 1, tries=Notice.tries + 1)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    notice = _read(session, notice_id)
    attempts = notice.attempts[notice.forgiven :]
    doubts = [a for a in notice.attempts if not a.result]  # a resend forgives tries, not doubts
    reporter = _reporter(session, notice)
    reach = reach_of(session, notice, reporter, now, doubted=[a.channel for a in doubts])
    ways = in_order(carriers.channels, reporter)
    address = _address(reach, ways, attempts, doubts)
    if address is None:
        _give_up(notice)
        return None
    channel, to = address
    # The oldest: a worker that died while it looked sent nothing, the one before it may have.
    doubtful = next((a for a in doubts if a.channel == channel), None)
    return Claim(
        notice.id,
        notice.fence,
        _begun(session, notice, channel, now),
        channel,
        _message(notice, to, carriers, reporter),
        first=not notice.attempts,
        plain=notice.kind != reports.KIND,
        doubtful_since=doubtful.started_at if doubtful else None,
        only_look=doubtful is not None and _used_up(channel, attempts, doubts=True),
        report_of=notice.ticket_id if _carries_paper(notice, channel) else None,
    )


def _begun(session: Session, notice: Notice, channel: str, now: datetime) -> int:
    """The id of the attempt, which is written down before it is made."""
    row = {"notice_id": notice.id, "fence": notice.fence, "channel": channel, "started_at": now}
    made = _ATTEMPTS.insert().values(result="", error="", **row).returning(_ATTEMPTS.c.id)
    return int(session.connection().scalar(made) or 0)


def _read(session: Session, notice_id: int) -> Notice:
    """The notice with whom it goes to; at the first claim there is no attempt to be asked for."""
    found = select(Notice).where(Notice.id == notice_id).options(joinedload(Notice.person))
    notice = session.scalars(found).one()
    if notice.fence == 1:
        set_committed_value(notice, "attempts", [])
    return notice


def _carries_paper(notice: Notice, channel: str) -> bool:
    return notice.kind == reports.KIND and channel in _CARRY_FILES


def _reporter(session: Session, notice: Notice) -> Complaint | None:
    """The complaint whose reporter a receipt, news or a reply goes to."""
    if notice.kind not in TO_REPORTER or notice.complaint_id is None:
        return None
    return session.get(Complaint, notice.complaint_id)


def _address(
    reach: Mapping[str, str | None],
    channels: Iterable[str],
    attempts: Sequence[NoticeAttempt],
    doubts: Sequence[NoticeAttempt],
) -> tuple[str, str] | None:
    """Channel and address to try now; None when every way is used up.

    An attempt whose answer was lost is settled on its own channel before another is tried.
    """
    ways = [(name, to) for name in channels if (to := reach.get(name))]
    in_doubt = {attempt.channel for attempt in doubts}
    fresh = (way for way in ways if not _used_up(way[0], attempts))
    return next((way for way in ways if way[0] in in_doubt), next(fresh, None))


def _used_up(channel: str, attempts: Sequence[NoticeAttempt], *, doubts: bool = False) -> bool:
    """Whether the way has had its tries; with `doubts` the unanswered ones count too."""
    vain = ("failed", "unsent", "") if doubts else ("failed", "unsent")
    own = [attempt.result for attempt in attempts if attempt.channel == channel]
    return "refused" in own or sum(result in vain for result in own) >= TRIES_PER_CHANNEL


def _message(notice: Notice, to: str, carriers: Carriers, reporter: Complaint | None) -> Outgoing:
    """Links and PINs are only made now: the database holds neither."""
    text = notice.body
    if notice.link_id is not None:
        text = f"{text}\n{carriers.links.url(notice.link_id)}"
    if reporter is not None and notice.kind == RECEIPT:
        text = f"{text}\nPIN: {carriers.pin_of(reporter.public_number)}"
    name = notice.person.name if notice.person else "Pelapor" if reporter else ""
    return Outgoing(notice.key, to, name, notice.subject, text)


def _give_up(notice: Notice) -> None:
    notice.state, notice.claimed_at = "dead", None
    notice.error = notice.error or "no channel reaches this person"


# ---------------------------------------------------------------- send


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt. `certain`: what became of the earlier ones is known too; `found`:
    an earlier one had handed the message over."""

    said: Receipt | TransportError
    certain: bool = True
    found: bool = False


def attempt(claim: Claim, channel: Channel, anothers: Anothers = nobodys) -> Result:
    """Hand the message over, unless an earlier attempt turns out to have done so."""
    if claim.doubtful_since is not None:
        try:
            found = channel.find(claim.message, claim.doubtful_since, anothers)
        except Exception as error:  # whatever goes wrong in there, the notice is put back
            return Result(_understood(error), certain=False)
        if found is not None:
            return Result(found, found=True)
        if claim.only_look:
            return Result(TransportError("no answer came, and nothing was taken"))
    try:
        return Result(channel.send(claim.message))
    except Exception as error:
        return Result(_understood(error))


def _understood(error: Exception) -> TransportError:
    """A fault that no channel foresees leaves us in doubt; its text may quote the message."""
    if isinstance(error, TransportError):
        return error
    log.error("a channel broke: %s", named(error))
    return TransportError(f"the channel broke: {type(error).__name__}", ambiguous=True)


def _anothers(store: Store, claim: Claim) -> Anothers:
    def is_anothers(provider_id: str) -> bool:
        with store.read() as session:
            return _is_anothers(session, claim, provider_id)

    return is_anothers


def _is_anothers(session: Session, claim: Claim, provider_id: str) -> bool:
    held = select(Notice.id).where(
        Notice.provider_id == provider_id[:80],
        Notice.channel == claim.channel,
        Notice.id != claim.notice_id,
    )
    return session.scalar(held.limit(1)) is not None


# ---------------------------------------------------------------- settle


def settle(session: Session, claim: Claim, result: Result, *, now: datetime, rules: Rules) -> bool:
    """Write the result down; False when another worker has taken the notice meanwhile."""
    if _sent_at_once(session, claim, result.said, now):
        return True
    notice = _held(session, claim)
    written = session.get_one(NoticeAttempt, claim.attempt_id)
    written.finished_at = now
    result = _still_ours(session, claim, result)
    said = result.said
    if notice is not None and result.certain and not claim.first:
        _close_doubts(session, written, all_of_them=not isinstance(said, TransportError))
    if isinstance(said, TransportError):
        _failed(notice, written, result, said, now)
    elif notice is not None:
        written.result = "sent"
        _sent(session, notice, claim.channel, said, now=now, rules=rules)
    else:
        written.result = _sent_too_late(session, claim)
    return notice is not None


def _sent_at_once(
    session: Session, claim: Claim, said: Receipt | TransportError, now: datetime
) -> bool:
    """The ordinary case in two statements: the first attempt, taken, and nothing follows.

    What is written is what `_sent` and `arrived` write. False, and nothing done, in every other
    case, and when another worker has taken the notice.
    """
    if not (claim.first and claim.plain) or isinstance(said, TransportError):
        return False
    if said.arrival not in (Arrival.SENT, Arrival.DELIVERED):
        return False
    there = said.arrival is Arrival.DELIVERED
    sent = session.execute(
        update(Notice)
        .where(Notice.id == claim.notice_id, Notice.fence == claim.fence, Notice.state == "sending")
        .values(
            state="delivered" if there else "sent",
            claimed_at=None,
            error="",
            channel=claim.channel,
            provider_id=said.provider_id[:80],
            sent_at=now,
            ask_at=None if there else now + _QUESTIONS[0],
            delivered_at=now if there else None,
        )
        .execution_options(synchronize_session=False)
    )
    if sent.rowcount != 1:  # type: ignore[attr-defined]
        return False
    session.execute(
        update(NoticeAttempt)
        .where(NoticeAttempt.id == claim.attempt_id)
        .values(finished_at=now, result="sent")
        .execution_options(synchronize_session=False)
    )
    return True


def _still_ours(session: Session, claim: Claim, result: Result) -> Result:
    """Of two notices with one text that found one message, the second looks again."""
    said = result.said
    if not result.found or not isinstance(said, Receipt):
        return result
    if not _is_anothers(session, claim, said.provider_id):
        return result
    return Result(TransportError("what was found is another notice's"), certain=False)


def _sent_too_late(session: Session, claim: Claim) -> str:
    """What a refused worker leaves behind: a doubt, so that whoever sends next looks first."""
    state = session.scalar(select(Notice.state).where(Notice.id == claim.notice_id))
    return "sent" if state in ("sent", "delivered") else ""


def _failed(
    notice: Notice | None,
    written: NoticeAttempt,
    result: Result,
    error: TransportError,
    now: datetime,
) -> None:
    written.error = str(error)[:300]
    if not result.certain:
        written.result = "looked"  # and saw nothing; the doubt about the earlier one stays
    elif not error.ambiguous:
        written.result = "refused" if error.permanent else "failed"
    if notice is not None:
        _try_again(notice, written.channel, error, now, certain=result.certain)


def _sent(
    session: Session,
    notice: Notice,
    channel: str,
    receipt: Receipt,
    *,
    now: datetime,
    rules: Rules,
) -> None:
    notice.state, notice.claimed_at, notice.error = "sent", None, ""
    notice.channel, notice.provider_id = channel, receipt.provider_id[:80]
    notice.sent_at, notice.ask_at = now, now + _QUESTIONS[0]
    arrived(session, notice, receipt.arrival, now=now, rules=rules)


def _held(session: Session, claim: Claim) -> Notice | None:
    return session.scalar(
        select(Notice)
        .where(Notice.id == claim.notice_id, Notice.fence == claim.fence, Notice.state == "sending")
        .with_for_update(of=Notice)
    )


def _close_doubts(session: Session, written: NoticeAttempt, *, all_of_them: bool) -> None:
    """Earlier attempts of this way are settled: they sent nothing, or what was found now.

    One that came back after this attempt looked stays in doubt, unless this one was sent.
    """
    own = NoticeAttempt.finished_at
    known = or_(own.is_(None), own <= written.started_at)
    session.execute(
        update(NoticeAttempt)
        .where(
            NoticeAttempt.notice_id == written.notice_id,
            NoticeAttempt.id < written.id,
            NoticeAttempt.channel == written.channel,
            NoticeAttempt.result == "",
            true() if all_of_them else known,
        )
        .values(result="unsent")
        .execution_options(synchronize_session="fetch")
    )


def _try_again(
    notice: Notice, channel: str, error: TransportError, now: datetime, *, certain: bool
) -> None:
    """Back into the outbox; the pause grows with the tries of this way, and ends with them."""
    attempts = notice.attempts[notice.forgiven :]
    over = certain and (error.permanent or _used_up(channel, attempts))
    tries = sum(attempt.channel == channel for attempt in attempts)
    pause = timedelta(0) if over else _PAUSES[min(tries, len(_PAUSES)) - 1]
    notice.state, notice.claimed_at, notice.not_before = "queued", None, now + pause
    notice.error = str(error)[:300]


def arrived(
    session: Session, notice: Notice, arrival: Arrival, *, now: datetime, rules: Rules
) -> None:
    """What the provider knows of a sent notice. Reports may come late, repeated, in any order."""
    if notice.state not in ("sent", "delivered"):
        return
    if arrival is Arrival.READ:
        notice.read_at = notice.read_at or now
    if arrival in (Arrival.DELIVERED, Arrival.READ):
        _delivered(session, notice, now=now, rules=rules)
    elif arrival is Arrival.FAILED and notice.delivered_at is None:
        last = notice.attempts[-1]
        last.result, last.error = "refused", "not delivered"
        notice.state, notice.ask_at, notice.not_before = "queued", None, now
        notice.error = "not delivered"
        post_after_commit(session, notice.id, urgent=notice.urgent)


def _delivered(session: Session, notice: Notice, *, now: datetime, rules: Rules) -> None:
    """A report is asked for further, until it was read or the questions end."""
    first = notice.delivered_at is None
    notice.state, notice.delivered_at = "delivered", notice.delivered_at or now
    if notice.read_at is not None or not _is_asked_further(notice):
        notice.ask_at = None
    if first:
        reports.notice_arrived(session, notice, now=now, rules=rules)


def _is_asked_further(notice: Notice) -> bool:
    return notice.kind == reports.KIND and notice.channel in _TELL_READING


# ---------------------------------------------------------------- ask


def ask(store: Store, notice_id: int, carriers: Carriers, *, clock: Clock, rules: Rules) -> bool:
    """Ask the provider whether a sent notice arrived; whether there was something to ask.

    Running it twice is harmless: what is known already is not written again.
    """
    now = clock()
    with store.write() as session:
        notice = session.get(Notice, notice_id, with_for_update={"of": Notice})
        if notice is None or not _may_be_asked(notice, now):
            return False
        notice.ask_at = _next_question(notice, now)
        name, provider_id = notice.channel or "", notice.provider_id or ""
    channel = carriers.channels.get(name)
    if channel is None:
        return False
    try:
        receipt = channel.arrival(provider_id)
    except TransportError:
        return True  # asked again at the next time
    with store.write() as session:
        notice = session.get_one(Notice, notice_id, with_for_update={"of": Notice})
        if notice.provider_id == provider_id:
            arrived(session, notice, receipt.arrival, now=clock(), rules=rules)
    return True


def _may_be_asked(notice: Notice, now: datetime) -> bool:
    """Whether an answer is still missing, and the time for the question has come."""
    due = notice.ask_at is not None and notice.ask_at <= now
    return due and notice.state in ("sent", "delivered")


def _next_question(notice: Notice, now: datetime) -> datetime | None:
    """The first of the planned moments after the sending that is still to come."""
    planned = (notice.sent_at + pause for pause in _QUESTIONS) if notice.sent_at else ()
    return next((moment for moment in planned if moment > now), None)


def questions_due(session: Session, now: datetime, limit: int = 200) -> Sequence[int]:
    """Sent notices whose provider should be asked now."""
    return session.scalars(
        select(Notice.id)
        .where(Notice.state.in_(("sent", "delivered")), Notice.ask_at <= now)
        .order_by(Notice.ask_at)
        .limit(limit)
    ).all()
