"""What an engine made of recordings: drafts beside an operator's text, never in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callcenter.store.models import Base, Recording


class SpeechDraft(Base):
    """A recording as an engine heard it; at most one of each. `state`: wanted, running, done,
    failed. `words`: [[text, start, end, confidence], ...], seconds and 0 to 1.

    `next_at`: when it is due, as wanted, or again when whoever runs it was not heard of since.
    `fence` grows with every claim: a result with an old one is refused.
    """

    __tablename__ = "speech_drafts"
    __table_args__ = (Index("ix_speech_drafts_state_next_at", "state", "next_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    recording_id: Mapped[int] = mapped_column(ForeignKey("recordings.id"), unique=True)
    state: Mapped[str] = mapped_column(String(10))
    wanted_at: Mapped[datetime]
    next_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[datetime | None]
    engine: Mapped[str] = mapped_column(String(40), default="")
    model: Mapped[str] = mapped_column(String(80), default="")
    language: Mapped[str] = mapped_column(String(10), default="")
    words: Mapped[list[Any]] = mapped_column(default=list)
    took_s: Mapped[float] = mapped_column(Float, default=0.0)
    error: Mapped[str] = mapped_column(String(200), default="")
    recording: Mapped[Recording] = relationship()
