"""The tables behind live calls: who is at which telephone, and the calls that reach an operator."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Enum, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callcenter.domain import presence
from callcenter.store.models import Base, Call, User


def _stored(kind: type[presence.State | presence.Phone]) -> Enum:
    """A StrEnum as its value in a plain text column."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda e: [m.value for m in e])


class Presence(Base):
    """What an operator has said: at a telephone and ready, paused, or out.

    `extension` is None for who is out: its unique key keeps a telephone to one person. `phone`
    and `wrap_until` follow the exchange, `missed` counts calls in a row that were not answered;
    all else is the person's word.
    """

    __tablename__ = "presences"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    state: Mapped[presence.State] = mapped_column(_stored(presence.State))
    reason: Mapped[str | None] = mapped_column(String(20))
    extension: Mapped[str | None] = mapped_column(String(32), unique=True)
    last_extension: Mapped[str] = mapped_column(String(32), default="")
    since: Mapped[datetime]
    phone: Mapped[presence.Phone] = mapped_column(
        _stored(presence.Phone), default=presence.Phone.UNKNOWN
    )
    wrap_until: Mapped[datetime | None]
    missed: Mapped[int] = mapped_column(default=0)
    user: Mapped[User] = relationship()


class OperatorCall(Base):
    """A caller who asked for an operator, from the queue to the end of the conversation.

    `ringing` are the extensions that ring now. `answered_at` is None for who was not answered;
    `ended_at` for who still waits or talks.
    """

    __tablename__ = "operator_calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"), unique=True)
    language: Mapped[str] = mapped_column(String(5), default="id")
    joined_at: Mapped[datetime]
    ringing: Mapped[list[Any]] = mapped_column(default=list)
    extension: Mapped[str | None] = mapped_column(String(32))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    call: Mapped[Call] = relationship()
    user: Mapped[User | None] = relationship()


class OperatorEvent(Base):
    """What happened to operators and their calls, in order; append-only. Screens follow it."""

    __tablename__ = "operator_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    what: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    operator_call_id: Mapped[int | None] = mapped_column(ForeignKey("operator_calls.id"))
    detail: Mapped[str] = mapped_column(String(40), default="")
