"""Forms of the officer's page are taken once, by the key that they carry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "submissions",
        sa.Column("link_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("verb", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["officer_links.id"], name=op.f("fk_submissions_link_id")
        ),
        sa.PrimaryKeyConstraint("link_id", "key", name=op.f("pk_submissions")),
    )
