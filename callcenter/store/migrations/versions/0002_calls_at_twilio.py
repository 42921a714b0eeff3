"""Calls that go on at Twilio, and the recordings that it keeps for us."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "twilio_calls",
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("call_uid", sa.String(length=80), nullable=False),
        sa.Column("caller", sa.String(length=80), nullable=False),
        sa.Column("called", sa.String(length=80), nullable=False),
        sa.Column("mode", sa.String(length=30), nullable=False),
        sa.Column("begun", sa.JSON(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("public_number", sa.String(length=8), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.String(length=40), nullable=False),
        sa.Column("spooled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("call_sid", name=op.f("pk_twilio_calls")),
        sa.UniqueConstraint("call_uid", name=op.f("uq_twilio_calls_call_uid")),
    )
    op.create_index(
        "ix_twilio_calls_spooled_at_ended_at", "twilio_calls", ["spooled_at", "ended_at"]
    )
    op.create_table(
        "twilio_recordings",
        sa.Column("recording_sid", sa.String(length=34), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("take", sa.Integer(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetch_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("recording_sid", name=op.f("pk_twilio_recordings")),
        sa.UniqueConstraint(
            "call_sid", "kind", "take", name=op.f("uq_twilio_recordings_call_sid_kind_take")
        ),
    )
    op.create_index(op.f("ix_twilio_recordings_fetch_at"), "twilio_recordings", ["fetch_at"])
