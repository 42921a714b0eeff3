"""Messages of citizens wait for an operator, who joins them to a complaint or puts them aside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    with op.batch_alter_table("inbound_messages") as table:
        table.add_column(sa.Column("complaint_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("settled_by", sa.String(length=60), nullable=True))
        table.add_column(
            sa.Column("settled_why", sa.String(length=300), nullable=False, server_default="")
        )
        table.create_foreign_key(
            op.f("fk_inbound_messages_complaint_id"), "complaints", ["complaint_id"], ["id"]
        )
        table.create_index("ix_inbound_messages_complaint_id", ["complaint_id"])
        table.create_index("ix_inbound_messages_result_settled_at", ["result", "settled_at"])
