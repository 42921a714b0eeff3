"""Blocks of public numbers: disjoint ranges of serials, one node each.

A node that owns a block gives numbers out while database, Redis and application are down. The
exchange's numbers are a file, `numbers.txt`, nine bytes each; `taken` holds nine bytes for each
that is gone (dialplans/extensions.conf.j2, [aduan-number]). Both only grow: a hundred calls a
day make some three megabytes in ten years. `day-YYYYMMDD` beside them counts a day's calls.

A block of an exchange is reserved first (`next` is its first serial), then written to the file,
then marked as handed over (`next` is beyond its last). A crash in between is made good by the
next refill; what was handed over is never written again, even if the file is lost.
"""

from __future__ import annotations

import fcntl
import os
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from errno import ENOSPC
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from callcenter.store.models import Call, Complaint, NumberBlock
from callcenter.store.session import Store
from ivr.numbers import MAX_SERIAL, is_valid, make_number, serial_of

APP_NODE = "@app"  # no exchange can be named so
_APP_BLOCK = 1_000
_LINE = 9  # bytes: eight digits and a line feed
_UNUSABLE = b"00000000\n"
_DAYS_KEPT = timedelta(days=7)
_TURN = 0x6E75_6D62_6572_73  # "numbers": of two who reserve on PostgreSQL at once, one waits

Serials = Sequence[int | None]


class NumbersExhausted(RuntimeError):
    """All seven-digit serials are given out; widen the number before that."""


# ---------------------------------------------------------------- in the database


def reserve(session: Session, node: str, size: int, now: datetime, *, above: int = -1) -> range:
    """Reserve the next `size` serials for `node`, beyond every block and beyond `above`.

    Fewer at the end of all serials; raises NumbersExhausted when none is left.
    """
    block = _reserve(session, node, size, now, above)
    return range(block.first, block.last + 1)


def _reserve(session: Session, node: str, size: int, now: datetime, above: int = -1) -> NumberBlock:
    _take_turn(session)
    reserved = session.scalar(select(func.max(NumberBlock.last)))
    first = 1 + max(above, -1 if reserved is None else reserved)
    last = min(first + size - 1, MAX_SERIAL)
    if first > last:
        raise NumbersExhausted("every seven-digit number is reserved: widen the number")
    block = NumberBlock(node=node, first=first, last=last, next=first, reserved_at=now)
    session.add(block)
    session.flush()
    return block


def _take_turn(session: Session) -> None:
    """SQLite needs none: its write transactions begin one after the other."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TURN)))


def take(session: Session, now: datetime) -> str:
    """One public number of the application's own block: adopted calls, walk-ins, messages."""
    return take_some(session, 1, now)[0]


def take_some(session: Session, count: int, now: datetime) -> list[str]:
    """As `take`, `count` numbers at most and one at least."""
    block = _own_block(session)
    if block is None:
        _take_turn(session)  # somebody else may have reserved one meanwhile
        block = _own_block(session) or _reserve(session, APP_NODE, _APP_BLOCK, now)
    first = block.next
    block.next = min(first + count, block.last + 1)
    session.flush()
    return [make_number(serial) for serial in range(first, block.next)]


def free(session: Session, now: datetime) -> str:
    """The next number that no complaint has; a restored database may have used some already."""
    number = take(session, now)
    while session.scalar(select(Complaint.id).where(Complaint.public_number == number)):
        number = take(session, now)
    return number


