"""What complaints are found by, for all that are there already; saved views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callcenter.store.search_index import fill
from callcenter.store.search_models import ON_POSTGRESQL, ON_SQLITE

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "complaint_search",
        sa.Column("complaint_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("facets", sa.Text(), nullable=False),
        sa.Column("tickets", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaints.id"], name=op.f("fk_complaint_search_complaint_id")
        ),
        sa.PrimaryKeyConstraint("complaint_id", name=op.f("pk_complaint_search")),
    )
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("query", sa.String(length=1000), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_saved_views_owner_name")),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in ON_SQLITE if sqlite else ON_POSTGRESQL[:1]:
        op.get_bind().exec_driver_sql(statement)
    fill(op.get_bind())
    for statement in () if sqlite else ON_POSTGRESQL[1:]:
        op.get_bind().exec_driver_sql(statement)
