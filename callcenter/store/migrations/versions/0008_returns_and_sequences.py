"""Returned tickets wait for a decision, waiting is measured, agencies may follow one another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_SINCE = """
UPDATE tickets SET waiting_since = (
    SELECT MAX(history.at) FROM history
    WHERE history.ticket_id = tickets.id AND history.verb = 'wait'
) WHERE state = 'waiting'
"""


def upgrade() -> None:
    with op.batch_alter_table("complaints") as table:
        table.add_column(sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True))
        table.create_index("ix_complaints_returned_at", ["returned_at"], unique=False)
    with op.batch_alter_table("tickets") as table:
        table.add_column(sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("waited_s", sa.Float(), nullable=False, server_default="0"))
    with op.batch_alter_table("tickets") as table:
        table.alter_column("waited_s", server_default=None)
    op.execute(_SINCE)
    op.create_table(
        "planned_dispatches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("complaint_id", sa.Integer(), nullable=False),
        sa.Column("agency_key", sa.String(length=40), nullable=False),
        sa.Column("order", sa.Text(), nullable=False),
        sa.Column("planned_by", sa.String(length=80), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_why", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency_key"], ["agencies.key"], name=op.f("fk_planned_dispatches_agency_key")
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaints.id"], name=op.f("fk_planned_dispatches_complaint_id")
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_planned_dispatches_ticket_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planned_dispatches")),
    )
    op.create_index(
        op.f("ix_planned_dispatches_complaint_id"),
        "planned_dispatches",
        ["complaint_id"],
        unique=False,
    )
