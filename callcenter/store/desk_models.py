"""Who works on what, and what is typed there before it is saved,
and what citizens gave along."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from callcenter.store.models import Base


class DeskClaim(Base):
    """An operator has a complaint on the desk, from opening it until the end.

    `open_id` is the complaint's id until the end, then None: its unique key makes a second owner
    impossible. `seen_at`: the last sign of the operator at work.
    """

    __tablename__ = "desk_claims"
    id: Mapped[int] = mapped_column(primary_key=True)
    complaint_id: Mapped[int] = mapped_column(ForeignKey("complaints.id"), index=True)
    open_id: Mapped[int | None] = mapped_column(unique=True)
    by: Mapped[str] = mapped_column(String(60))
    taken_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_how: Mapped[str] = mapped_column(String(12), default="")  # done, let_go, stale, taken


class DeskDraft(Base):
    """What is typed at a complaint and not saved yet: the desk's own (`beside` empty), and beside
    it what a tab typed that somebody else's typing came before; nothing of that is ever lost.

    `version` grows with every change of the desk's own, and is never used again.
    """

    __tablename__ = "desk_drafts"
    complaint_id: Mapped[int] = mapped_column(ForeignKey("complaints.id"), primary_key=True)
    beside: Mapped[str] = mapped_column(String(40), primary_key=True, default="")
    version: Mapped[int]
    fields: Mapped[dict[str, Any]]
    tab: Mapped[str] = mapped_column(String(40), default="")
    written_by: Mapped[str] = mapped_column(String(60))
    written_at: Mapped[datetime]


class ComplaintFile(Base):
    """A photo (plain, without its EXIF) or a PDF that a citizen gave; added at the desk."""

    __tablename__ = "complaint_files"
    __table_args__ = (UniqueConstraint("complaint_id", "sha256"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    complaint_id: Mapped[int] = mapped_column(ForeignKey("complaints.id"))
    path: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(60))
    bytes: Mapped[int]
    added_by: Mapped[str] = mapped_column(String(80))
    added_at: Mapped[datetime]
