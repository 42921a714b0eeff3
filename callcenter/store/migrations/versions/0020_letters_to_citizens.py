"""Operators write to citizens: who wrote a notice, and messages are found by their sender."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("notices", sa.Column("written_by", sa.String(length=60), nullable=True))
    op.create_index("ix_inbound_messages_sender", "inbound_messages", ["sender"])
