"""Audit rows get a mark, a place in the chain and a seal; the chain has a head."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    with op.batch_alter_table("audit") as table:
        table.add_column(sa.Column("mark", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("place", sa.Integer(), nullable=True))
        table.add_column(sa.Column("seal", sa.String(length=64), nullable=True))
        table.create_unique_constraint(op.f("uq_audit_place"), ["place"])
    op.create_index(
        "ix_audit_unsealed",
        "audit",
        ["id"],
        sqlite_where=sa.text("place IS NULL"),
        postgresql_where=sa.text("place IS NULL"),
    )
    op.create_index("ix_audit_thing", "audit", ["thing", "id"])
    op.create_index("ix_audit_actor", "audit", ["actor", "id"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
