"""Operators at their telephones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "operator_calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ringing", sa.JSON(), nullable=False),
        sa.Column("extension", sa.String(length=32), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_operator_calls_call_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_operator_calls_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_calls")),
        sa.UniqueConstraint("call_id", name=op.f("uq_operator_calls_call_id")),
    )
    op.create_index(
        op.f("ix_operator_calls_ended_at"), "operator_calls", ["ended_at"], unique=False
    )
    op.create_index(op.f("ix_operator_calls_user_id"), "operator_calls", ["user_id"], unique=False)
    op.create_table(
        "presences",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("extension", sa.String(length=32), nullable=True),
        sa.Column("last_extension", sa.String(length=32), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("wrap_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_presences_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_presences")),
        sa.UniqueConstraint("extension", name=op.f("uq_presences_extension")),
    )
    op.create_table(
        "operator_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("operator_call_id", sa.Integer(), nullable=True),
        sa.Column("detail", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_call_id"],
            ["operator_calls.id"],
            name=op.f("fk_operator_events_operator_call_id"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_operator_events_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_events")),
    )
    op.create_index(op.f("ix_operator_events_at"), "operator_events", ["at"], unique=False)
