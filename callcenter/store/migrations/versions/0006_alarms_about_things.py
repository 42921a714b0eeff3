"""Alarms about one of several things, with the words that were told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("alarms") as table:
        table.add_column(
            sa.Column("thing", sa.String(length=80), nullable=False, server_default="")
        )
        table.add_column(sa.Column("words", sa.Text(), nullable=False, server_default=""))
        table.alter_column("open_kind", type_=sa.String(length=110), existing_nullable=True)
    with op.batch_alter_table("alarms") as table:
        table.alter_column("thing", server_default=None)
        table.alter_column("words", server_default=None)
