"""Blocks of public numbers: disjoint ranges of serials, one node each.

A node that owns a block gives numbers out while database, Redis and application are down.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from callcenter.store.models import NumberBlock
from ivr.numbers import MAX_SERIAL, make_number

APP_NODE = "app"
_APP_BLOCK = 1_000


class NumbersExhausted(RuntimeError):
    """All seven-digit serials are given out; widen the number before that."""


def reserve(session: Session, node: str, size: int, now: datetime) -> range:
    """Reserve the next `size` serials for `node`; the unique first serial settles a race."""
    last = session.scalar(select(func.max(NumberBlock.last)))
    first = 0 if last is None else last + 1
    if first + size - 1 > MAX_SERIAL:
        raise NumbersExhausted(f"no block of {size} numbers is left")
    block = NumberBlock(node=node, first=first, last=first + size - 1, next=first, reserved_at=now)
    session.add(block)
    session.flush()
    return range(block.first, block.last + 1)


def take(session: Session, now: datetime) -> str:
    """One public number of the application's own block: adopted calls, walk-ins, messages."""
    block = session.scalar(
        select(NumberBlock)
        .where(NumberBlock.node == APP_NODE, NumberBlock.next <= NumberBlock.last)
        .order_by(NumberBlock.first)
        .with_for_update()
    )
    if block is None:
        reserve(session, APP_NODE, _APP_BLOCK, now)
        return take(session, now)
    serial = block.next
    block.next += 1
    session.flush()
    return make_number(serial)
