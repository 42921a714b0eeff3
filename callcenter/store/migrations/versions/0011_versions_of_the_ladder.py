"""The ladders as they were adopted; which one a ticket climbs, and which steps it passed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "ladder_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("rungs", sa.JSON(), nullable=False),
        sa.Column("adopted_by", sa.String(length=80), nullable=False),
        sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ladder_versions")),
    )
    with op.batch_alter_table("tickets") as table:
        table.add_column(sa.Column("ladder_id", sa.Integer(), nullable=True))
        table.add_column(
            sa.Column("passed_steps", sa.JSON(), nullable=False, server_default="[]")
        )
        table.create_foreign_key(
            op.f("fk_tickets_ladder_id"), "ladder_versions", ["ladder_id"], ["id"]
        )
        table.create_index("ix_tickets_state_ladder_id", ["state", "ladder_id"], unique=False)
    with op.batch_alter_table("tickets") as table:
        table.alter_column("passed_steps", server_default=None)
