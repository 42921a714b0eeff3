"""The tables of what the exchange itself recorded about calls, and how far it was read."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from callcenter.store.models import Base


class ExchangeCall(Base):
    """A call that came in, as the exchange recorded it; the log of calls is compared with this.

    `ended_at` is None while it lasts. `noticed`: the exchange did not say when it ended (it was
    killed), so `ended_at` is when that was noticed. `logged`: it has a row in the log of calls.
    """

    __tablename__ = "exchange_calls"
    __table_args__ = (
        Index("ix_exchange_calls_node_started_at", "node", "started_at"),
        Index("ix_exchange_calls_node_ended_at", "node", "ended_at"),
        Index("ix_exchange_calls_logged_node", "logged", "node"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    call_uid: Mapped[str] = mapped_column(String(80), unique=True)
    node: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cause: Mapped[str] = mapped_column(String(3), default="")  # Q.850
    noticed: Mapped[bool] = mapped_column(default=False)
    logged: Mapped[bool] = mapped_column(default=False)


class ExchangeFile(Base):
    """How far a file of the exchange's record was read, in the transaction that wrote its calls:
    an older copy of the database reads on from where it was."""

    __tablename__ = "exchange_files"
    __table_args__ = (UniqueConstraint("node", "file"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(String(16))
    file: Mapped[str] = mapped_column(String(32))  # from its first line, not its path
    position: Mapped[int] = mapped_column(BigInteger, default=0)
    unreadable: Mapped[int] = mapped_column(default=0)
    read_at: Mapped[datetime]


class CallCount(Base):
    """The night's comparison of one day of one exchange: counted once, and again after a change.

    `missing` holds ids of calls that the log lacks, a hundred at most.
    """

    __tablename__ = "call_counts"
    __table_args__ = (UniqueConstraint("node", "day"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(String(16))
    day: Mapped[date]  # of the programme's zone
    in_exchange: Mapped[int]
    here: Mapped[int]
    here_alone: Mapped[int]
    missing: Mapped[list[Any]] = mapped_column(default=list)
    counted_at: Mapped[datetime]
