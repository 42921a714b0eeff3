"""Who works on a complaint, and what is typed there before it is saved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "desk_claims",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("complaint_id", sa.Integer(), nullable=False),
        sa.Column("open_id", sa.Integer(), nullable=True),
        sa.Column("by", sa.String(length=60), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_how", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaints.id"], name=op.f("fk_desk_claims_complaint_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_claims")),
        sa.UniqueConstraint("open_id", name=op.f("uq_desk_claims_open_id")),
    )
    op.create_index(
        "ix_desk_claims_complaint_id", "desk_claims", ["complaint_id"], unique=False
    )
    op.create_table(
        "desk_drafts",
        sa.Column("complaint_id", sa.Integer(), nullable=False),
        sa.Column("beside", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("tab", sa.String(length=40), nullable=False),
        sa.Column("written_by", sa.String(length=60), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaints.id"], name=op.f("fk_desk_drafts_complaint_id")
        ),
        sa.PrimaryKeyConstraint("complaint_id", "beside", name=op.f("pk_desk_drafts")),
    )
