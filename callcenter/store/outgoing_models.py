"""The table of calls that the line places itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Enum, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from callcenter.domain.out_call import Outcome, Purpose, State
from callcenter.store.models import Base


def _stored(kind: type[Purpose | State | Outcome]) -> Enum:
    """A StrEnum as its value in a plain text column."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda e: [m.value for m in e])


class OutCall(Base):
    """One call to one person: a row is at most one call, whatever dies.

    `key` says what it is for and is unique. It is written before the exchange is told, with the
    id that the call will have there, so that an order whose answer was lost can be looked up.
    """

    __tablename__ = "out_calls"
    __table_args__ = (Index("ix_out_calls_state_not_before", "state", "not_before"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(160), unique=True)
    purpose: Mapped[Purpose] = mapped_column(_stored(Purpose))
    state: Mapped[State] = mapped_column(_stored(State))
    telephone: Mapped[str] = mapped_column(String(20))  # E.164
    operator: Mapped[str] = mapped_column(String(32), default="")  # whose telephone; empty: any
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    complaint_id: Mapped[int | None] = mapped_column(ForeignKey("complaints.id"), index=True)
    person_key: Mapped[str | None] = mapped_column(ForeignKey("people.key"))
    call_back_id: Mapped[int | None] = mapped_column(ForeignKey("call_backs.id"), index=True)
    fence: Mapped[int] = mapped_column(default=0)  # of the call-back
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    placed_at: Mapped[datetime | None]  # the last order to the exchange
    orders: Mapped[int] = mapped_column(default=0)
    call_uid: Mapped[str | None] = mapped_column(String(80), unique=True)
    ended_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None] = mapped_column(_stored(Outcome))
    word: Mapped[str] = mapped_column(String(20), default="")  # what the person decided