def _own_block(session: Session) -> NumberBlock | None:
    return session.scalar(
        select(NumberBlock)
        .where(NumberBlock.node == APP_NODE, NumberBlock.next <= NumberBlock.last)
        .order_by(NumberBlock.first)
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


# ---------------------------------------------------------------- in the exchange's file


def given_out(folder: Path) -> int:
    """How many lines of numbers.txt are gone, counted as the exchange counts them."""
    counted = -(-_size(folder / "taken") // _LINE)
    try:
        repeated = (folder / "next").read_bytes()[:_LINE]
    except FileNotFoundError:
        return counted
    return max(counted, int(b"0" + bytes(c for c in repeated if c in b"0123456789")))


def left(folder: Path) -> int:
    """How many numbers the exchange can still give out by itself."""
    return max(0, _size(folder / "numbers.txt") // _LINE - given_out(folder))


def forget_days(folder: Path, now: datetime) -> None:
    """Delete the counts of days that are over for good. Raises OSError."""
    oldest = f"day-{now - _DAYS_KEPT:%Y%m%d}"
    for path in folder.glob("day-????????"):
        if path.name < oldest:
            path.unlink(missing_ok=True)


def short(session: Session, node: str, folder: Path, wanted: int) -> bool:
    """Whether `refill` has something to do: one small query and the sizes of two files."""
    known = session.scalar(
        select(func.max(NumberBlock.last)).where(
            NumberBlock.node == node, NumberBlock.next > NumberBlock.last
        )
    )
    return left(folder) < wanted // 2 or _last_serial(folder / "numbers.txt") != known


def refill(store: Store, node: str, folder: Path, wanted: int, now: datetime) -> int:
    """See that the exchange has at least half of `wanted` numbers; returns how many it has.

    When it has fewer, `wanted` more are reserved for `node` and appended, in one write. Calls
    may take numbers meanwhile. Repeating it is harmless after a crash at any point, and so are a
    restored database, a restored or lost folder: no number is given out twice. Raises
    NumbersExhausted, OSError, or what the database raises.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _opened(folder / "numbers.txt") as file:
        with store.write() as session:
            _take_turn(session)
            plan = _planned(session, node, _Lines.read(folder), wanted, now)
        _carry_out(plan, file, folder)
        with store.write() as session:
            _mark_handed_over(session, plan)
    return left(folder)


@dataclass(frozen=True)
class _Lines:
    """The whole lines of numbers.txt, and their `serials` (None: damaged)."""

    folder: Path
    content: bytes
    serials: Serials

    @classmethod
    def read(cls, folder: Path) -> _Lines:
        content = (folder / "numbers.txt").read_bytes()
        whole = range(0, len(content) - _LINE + 1, _LINE)
        return cls(folder, content, [_serial(content[at : at + _LINE]) for at in whole])

    def after(self, block: NumberBlock) -> range:
        """What this block has and the file lacks: the file was filled from the block's start."""
        there = [s for s in self.serials if s is not None and block.first <= s <= block.last]
        return range(max([block.next, *(serial + 1 for serial in there)]), block.last + 1)


@dataclass(frozen=True)
class _Plan:
    """Make `taken` say that `gone` lines are; keep `kept` bytes of numbers.txt, append the rest."""

    gone: int
    kept: bytes
    appended: bytes
    blocks: tuple[int, ...]


def _planned(session: Session, node: str, lines: _Lines, wanted: int, now: datetime) -> _Plan:
    _adopt(session, node, lines.serials, now)
    blocks = _blocks(session)
    owners, ours = _Owners(blocks), [block for block in blocks if block.node == node]
    sound = [serial is not None and owners.of(serial) == node for serial in lines.serials]
    gone = _gone(session, lines)
    if _is_older_copy(ours, lines.serials):
        gone = max(gone, len(sound))  # nobody knows how many of these were given out
    keep = next((i for i in range(gone, len(sound)) if not sound[i]), len(sound))
    fresh = [s for s, good in zip(lines.serials[keep:], sound[keep:], strict=True) if good]
    waiting = [block for block in ours if block.next <= block.last]
    for block in waiting:
        fresh += lines.after(block)
    if max(0, keep - gone) + len(fresh) < wanted // 2:
        above = max((serial for serial in lines.serials if serial is not None), default=-1)
        waiting.append(_reserve(session, node, wanted, now, above))
        fresh += range(waiting[-1].first, waiting[-1].last + 1)
    padding = _UNUSABLE * (gone - keep)  # the file was lost: what is gone keeps its places
    appended = padding + b"".join(f"{make_number(s)}\n".encode() for s in fresh if s is not None)
    kept = lines.content[: keep * _LINE]
    return _Plan(gone, kept, appended, tuple(block.id for block in waiting))


def _is_older_copy(ours: Sequence[NumberBlock], serials: Serials) -> bool:
    """Whether this node was handed more than its file holds: the folder was restored, or lost."""
    handed_over = [block.last for block in ours if block.next > block.last]
    return max(handed_over, default=-1) > max((s for s in serials if s is not None), default=-1)


def _blocks(session: Session) -> Sequence[NumberBlock]:
    return session.scalars(select(NumberBlock).order_by(NumberBlock.first)).all()


def _adopt(session: Session, node: str, serials: Serials, now: datetime) -> None:
    """Numbers in the file that the database does not know (it is new, or an older copy) are
    this node's: nobody else gets them."""
    owners = _Owners(_blocks(session))
    unknown = sorted({s for s in serials if s is not None and owners.of(s) is None})
    for first, last in _runs(unknown):
        session.add(NumberBlock(node=node, first=first, last=last, next=last + 1, reserved_at=now))
    session.flush()


def _runs(serials: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbours in ascending serials."""
    start = 0
    for at in range(1, len(serials) + 1):
        if at == len(serials) or serials[at] != serials[at - 1] + 1:
            yield serials[start], serials[at - 1]
            start = at


class _Owners:
    """Whose a serial is, by blocks in ascending order."""

    def __init__(self, blocks: Sequence[NumberBlock]) -> None:
        self._blocks = blocks
        self._firsts = [block.first for block in blocks]

    def of(self, serial: int) -> str | None:
        at = bisect_right(self._firsts, serial) - 1
        return self._blocks[at].node if at >= 0 and serial <= self._blocks[at].last else None


def _gone(session: Session, lines: _Lines) -> int:
    """How many lines are gone: what the exchange counts, and what a call is known to have.

    The exchange counts too few after a power failure, or when the folder is an older copy.
    """
    begun = given_out(lines.folder)
    rest = {make_number(s): i for i, s in enumerate(lines.serials) if i >= begun and s is not None}
    used = [rest[number] + 1 for number in _in_use(session, rest) if number in rest]
    return max([given_out(lines.folder), *used])  # counted again: calls go on meanwhile


def _in_use(session: Session, among: Collection[str]) -> list[str]:
    """The numbers of calls and complaints from the lowest to the highest of these."""
    if not among:
        return []
    first, last = min(among), max(among)
    calls = select(Call.public_number).where(Call.public_number.between(first, last))
    complaints = select(Complaint.public_number).where(Complaint.public_number.between(first, last))
    return [number for number in session.scalars(calls.union(complaints)) if number]


def _carry_out(plan: _Plan, file: int, folder: Path) -> None:
    """Cut off what nobody may take, append what is new, each in one step; then it is on disk."""
    whole = plan.kept + plan.appended
    if given_out(folder) < plan.gone:
        with _opened(folder / "taken") as taken:
            _append(taken, whole[os.fstat(taken).st_size : plan.gone * _LINE])
    if os.fstat(file).st_size != len(plan.kept):
        os.ftruncate(file, len(plan.kept))
    _append(file, plan.appended)
    _sync_folder(folder)


def _append(file: int, data: bytes) -> None:
    """All of it in one write, and on disk; half a line that a full disk leaves is cut off later."""
    if data and os.write(file, data) != len(data):
        raise OSError(ENOSPC, os.strerror(ENOSPC))
    os.fsync(file)


def _mark_handed_over(session: Session, plan: _Plan) -> None:
    session.execute(
        update(NumberBlock).where(NumberBlock.id.in_(plan.blocks)).values(next=NumberBlock.last + 1)
    )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file for reading and appending, ours alone until the end of the block."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _serial(line: bytes) -> int | None:
    text = line[:-1].decode("ascii", errors="replace")
    return serial_of(text) if line.endswith(b"\n") and is_valid(text) else None


def _last_serial(path: Path) -> int | None:
    """The serial of the last line; None for a damaged line, or no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, _size(path) - _LINE))
            return _serial(file.read())
    except FileNotFoundError:
        return None
