"""The tables. The database is the truth: what is not here (or in the spool) does not exist.

Times are aware UTC datetimes; durations are seconds; files are paths relative to the
recordings folder, with their SHA-256.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Enum,
    Float,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from callcenter.domain.complaint import ComplaintState, Outcome, Urgency
from callcenter.domain.people import Role
from callcenter.domain.position import Position, at
from callcenter.domain.ticket import TicketState, WaitingReason
from callcenter.domain.window import TicketTimes

if TYPE_CHECKING:
    from callcenter.store.desk_models import ComplaintFile


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python; refuses naive values, which would be somebody's local time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; SQLite has no zones, so it stores the bare UTC time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must be aware")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Back to aware UTC."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


def _stored(kind: type[StrEnum]) -> Enum:
    """A StrEnum as its value in a plain text column: readable in SQL, easy to migrate."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda e: [m.value for m in e])


class Base(DeclarativeBase):
    """Declarative base: names of constraints are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        datetime: UtcDateTime(),
        ComplaintState: _stored(ComplaintState),
        TicketState: _stored(TicketState),
        WaitingReason: _stored(WaitingReason),
        Outcome: _stored(Outcome),
        Urgency: _stored(Urgency),
        Role: _stored(Role),
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


class Agency(Base):
    """Who can be responsible; written from config.yaml."""

    __tablename__ = "agencies"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(10))
    active: Mapped[bool] = mapped_column(default=True)
    people: Mapped[list[Person]] = relationship(back_populates="agency")


class Person(Base):
    """An officer, head, secretary or office holder who can be sent notices; from config.yaml."""

    __tablename__ = "people"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    agency_key: Mapped[str | None] = mapped_column(ForeignKey("agencies.key"), index=True)
    post: Mapped[str] = mapped_column(String(20))  # officer, secretary, head or an office's Post
    duty_order: Mapped[int] = mapped_column(default=0)
    name: Mapped[str] = mapped_column(String(120))
    phone: Mapped[str | None] = mapped_column(String(20))
    whatsapp: Mapped[str | None] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True)
    pin_seal: Mapped[str | None] = mapped_column(String(64))  # of the PIN for closing
    pin_set_at: Mapped[datetime | None]
    pin_wrong: Mapped[int] = mapped_column(default=0)  # in a row
    pin_locked_until: Mapped[datetime | None]
    agency: Mapped[Agency | None] = relationship(back_populates="people")


class User(Base):
    """A sign-in of the console."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[Role]
    agency_key: Mapped[str | None] = mapped_column(ForeignKey("agencies.key"))
    password_hash: Mapped[str] = mapped_column(String(200))
    session_version: Mapped[int] = mapped_column(default=1)  # +1 ends every open session
    active: Mapped[bool] = mapped_column(default=True)
    language: Mapped[str] = mapped_column(String(5), default="id")
    created_at: Mapped[datetime]


