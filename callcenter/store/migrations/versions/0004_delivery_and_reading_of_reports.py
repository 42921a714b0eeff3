"""Delivery and reading of reports: what is a sound has a length, a notice may be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("attachments") as table:
        table.add_column(sa.Column("seconds", sa.Float(), nullable=True))
        table.add_column(sa.Column("speech_seconds", sa.Float(), nullable=True))
    with op.batch_alter_table("notices") as table:
        table.add_column(sa.Column("read_at", sa.DateTime(timezone=True), nullable=True))
