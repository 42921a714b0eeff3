"""The tables behind the line's services: inquiries, modes, call-backs, flags, calls at Twilio,
alarms."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Enum, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callcenter.domain import call_back
from callcenter.domain.line_mode import LineMode
from callcenter.store.models import Base, Call


def _stored(kind: type[LineMode | call_back.Reason | call_back.State | call_back.Outcome]) -> Enum:
    """A StrEnum as its value in a plain text column."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda e: [m.value for m in e])


class StatusAttempt(Base):
    """One question about a complaint by telephone; wrong answers are counted against guessers.

    `caller_hash` is keyed with the installation's secret: it tells callers apart and names
    nobody. `evaluated`: the PIN was looked at; it is not while somebody has to wait.
    """

    __tablename__ = "status_attempts"
    __table_args__ = (
        Index("ix_status_attempts_caller_hash_at", "caller_hash", "at"),
        Index("ix_status_attempts_public_number_at", "public_number", "at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    caller_hash: Mapped[str] = mapped_column(String(64))
    own: Mapped[bool]  # by the telephone that the complaint came from
    public_number: Mapped[str | None] = mapped_column(String(8))  # None: by the telephone alone
    evaluated: Mapped[bool]
    succeeded: Mapped[bool]


class LineSwitch(Base):
    """Somebody switched the line; the newest row counts, and only until its end."""

    __tablename__ = "line_switches"
    id: Mapped[int] = mapped_column(primary_key=True)
    mode: Mapped[LineMode] = mapped_column(_stored(LineMode))
    switched_by: Mapped[str] = mapped_column(String(80))
    switched_at: Mapped[datetime]
    until: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(String(300), default="")


class Alarm(Base):
    """Something is wrong with the machine or the watch that is kept, and must not stay silent.

    `open_kind` is kind and thing until the end, then None: its unique key makes a second standing
    alarm about the same thing impossible. `words` are what people were told; they name no citizen.
    """

    __tablename__ = "alarms"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))  # room, time
    thing: Mapped[str] = mapped_column(String(80), default="")  # a key, where there are several
    level: Mapped[str] = mapped_column(String(10))
    open_kind: Mapped[str | None] = mapped_column(String(110), unique=True)
    words: Mapped[str] = mapped_column(Text, default="")
    since: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class CallerFlag(Base):
    """A telephone that operators think plays pranks; two people say so. It shuts nobody out."""

    __tablename__ = "caller_flags"
    id: Mapped[int] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(String(20), unique=True)
    proposed_by: Mapped[str] = mapped_column(String(80))
    proposed_at: Mapped[datetime]
    confirmed_by: Mapped[str | None] = mapped_column(String(80))
    confirmed_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(String(80))
    lifted_at: Mapped[datetime | None]


class CallBack(Base):
    """A person who is to be called back.

    `open_caller` is the person's number until the end, then None: its unique key makes a second
    open entry impossible. `fence` grows with every claim, so that a stale result is refused.
    """

    __tablename__ = "call_backs"
    __table_args__ = (Index("ix_call_backs_state_next_at", "state", "next_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(String(20), index=True)
    open_caller: Mapped[str | None] = mapped_column(String(20), unique=True)
    reason: Mapped[call_back.Reason] = mapped_column(_stored(call_back.Reason))
    state: Mapped[call_back.State] = mapped_column(_stored(call_back.State))
    requested_at: Mapped[datetime]
    next_at: Mapped[datetime | None]  # the clock asks for this column
    tries: Mapped[int] = mapped_column(default=0)  # without an answer
    claimed_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None] = mapped_column(String(80))
    fence: Mapped[int] = mapped_column(default=0)
    closed_at: Mapped[datetime | None]
    requests: Mapped[list[CallBackRequest]] = relationship(order_by="CallBackRequest.id")
    attempts: Mapped[list[CallBackTry]] = relationship(order_by="CallBackTry.id")


class CallBackRequest(Base):
    """A call that asks for a call-back; each call once."""

    __tablename__ = "call_back_requests"
    __table_args__ = (UniqueConstraint("call_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    call_back_id: Mapped[int] = mapped_column(ForeignKey("call_backs.id"), index=True)
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"))
    reason: Mapped[call_back.Reason] = mapped_column(_stored(call_back.Reason))
    at: Mapped[datetime]
    call: Mapped[Call] = relationship()


class CallBackTry(Base):
    """One try to reach the person, written before it is made."""

    __tablename__ = "call_back_tries"
    id: Mapped[int] = mapped_column(primary_key=True)
    call_back_id: Mapped[int] = mapped_column(ForeignKey("call_backs.id"), index=True)
    fence: Mapped[int]
    made_by: Mapped[str] = mapped_column(String(80))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[call_back.Outcome | None] = mapped_column(_stored(call_back.Outcome))


class TwilioCall(Base):
    """A call at Twilio that is over: known by its CallSid for good, so that nothing begins it anew.

    While it lasts it is a file (`services.twilio_courses`). Here are calls that were put into the
    spool, and those that reached nobody here (`mode`); events and caller are empty once a call
    lies in the spool, and where the file held them.
    """

    __tablename__ = "twilio_calls"
    __table_args__ = (Index("ix_twilio_calls_spooled_at_ended_at", "spooled_at", "ended_at"),)
    call_sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    call_uid: Mapped[str] = mapped_column(String(80), unique=True)
    caller: Mapped[str] = mapped_column(String(80), default="")
    called: Mapped[str] = mapped_column(String(80), default="")
    mode: Mapped[str] = mapped_column(String(30), default="app")
    begun: Mapped[dict[str, Any]] = mapped_column(default=dict)  # ivr.flow.Started
    events: Mapped[list[Any]] = mapped_column(default=list)  # [{"at": epoch, "event": ...}, ...]
    public_number: Mapped[str | None] = mapped_column(String(8))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    cause: Mapped[str] = mapped_column(String(40), default="")
    spooled_at: Mapped[datetime | None]


class TwilioRecording(Base):
    """An audio file that Twilio keeps for us; its id makes every import of it the same one."""

    __tablename__ = "twilio_recordings"
    __table_args__ = (UniqueConstraint("call_sid", "kind", "take"),)
    recording_sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    call_sid: Mapped[str] = mapped_column(String(34))
    kind: Mapped[str] = mapped_column(String(20))
    take: Mapped[int]
    noted_at: Mapped[datetime]
    fetch_at: Mapped[datetime | None] = mapped_column(index=True)  # None: fetched, or given up
    fetched_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(300), default="")
