"""The line's services: inquiries, modes, call-backs, flags of callers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "call_backs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("caller", sa.String(length=20), nullable=False),
        sa.Column("open_caller", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_backs")),
        sa.UniqueConstraint("open_caller", name=op.f("uq_call_backs_open_caller")),
    )
    op.create_index(op.f("ix_call_backs_caller"), "call_backs", ["caller"], unique=False)
    op.create_index("ix_call_backs_state_next_at", "call_backs", ["state", "next_at"], unique=False)
    op.create_table(
        "caller_flags",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("caller", sa.String(length=20), nullable=False),
        sa.Column("proposed_by", sa.String(length=80), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.String(length=80), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.String(length=80), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caller_flags")),
        sa.UniqueConstraint("caller", name=op.f("uq_caller_flags_caller")),
    )
    op.create_table(
        "line_switches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("switched_by", sa.String(length=80), nullable=False),
        sa.Column("switched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_switches")),
    )
    op.create_table(
        "status_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller_hash", sa.String(length=64), nullable=False),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.Column("public_number", sa.String(length=8), nullable=True),
        sa.Column("evaluated", sa.Boolean(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_attempts")),
    )
    op.create_index(op.f("ix_status_attempts_at"), "status_attempts", ["at"], unique=False)
    op.create_index(
        "ix_status_attempts_caller_hash_at", "status_attempts", ["caller_hash", "at"], unique=False
    )
    op.create_index(
        "ix_status_attempts_public_number_at",
        "status_attempts",
        ["public_number", "at"],
        unique=False,
    )
    op.create_table(
        "call_back_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_back_id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_back_id"], ["call_backs.id"], name=op.f("fk_call_back_requests_call_back_id")
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_call_back_requests_call_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_back_requests")),
        sa.UniqueConstraint("call_id", name=op.f("uq_call_back_requests_call_id")),
    )
    op.create_index(
        op.f("ix_call_back_requests_call_back_id"),
        "call_back_requests",
        ["call_back_id"],
        unique=False,
    )
    op.create_table(
        "call_back_tries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_back_id", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(length=80), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["call_back_id"], ["call_backs.id"], name=op.f("fk_call_back_tries_call_back_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_back_tries")),
    )
    op.create_index(
        op.f("ix_call_back_tries_call_back_id"), "call_back_tries", ["call_back_id"], unique=False
    )
    op.create_index(
        op.f("ix_complaints_reporter_phone"), "complaints", ["reporter_phone"], unique=False
    )
