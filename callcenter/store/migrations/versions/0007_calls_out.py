"""Calls that the line places itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "out_calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("telephone", sa.String(20), nullable=False),
        sa.Column("operator", sa.String(32), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=True),
        sa.Column("complaint_id", sa.Integer(), nullable=True),
        sa.Column("person_key", sa.String(40), nullable=True),
        sa.Column("call_back_id", sa.Integer(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("not_before", moment, nullable=False),
        sa.Column("placed_at", moment, nullable=True),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("call_uid", sa.String(80), nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("outcome", sa.String(20), nullable=True),
        sa.Column("word", sa.String(20), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_out_calls_ticket_id"),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaints.id"], name="fk_out_calls_complaint_id"
        ),
        sa.ForeignKeyConstraint(["person_key"], ["people.key"], name="fk_out_calls_person_key"),
        sa.ForeignKeyConstraint(
            ["call_back_id"], ["call_backs.id"], name="fk_out_calls_call_back_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_out_calls"),
        sa.UniqueConstraint("key", name="uq_out_calls_key"),
        sa.UniqueConstraint("call_uid", name="uq_out_calls_call_uid"),
    )
    op.create_index("ix_out_calls_state_not_before", "out_calls", ["state", "not_before"])
    for column in ("ticket_id", "complaint_id", "call_back_id"):
        op.create_index(f"ix_out_calls_{column}", "out_calls", [column])
