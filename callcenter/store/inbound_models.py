"""Messages that come in. Every one is kept, whoever wrote it and whatever it says."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

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
