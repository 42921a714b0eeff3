"""Named queries of the screens: read-only, short, ordered by an index where lists can grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, contains_eager, joinedload, selectinload

from callcenter.domain.call_back import Reason
from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.domain.ticket import TicketState
from callcenter.store.desk_models import DeskClaim
from callcenter.store.inbound_models import InboundMessage
from callcenter.store.line_models import (
    Alarm,
    CallBack,
    CallBackRequest,
    CallBackTry,
    CallerFlag,
    LineSwitch,
)
from callcenter.store.models import (
    Audit,
    Call,
    Complaint,
    Escalation,
    HandlingReport,
    Heartbeat,
    History,
    Notice,
    NoticeAttempt,
    Person,
    Recording,
    Ticket,
)
from callcenter.store.operator_models import OperatorEvent
from callcenter.store.outgoing_models import OutCall

PAGE = 50
_COUNT_CAP = 999

_UNWORKED = (
    ComplaintState.RECEIVED,
    ComplaintState.TRANSCRIBED,
    ComplaintState.CATEGORISED,
    ComplaintState.REOPENED,
)
_ASKABLE = (ComplaintState.ANSWERED,)
_OPEN_TICKETS = (TicketState.DISPATCHED, TicketState.ACCEPTED)
_AFTER_ANSWER = (
    TicketState.RESPONDED,
    TicketState.WAITING,
    TicketState.IN_PROGRESS,
    TicketState.HANDLED,
)
_DONE_TICKETS = (TicketState.REPORTED, TicketState.CLOSED, TicketState.RETURNED)


def inbox_filter(tab: str) -> ColumnElement[bool]:
    """Which complaints a tab of the inbox lists."""
    proposed = Complaint.reject_proposed_by.is_not(None)
    if tab == "proposed":
        return and_(Complaint.state.in_(_UNWORKED), proposed)
    if tab == "running":
        return Complaint.state == ComplaintState.DISPATCHED
    if tab == "ask":
        return Complaint.state.in_(_ASKABLE)
    return or_(
        and_(Complaint.state.in_(_UNWORKED), ~proposed),
        and_(Complaint.state == ComplaintState.DISPATCHED, Complaint.returned_at.is_not(None)),
    )


#: Tabs of the inbox that list complaints; silent calls are a tab of their own.
INBOX_TABS = ("new", "proposed", "running", "ask")


def inbox_order() -> tuple[ColumnElement[Any], ...]:
    """Emergencies, then what agencies sent back, then the oldest first."""
    emergency_first = (Complaint.urgency == Urgency.EMERGENCY).desc()
    returned_first = Complaint.returned_at.is_not(None).desc()
    return (emergency_first, returned_first, Complaint.received_at.asc(), Complaint.id.asc())


def inbox(session: Session, tab: str) -> Sequence[Complaint]:
    """Complaints of a tab, in the inbox's order."""
    return session.scalars(
        select(Complaint)
        .where(inbox_filter(tab))
        .options(
            joinedload(Complaint.call).selectinload(Call.recordings),
            selectinload(Complaint.tickets),
        )
        .order_by(*inbox_order())
        .limit(PAGE)
    ).all()


def inbox_counts(session: Session) -> dict[str, int]:
    """How many wait in each tab, counted up to a cap: a badge needs no exact million."""
    counts = {
        tab: capped(session, select(Complaint.id).where(inbox_filter(tab))) for tab in INBOX_TABS
    }
    counts["messages"] = capped(session, waiting_messages())
    counts["silent"] = capped(session, select(Call.id).where(Call.silent))
    return counts


def waiting_messages() -> Select[int]:
    """Ids of citizens' messages that wait for an operator."""
    return select(InboundMessage.id).where(
        InboundMessage.result == "stranger", InboundMessage.settled_at.is_(None)
    )


