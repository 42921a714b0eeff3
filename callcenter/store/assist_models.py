"""What helps the operators at the desk: learnt categories, complaints that belong together."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callcenter.domain.complaint import ComplaintState
from callcenter.store.models import Base, Complaint


class CategoryModel(Base):
    """What the words of past complaints said about their categories (`domain.suggestion`).

    Rows are never changed; the newest counts. `seen`: {evidence: {category: times}}.
    """

    __tablename__ = "category_models"
    id: Mapped[int] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    complaints: Mapped[int]  # how many were learnt from
    texts: Mapped[dict[str, Any]]  # {category: how many of them}
    seen: Mapped[dict[str, Any]]


class ComplaintLink(Base):
    """One complaint is about the same thing as another, the lead: its reporter hears of the lead's
    outcome. `kind`: merged (the lead's tickets are its tickets), follows (it has its own as well).

    `open_for` is the complaint while the link stands: a complaint has one lead at most.
    """

    __tablename__ = "complaint_links"
    id: Mapped[int] = mapped_column(primary_key=True)
    complaint_id: Mapped[int] = mapped_column(ForeignKey("complaints.id"), index=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("complaints.id"), index=True)
    open_for: Mapped[int | None] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    why: Mapped[str] = mapped_column(String(300))
    state_before: Mapped[ComplaintState]
    made_by: Mapped[str] = mapped_column(String(80))
    made_at: Mapped[datetime]
    ended_by: Mapped[str | None] = mapped_column(String(80))
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str] = mapped_column(String(300), default="")
    complaint: Mapped[Complaint] = relationship(foreign_keys=[complaint_id])
    lead: Mapped[Complaint] = relationship(foreign_keys=[lead_id])
