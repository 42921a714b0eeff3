"""Who is on duty for whom, when and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "duty_swaps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agency_key", sa.String(length=40), nullable=False),
        sa.Column("out_key", sa.String(length=40), nullable=True),
        sa.Column("in_key", sa.String(length=40), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.String(length=300), nullable=False),
        sa.Column("made_by", sa.String(length=80), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_by", sa.String(length=80), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency_key"], ["agencies.key"], name=op.f("fk_duty_swaps_agency_key")
        ),
        sa.ForeignKeyConstraint(["in_key"], ["people.key"], name=op.f("fk_duty_swaps_in_key")),
        sa.ForeignKeyConstraint(["out_key"], ["people.key"], name=op.f("fk_duty_swaps_out_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_swaps")),
    )
    op.create_index(
        "ix_duty_swaps_agency_key_ends_at", "duty_swaps", ["agency_key", "ends_at"], unique=False
    )