def capped(session: Session, rows: Select[int]) -> int:
    """How many rows, counted up to a cap."""
    some = rows.limit(_COUNT_CAP).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def calls(
    session: Session, *, silent: bool | None = None, before: int | None = None
) -> Sequence[Call]:
    """Calls, newest first, a page at a time: `before` is the last id of the page above."""
    rows = select(Call).options(joinedload(Call.complaint), selectinload(Call.recordings))
    if silent is not None:
        rows = rows.where(Call.silent.is_(silent))
    if before is not None:
        rows = rows.where(Call.id < before)
    return session.scalars(rows.order_by(Call.id.desc()).limit(PAGE)).all()


def call(session: Session, call_id: int) -> Call | None:
    """One call with its recordings."""
    return session.get(Call, call_id)


#: Tabs of the ticket list: waiting for an answer, answered but not yet reported, ended.
TICKET_TABS = {"unanswered": _OPEN_TICKETS, "answered": _AFTER_ANSWER, "done": _DONE_TICKETS}


def tickets(
    session: Session, *, tab: str, agency_key: str | None = None, before: int | None = None
) -> Sequence[Ticket]:
    """Tickets of a tab by remaining time; ended ones newest first, a page at a time."""
    rows = select(Ticket).where(Ticket.state.in_(TICKET_TABS[tab]))
    rows = rows.options(joinedload(Ticket.complaint), joinedload(Ticket.agency))
    if agency_key is not None:
        rows = rows.where(Ticket.agency_key == agency_key)
    if tab == "done":
        if before is not None:
            rows = rows.where(Ticket.id < before)
        return session.scalars(rows.order_by(Ticket.id.desc()).limit(PAGE)).all()
    return session.scalars(rows.order_by(Ticket.due_at, Ticket.id).limit(4 * PAGE)).all()


def ticket_counts(session: Session, agency_key: str | None = None) -> dict[str, int]:
    """How many tickets each tab holds, counted up to a cap."""
    counts = {}
    for tab, states in TICKET_TABS.items():
        rows = select(Ticket.id).where(Ticket.state.in_(states))
        if agency_key is not None:
            rows = rows.where(Ticket.agency_key == agency_key)
        counts[tab] = capped(session, rows)
    return counts


def waiting_count(session: Session, agency_key: str | None = None) -> int:
    """How many tickets wait for procurement, material, budget or equipment, up to a cap."""
    rows = select(Ticket.id).where(Ticket.state == TicketState.WAITING)
    if agency_key is not None:
        rows = rows.where(Ticket.agency_key == agency_key)
    return capped(session, rows)


def late_unanswered(session: Session, now: datetime, agency_key: str | None = None) -> int:
    """How many tickets are past their window and still without an answer."""
    rows = select(Ticket.id).where(Ticket.state.in_(_OPEN_TICKETS), Ticket.due_at <= now)
    if agency_key is not None:
        rows = rows.where(Ticket.agency_key == agency_key)
    return capped(session, rows)


def ticket(session: Session, ticket_id: int, agency_key: str | None = None) -> Ticket | None:
    """One ticket; None too when it is another agency's than `agency_key`."""
    found = session.get(Ticket, ticket_id)
    if found is None or (agency_key is not None and found.agency_key != agency_key):
        return None
    return found


def ticket_history(session: Session, ticket_id: int) -> Sequence[History]:
    """The rows of one ticket alone, oldest first."""
    return session.scalars(
        select(History).where(History.ticket_id == ticket_id).order_by(History.id)
    ).all()


def with_pins(session: Session, agency_key: str) -> Sequence[Person]:
    """The agency's active people who have chosen a PIN for closing."""
    return session.scalars(
        select(Person)
        .where(Person.agency_key == agency_key, Person.active, Person.pin_seal.is_not(None))
        .order_by(Person.post, Person.duty_order, Person.key)
    ).all()