class SignInAttempt(Base):
    """One try to sign in; counted to slow guessers down."""

    __tablename__ = "sign_in_attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(60), index=True)
    address: Mapped[str] = mapped_column(String(60), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    succeeded: Mapped[bool]


class Audit(Base):
    """Who saw, heard or changed what; append-only, and chained (`domain.audit_chain`)."""

    __tablename__ = "audit"
    __table_args__ = (
        Index(
            "ix_audit_unsealed",
            "id",
            sqlite_where=text("place IS NULL"),
            postgresql_where=text("place IS NULL"),
        ),
        Index("ix_audit_thing", "thing", "id"),
        Index("ix_audit_actor", "actor", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(60))
    thing: Mapped[str] = mapped_column(String(120))
    address: Mapped[str | None] = mapped_column(String(60))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    mark: Mapped[str | None] = mapped_column(String(64))
    place: Mapped[int | None] = mapped_column(unique=True)  # None: not sealed yet
    seal: Mapped[str | None] = mapped_column(String(64))


class AuditHead(Base):
    """The end of the chain of audit rows; one row, renewed with every sealing."""

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[int]
    seal: Mapped[str] = mapped_column(String(64))
    mark: Mapped[str] = mapped_column(String(64))


class NumberBlock(Base):
    """A range of serials reserved for one node; ranges never overlap."""

    __tablename__ = "number_blocks"
    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(String(16), index=True)
    first: Mapped[int] = mapped_column(unique=True)
    last: Mapped[int]
    next: Mapped[int]  # of our own block: the next one; of an exchange: past `last` = handed over
    reserved_at: Mapped[datetime]


class Call(Base):
    """One phone call, complete or not."""

    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    call_uid: Mapped[str] = mapped_column(String(80), unique=True)
    line: Mapped[str] = mapped_column(String(16))
    caller: Mapped[str | None] = mapped_column(String(20), index=True)  # E.164, None = hidden
    caller_raw: Mapped[str] = mapped_column(String(80), default="")
    called: Mapped[str] = mapped_column(String(80), default="")
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    cause: Mapped[str] = mapped_column(String(40), default="")
    mode: Mapped[str] = mapped_column(String(30), default="app")
    consent_at: Mapped[datetime | None]
    public_number: Mapped[str | None] = mapped_column(String(8))
    number_heard: Mapped[bool] = mapped_column(default=False)
    speech_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    silent: Mapped[bool] = mapped_column(default=False)
    path: Mapped[list[Any]] = mapped_column(default=list)  # [[epoch, key, value], ...]
    filed_at: Mapped[datetime]
    recordings: Mapped[list[Recording]] = relationship(
        back_populates="call", order_by="Recording.id"
    )
    complaint: Mapped[Complaint | None] = relationship(back_populates="call")


class Recording(Base):
    """An audio file of a call."""

    __tablename__ = "recordings"
    __table_args__ = (UniqueConstraint("call_id", "kind", "take"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"))
    kind: Mapped[str] = mapped_column(String(20))  # complaint, name, village
    take: Mapped[int]
    path: Mapped[str] = mapped_column(String(200), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int]
    seconds: Mapped[float] = mapped_column(Float)
    speech_seconds: Mapped[float] = mapped_column(Float)
    repaired: Mapped[bool] = mapped_column(default=False)
    call: Mapped[Call] = relationship(back_populates="recordings")


class Complaint(Base):
    """What one citizen asks for; carries the public number."""

    __tablename__ = "complaints"
    id: Mapped[int] = mapped_column(primary_key=True)
    public_number: Mapped[str] = mapped_column(String(8), unique=True)
    state: Mapped[ComplaintState] = mapped_column(index=True)
    channel: Mapped[str] = mapped_column(String(20))
    call_id: Mapped[int | None] = mapped_column(ForeignKey("calls.id"), unique=True)
    received_at: Mapped[datetime] = mapped_column(index=True)
    urgency: Mapped[Urgency] = mapped_column(default=Urgency.REPORT)
    reporter_name: Mapped[str] = mapped_column(String(120), default="")
    reporter_phone: Mapped[str | None] = mapped_column(String(20), index=True)
    transcript: Mapped[str] = mapped_column(Text, default="")
    category_key: Mapped[str | None] = mapped_column(String(40))
    village_code: Mapped[str | None] = mapped_column(String(13))
    place_note: Mapped[str] = mapped_column(String(300), default="")
    latitude: Mapped[float | None] = mapped_column(Float)  # degrees, WGS 84
    longitude: Mapped[float | None] = mapped_column(Float)
    asked_at: Mapped[datetime | None]  # the citizen was asked whether it is solved
    outcome: Mapped[Outcome | None]
    closed_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None] = mapped_column(index=True)  # no operator decided since
    reject_reason: Mapped[str] = mapped_column(String(300), default="")
    reject_proposed_by: Mapped[str | None] = mapped_column(String(60))
    version: Mapped[int] = mapped_column(default=1)
    call: Mapped[Call | None] = relationship(back_populates="complaint")
    tickets: Mapped[list[Ticket]] = relationship(back_populates="complaint", order_by="Ticket.id")
    history: Mapped[list[History]] = relationship(order_by="History.id")
    files: Mapped[list[ComplaintFile]] = relationship(order_by="ComplaintFile.id")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    @property
    def position(self) -> Position | None:
        """Where it is on the map; None where nobody said."""
        return at(self.latitude, self.longitude)


class Ticket(Base):
    """The order to one agency, with its own 24-hour window."""

    __tablename__ = "tickets"
    __table_args__ = (
        Index("ix_tickets_agency_key_state", "agency_key", "state"),
        Index("ix_tickets_next_step_at", "next_step_at"),
        Index("ix_tickets_state_ladder_id", "state", "ladder_id"),
        Index("ix_tickets_state_waiting_until", "state", "waiting_until"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    complaint_id: Mapped[int] = mapped_column(ForeignKey("complaints.id"), index=True)
    agency_key: Mapped[str] = mapped_column(ForeignKey("agencies.key"))
    urgency: Mapped[Urgency]
    state: Mapped[TicketState]
    order: Mapped[str] = mapped_column(Text, default="")  # what the agency is asked to do
    dispatched_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None] = mapped_column(String(80))
    responded_at: Mapped[datetime | None]
    response: Mapped[str] = mapped_column(Text, default="")
    waiting_reason: Mapped[WaitingReason | None]
    waiting_note: Mapped[str] = mapped_column(Text, default="")
    waiting_until: Mapped[datetime | None]
    waiting_approver: Mapped[str] = mapped_column(String(120), default="")
    waiting_since: Mapped[datetime | None]  # of the present waiting
    waited_s: Mapped[float] = mapped_column(Float, default=0.0)  # of all that are over
    handled_at: Mapped[datetime | None]
    reported_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]
    return_reason: Mapped[str] = mapped_column(Text, default="")
    next_step_key: Mapped[str | None] = mapped_column(String(40))
    next_step_at: Mapped[datetime | None]  # the clock asks for this column
    ladder_id: Mapped[int | None] = mapped_column(ForeignKey("ladder_versions.id"))
    passed_steps: Mapped[list[Any]] = mapped_column(default=list)  # keys; a later ladder's
    version: Mapped[int] = mapped_column(default=1)
    complaint: Mapped[Complaint] = relationship(back_populates="tickets")
    agency: Mapped[Agency] = relationship()
    escalations: Mapped[list[Escalation]] = relationship(order_by="Escalation.id")
    report: Mapped[HandlingReport | None] = relationship(back_populates="ticket")
    attachments: Mapped[list[Attachment]] = relationship(order_by="Attachment.id")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    @property
    def times(self) -> TicketTimes:
        """What the window's rules need."""
        return TicketTimes(
            dispatched_at=self.dispatched_at,
            due_at=self.due_at,
            accepted_at=self.accepted_at,
            responded_at=self.responded_at,
            handled_at=self.handled_at,
            reported_at=self.reported_at,
            ended_at=self.returned_at or self.closed_at,
            waiting_since=self.waiting_since,
            waited=timedelta(seconds=self.waited_s or 0.0),
        )


class DutySwap(Base):
    """In [starts, ends) one officer is on duty for another, or beside the others."""

    __tablename__ = "duty_swaps"
    __table_args__ = (Index("ix_duty_swaps_agency_key_ends_at", "agency_key", "ends_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    agency_key: Mapped[str] = mapped_column(ForeignKey("agencies.key"))
    out_key: Mapped[str | None] = mapped_column(ForeignKey("people.key"))
    in_key: Mapped[str] = mapped_column(ForeignKey("people.key"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    why: Mapped[str] = mapped_column(String(300))
    made_by: Mapped[str] = mapped_column(String(80))
    made_at: Mapped[datetime]
    cancelled_by: Mapped[str | None] = mapped_column(String(80))
    cancelled_at: Mapped[datetime | None]
    out: Mapped[Person | None] = relationship(foreign_keys=[out_key])
    into: Mapped[Person] = relationship(foreign_keys=[in_key])


class LadderVersion(Base):
    """The ladders as they were adopted at a moment; rows are never changed (`services.ladders`)."""

    __tablename__ = "ladder_versions"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    rungs: Mapped[dict[str, Any]]
    adopted_by: Mapped[str] = mapped_column(String(80))
    adopted_at: Mapped[datetime]


class PlannedDispatch(Base):
    """An agency that gets its ticket when those before it have handled theirs."""

    __tablename__ = "planned_dispatches"
    id: Mapped[int] = mapped_column(primary_key=True)
    complaint_id: Mapped[int] = mapped_column(ForeignKey("complaints.id"), index=True)
    agency_key: Mapped[str] = mapped_column(ForeignKey("agencies.key"))
    order: Mapped[str] = mapped_column(Text, default="")
    planned_by: Mapped[str] = mapped_column(String(80))
    planned_at: Mapped[datetime]
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    dropped_at: Mapped[datetime | None]
    dropped_why: Mapped[str] = mapped_column(String(300), default="")
    agency: Mapped[Agency] = relationship()


class Escalation(Base):
    """One step of the ladder, taken once: the unique key makes a second one impossible."""

    __tablename__ = "escalations"
    __table_args__ = (UniqueConstraint("ticket_id", "step_key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    step_key: Mapped[str] = mapped_column(String(40))
    due_at: Mapped[datetime]
    taken_at: Mapped[datetime]


class HandlingReport(Base):
    """What was done, when and by whom; goes to the head of the agency."""

    __tablename__ = "handling_reports"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), unique=True)
    text: Mapped[str] = mapped_column(Text)
    done_at: Mapped[datetime]
    people: Mapped[str] = mapped_column(String(300), default="")
    materials: Mapped[str] = mapped_column(String(300), default="")
    filed_by: Mapped[str] = mapped_column(String(80))
    filed_at: Mapped[datetime]
    ticket: Mapped[Ticket] = relationship(back_populates="report")


class Attachment(Base):
    """A file of an agency: a photo, re-encoded without its EXIF (what that said is in `exif`), a
    spoken report as it came, or evidence. `seconds` and `speech_seconds` are those of a sound,
    where they could be measured."""

    __tablename__ = "attachments"
    __table_args__ = (UniqueConstraint("ticket_id", "sha256"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    purpose: Mapped[str] = mapped_column(String(20))  # report, spoken, evidence
    path: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(60))
    bytes: Mapped[int]
    exif: Mapped[dict[str, Any]] = mapped_column(default=dict)
    seconds: Mapped[float | None] = mapped_column(Float)
    speech_seconds: Mapped[float | None] = mapped_column(Float)
    added_by: Mapped[str] = mapped_column(String(80))
    added_at: Mapped[datetime]


class Notice(Base):
    """The outbox: one message to one person about one thing.

    `key` is the idempotency key; `fence` grows with every claim, so that a stale worker's
    result is refused.
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_state_not_before", "state", "not_before"),
        Index("ix_notices_state_ask_at", "state", "ask_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(160), unique=True)
    kind: Mapped[str] = mapped_column(String(40))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    complaint_id: Mapped[int | None] = mapped_column(ForeignKey("complaints.id"), index=True)
    person_key: Mapped[str | None] = mapped_column(ForeignKey("people.key"))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    link_id: Mapped[int | None] = mapped_column(ForeignKey("officer_links.id"))
    urgent: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(12))  # queued, sending, sent, delivered, dead
    not_before: Mapped[datetime]
    created_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    forgiven: Mapped[int] = mapped_column(default=0)  # attempts that a resend counts no more
    channel: Mapped[str | None] = mapped_column(String(12))
    provider_id: Mapped[str | None] = mapped_column(String(80), index=True)
    sent_at: Mapped[datetime | None]
    ask_at: Mapped[datetime | None]  # when to ask the provider whether it arrived
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]  # its page was opened, or the provider says so
    error: Mapped[str] = mapped_column(String(300), default="")
    written_by: Mapped[str | None] = mapped_column(String(60))  # an operator, to a citizen
    attempts: Mapped[list[NoticeAttempt]] = relationship(order_by="NoticeAttempt.id")
    person: Mapped[Person | None] = relationship()


class NoticeAttempt(Base):
    """One try, written before it is made: an open one after a crash is known as ambiguous."""

    __tablename__ = "notice_attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id"), index=True)
    fence: Mapped[int]
    channel: Mapped[str] = mapped_column(String(12))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    #: sent, failed, refused, unsent, looked; empty: nobody knows yet
    result: Mapped[str] = mapped_column(String(12), default="")
    error: Mapped[str] = mapped_column(String(300), default="")


class OfficerLink(Base):
    """A signed link of one person to one ticket; revocable, expiring."""

    __tablename__ = "officer_links"
    __table_args__ = (UniqueConstraint("ticket_id", "person_key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    person_key: Mapped[str] = mapped_column(ForeignKey("people.key"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    first_opened_at: Mapped[datetime | None]


class Submission(Base):
    """A form of an officer's page that was taken, by the key that it carried."""

    __tablename__ = "submissions"
    link_id: Mapped[int] = mapped_column(ForeignKey("officer_links.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    verb: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]


class History(Base):
    """Every change of a complaint or ticket: who, when, from, to, why."""

    __tablename__ = "history"
    id: Mapped[int] = mapped_column(primary_key=True)
    complaint_id: Mapped[int] = mapped_column(ForeignKey("complaints.id"), index=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(80))
    verb: Mapped[str] = mapped_column(String(40))
    from_state: Mapped[str] = mapped_column(String(20), default="")
    to_state: Mapped[str] = mapped_column(String(20), default="")
    why: Mapped[str] = mapped_column(Text, default="")


class Heartbeat(Base):
    """When each part last said that it works; `doctor` and the health page read it."""

    __tablename__ = "heartbeats"
    part: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


# Whoever sees these tables sees the others too: migrations compare all of them.
from callcenter.store import (  # noqa: E402 (they need the classes above)
    assist_models,  # noqa: F401
    desk_models,  # noqa: F401
    exchange_models,  # noqa: F401
    inbound_models,  # noqa: F401
    line_models,  # noqa: F401
    operator_models,  # noqa: F401
    outgoing_models,  # noqa: F401
    search_index,  # noqa: F401 (it writes along)
    search_models,  # noqa: F401
    speech_models,  # noqa: F401
)
