"""Messages that come in. Every one is kept, whoever wrote it and whatever it says."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callcenter.store.models import Base


class InboundMessage(Base):
    """One message of a person to the hotline; the provider's id is unique.

    `result`: done, refused, help (not understood), stranger (no officer's number). A stranger's
    waits in the inbox until an operator joins it to a complaint or puts it aside.
    """

    __tablename__ = "inbound_messages"
    __table_args__ = (Index("ix_inbound_messages_result_settled_at", "result", "settled_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(String(80), unique=True)
    channel: Mapped[str] = mapped_column(String(12))
    sender: Mapped[str] = mapped_column(String(20), index=True)
    body: Mapped[str] = mapped_column(Text)
    media: Mapped[int] = mapped_column(default=0)
    latitude: Mapped[float | None] = mapped_column(Float)  # of a location that was sent
    longitude: Mapped[float | None] = mapped_column(Float)
    received_at: Mapped[datetime]
    person_key: Mapped[str | None] = mapped_column(ForeignKey("people.key"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    verb: Mapped[str] = mapped_column(String(12), default="")
    result: Mapped[str] = mapped_column(String(12), default="")
    answer: Mapped[str] = mapped_column(Text, default="")
    complaint_id: Mapped[int | None] = mapped_column(ForeignKey("complaints.id"), index=True)
    settled_at: Mapped[datetime | None]  # joined to a complaint, or put aside with a reason
    settled_by: Mapped[str | None] = mapped_column(String(60))
    settled_why: Mapped[str] = mapped_column(String(300), default="")
    files: Mapped[list[MessageFile]] = relationship(order_by="MessageFile.place")


class MessageFile(Base):
    """A file that came with a message: waiting to be fetched, or what became of it.

    `state`: waiting, fetching, kept, odd (in quarantine, `error` says why), given_up. `address`
    names it at the provider; `said_type` is what the sender claims, `media_type` what it is.
    """

    __tablename__ = "message_files"
    __table_args__ = (
        UniqueConstraint("message_id", "place"),
        Index("ix_message_files_state_fetch_at", "state", "fetch_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("inbound_messages.id"))
    place: Mapped[int]
    address: Mapped[str] = mapped_column(String(120))
    said_type: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(12))
    fetch_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(300), default="")
    path: Mapped[str] = mapped_column(String(200), default="")
    sha256: Mapped[str] = mapped_column(String(64), default="")
    media_type: Mapped[str] = mapped_column(String(60), default="")
    bytes: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float | None] = mapped_column(Float)
    done_at: Mapped[datetime | None]