def reports(
    session: Session, *, agency_key: str | None = None, unread: bool = False, before: int | None
) -> Sequence[HandlingReport]:
    """Handling reports, newest first, a page at a time; `unread`: nobody has read them yet."""
    rows = select(HandlingReport).join(HandlingReport.ticket)
    rows = rows.options(
        contains_eager(HandlingReport.ticket).options(
            joinedload(Ticket.complaint), joinedload(Ticket.agency)
        )
    )
    if agency_key is not None:
        rows = rows.where(Ticket.agency_key == agency_key)
    if unread:
        read = exists().where(
            Notice.ticket_id == HandlingReport.ticket_id,
            Notice.kind == "report-filed",
            Notice.read_at.is_not(None),
        )
        rows = rows.where(~read)
    if before is not None:
        rows = rows.where(HandlingReport.id < before)
    return session.scalars(rows.order_by(HandlingReport.id.desc()).limit(PAGE)).all()


def notices_of_reports(session: Session, ticket_ids: Sequence[int]) -> dict[int, list[Notice]]:
    """Who was sent the reports of these tickets, in order."""
    found: dict[int, list[Notice]] = {}
    rows = (
        select(Notice)
        .where(Notice.ticket_id.in_(ticket_ids), Notice.kind == "report-filed")
        .options(joinedload(Notice.person))
        .order_by(Notice.id)
    )
    for notice in session.scalars(rows):
        found.setdefault(notice.ticket_id or 0, []).append(notice)
    return found


def report_notices(session: Session, ticket_id: int) -> Sequence[Notice]:
    """Who was sent the handling report of a ticket, in order."""
    return session.scalars(
        select(Notice)
        .where(Notice.ticket_id == ticket_id, Notice.kind == "report-filed")
        .options(joinedload(Notice.person))
        .order_by(Notice.id)
    ).all()


def recording(session: Session, recording_id: int) -> Recording | None:
    """One recording."""
    return session.get(Recording, recording_id)


def spoken_reasons(session: Session, complaint_id: int) -> Sequence[Recording]:
    """Why it is not solved, as the citizen said it when the line called; oldest first."""
    return session.scalars(
        select(Recording)
        .join(Call, Call.id == Recording.call_id)
        .join(OutCall, OutCall.call_uid == Call.call_uid)
        .where(
            OutCall.complaint_id == complaint_id,
            Recording.kind == "reason",
            Recording.speech_seconds > 0,
        )
        .options(contains_eager(Recording.call))
        .order_by(Call.started_at, Recording.id)
    ).all()


def heard_since(session: Session, actor: str, thing: str, since: datetime) -> bool:
    """Whether the playback of `thing` by `actor` was already written down since then."""
    row = select(Audit.id).where(
        Audit.at >= since,
        Audit.actor == actor,
        Audit.thing == thing,
        Audit.action == "recording_played",
    )
    return session.scalar(row.limit(1)) is not None


def messages(
    session: Session, *, state: str | None = None, before: int | None = None
) -> Sequence[Notice]:
    """The outbox, newest first, a page at a time, with its attempts."""
    rows = select(Notice).options(joinedload(Notice.person), selectinload(Notice.attempts))
    if state:
        rows = rows.where(Notice.state == state)
    if before is not None:
        rows = rows.where(Notice.id < before)
    return session.scalars(rows.order_by(Notice.id.desc()).limit(PAGE)).all()


@dataclass(frozen=True, slots=True)
class SilentCaller:
    """The silent calls of one telephone (None: all hidden ones), and what operators think of it."""

    caller: str | None
    calls: int
    first_at: datetime
    last_at: datetime
    last_call_id: int
    flag: CallerFlag | None


def silent_callers(session: Session, *, since: datetime) -> list[SilentCaller]:
    """Telephones with silent calls from `since` on, the latest first."""
    rows = session.execute(
        select(
            Call.caller,
            func.count(),
            func.min(Call.started_at),
            func.max(Call.started_at),
            func.max(Call.id),
        )
        .where(Call.silent, Call.started_at >= since)
        .group_by(Call.caller)
        .order_by(func.max(Call.started_at).desc(), func.max(Call.id).desc())
        .limit(2 * PAGE)
    ).all()
    flags = _flags(session, [row[0] for row in rows if row[0]])
    return [SilentCaller(*row, flags.get(row[0] or "")) for row in rows]


