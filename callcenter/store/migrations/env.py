"""What Alembic runs around the migrations: on the connection that it is handed, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from callcenter.store.models import Base, UtcDateTime
from callcenter.store.search_models import compared


def _rendered(kind: str, thing: Any, _context: AutogenContext) -> str | Literal[False]:
    """A migration names plain types only: it must run when the models have long moved on."""
    if kind == "type" and isinstance(thing, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and getattr(thing, "enum_class", None):
        return f"sa.String(length={thing.length})"
    return False


def _plainer(_context: Any, _revision: Any, directives: list[ops.MigrationScript]) -> None:
    """An index needs no copy of its table: take it out of the batch that SQLite's ALTER needs."""
    upgrade = directives[0].upgrade_ops
    if upgrade is not None:
        upgrade.ops = [step for group in upgrade.ops for step in _unwrapped(group)]


def _unwrapped(step: ops.MigrateOperation) -> Iterator[ops.MigrateOperation]:
    indexes = (ops.CreateIndexOp, ops.DropIndexOp)
    if isinstance(step, ops.ModifyTableOps) and all(isinstance(s, indexes) for s in step.ops):
        yield from step.ops
    else:
        yield step


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=compared,
    render_as_batch=True,
    render_item=_rendered,
    process_revision_directives=_plainer,
)
with context.begin_transaction():
    context.run_migrations()
