"""Officers choose a PIN for closing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    with op.batch_alter_table("people") as table:
        table.add_column(sa.Column("pin_seal", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("pin_set_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("pin_wrong", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("pin_locked_until", sa.DateTime(timezone=True), nullable=True))