def _flags(session: Session, callers: Sequence[str]) -> dict[str, CallerFlag]:
    standing = select(CallerFlag).where(
        CallerFlag.caller.in_(callers), CallerFlag.lifted_at.is_(None)
    )
    return {flag.caller: flag for flag in session.scalars(standing)}


def call_backs(
    session: Session, *, open_only: bool, before: int | None = None
) -> Sequence[CallBack]:
    """Open ones, who asked or waited first; or closed ones, newest first, a page at a time."""
    rows = select(CallBack).options(
        selectinload(CallBack.attempts), selectinload(CallBack.requests)
    )
    if open_only:
        asked_first = (CallBack.reason != Reason.MISSED).desc()
        rows = rows.where(CallBack.open_caller.is_not(None))
        order = (asked_first, CallBack.next_at, CallBack.id)
        return session.scalars(rows.order_by(*order).limit(4 * PAGE)).all()
    rows = rows.where(CallBack.open_caller.is_(None))
    if before is not None:
        rows = rows.where(CallBack.id < before)
    return session.scalars(rows.order_by(CallBack.id.desc()).limit(PAGE)).all()


def call_back(session: Session, call_back_id: int) -> CallBack | None:
    """One call-back."""
    return session.get(CallBack, call_back_id)


def call_back_counts(session: Session) -> dict[str, int]:
    """How many are open, and how many were given up, counted up to a cap."""
    return {
        "open": capped(session, select(CallBack.id).where(CallBack.open_caller.is_not(None))),
        "done": capped(session, select(CallBack.id).where(CallBack.open_caller.is_(None))),
    }


def alarms(session: Session, kind: str) -> Sequence[Alarm]:
    """Alarms of one kind, the newest first."""
    rows = select(Alarm).where(Alarm.kind == kind)
    return session.scalars(rows.order_by(Alarm.id.desc()).limit(PAGE)).all()


def line_switches(session: Session) -> Sequence[LineSwitch]:
    """How the line was switched, the newest first."""
    return session.scalars(select(LineSwitch).order_by(LineSwitch.id.desc()).limit(PAGE)).all()


@dataclass(frozen=True, slots=True)
class Pulse:
    """Changes when anything changed that a list shows; cheap enough to ask twice a second."""

    history: int
    calls: int
    notices: int
    attempts: int
    escalations: int
    sending: str
    call_backs: tuple[int, int]
    alarms: tuple[int, ...]
    desks: tuple[int, int, int, int]
    recordings: int = 0
    operators: int = 0


def pulse(session: Session) -> Pulse:
    """The newest ids (primary keys: no scan) and the states of the newest notices."""
    states = select(Notice.state).order_by(Notice.id.desc()).limit(20)
    return Pulse(
        history=_newest(session, History.id),
        calls=_newest(session, Call.id),
        notices=_newest(session, Notice.id),
        attempts=_newest(session, NoticeAttempt.id),
        escalations=_newest(session, Escalation.id),
        sending=",".join(session.scalars(states)),
        call_backs=(_newest(session, CallBackRequest.id), _newest(session, CallBackTry.id)),
        desks=(
            _newest(session, DeskClaim.id),
            _held(session),
            _newest(session, InboundMessage.id),
            capped(session, waiting_messages()),
        ),
        alarms=tuple(session.scalars(select(Alarm.id).where(Alarm.open_kind.is_not(None)))),
        recordings=_newest(session, Recording.id),
        operators=_newest(session, OperatorEvent.id),
    )


def _held(session: Session) -> int:
    rows = select(func.count()).select_from(DeskClaim).where(DeskClaim.open_id.is_not(None))
    return session.scalar(rows) or 0


def _newest(session: Session, column: InstrumentedAttribute[int]) -> int:
    return session.scalar(select(func.max(column))) or 0


def heartbeats(session: Session) -> Sequence[Heartbeat]:
    """When each part last said that it works."""
    return session.scalars(select(Heartbeat).order_by(Heartbeat.part)).all()
