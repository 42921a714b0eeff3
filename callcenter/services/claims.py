"""Who has a complaint on the desk: opening takes it, one at a time.

Every verb holds the complaint first, so that of two who open it at once one comes second; the
unique key of an open claim would refuse the second anyway.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from callcenter.domain.complaint import ComplaintState
from callcenter.services import audit, history
from callcenter.services.errors import Conflict
from callcenter.services.holding import hold
from callcenter.store.desk_models import DeskClaim
from callcenter.store.models import Complaint

_ON_DESK = frozenset(
    {
        ComplaintState.RECEIVED,
        ComplaintState.TRANSCRIBED,
        ComplaintState.CATEGORISED,
        ComplaintState.REOPENED,
    }
)


def on_desk(complaint: Complaint) -> bool:
    """Whether an operator has to work on it: what agencies have, nobody takes."""
    return complaint.state in _ON_DESK or complaint.returned_at is not None


def current(
    session: Session, complaint_id: int, *, now: datetime, lasts: timedelta
) -> DeskClaim | None:
    """The claim that holds; None when there is none, or a stale one."""
    claim = _open(session, complaint_id)
    return claim if claim is not None and now < claim.seen_at + lasts else None


def take(
    session: Session, complaint_id: int, *, actor: str, now: datetime, lasts: timedelta
) -> DeskClaim | None:
    """The claim after `actor` opened the complaint: theirs, or that of who has it already.

    None for a complaint on which nobody has to work. A stale claim comes free here.
    """
    if not on_desk(hold(session, complaint_id)):
        return None
    claim = _open(session, complaint_id)
    if claim is not None and claim.by != actor and now < claim.seen_at + lasts:
        return claim
    if claim is not None and claim.by == actor:
        claim.seen_at = now
        return claim
    if claim is not None:
        _end(session, claim, now, "stale")
    return _begin(session, complaint_id, actor, now)


def take_over(session: Session, complaint_id: int, *, actor: str, now: datetime) -> DeskClaim:
    """Take it from who has it; history and audit say from whom."""
    if not on_desk(hold(session, complaint_id)):
        raise Conflict("Aduan ini sudah tidak menunggu di meja operator.")
    claim = _open(session, complaint_id)
    if claim is not None and claim.by == actor:
        claim.seen_at = now
        return claim
    if claim is not None:
        _end(session, claim, now, "taken")
        history.note(session, complaint_id, "take_over", actor=actor, now=now, why=claim.by)
        thing, detail = f"complaint:{complaint_id}", {"from": claim.by}
        audit.record(
            session, actor=actor, action="complaint_taken", thing=thing, now=now, detail=detail
        )
    return _begin(session, complaint_id, actor, now)


def let_go(session: Session, complaint_id: int, *, actor: str, now: datetime) -> None:
    """Put it back, for the others; nothing when somebody else has it."""
    hold(session, complaint_id)
    claim = _open(session, complaint_id)
    if claim is not None and claim.by == actor:
        _end(session, claim, now, "let_go")


def done(session: Session, complaint_id: int, *, now: datetime) -> None:
    """The work is done; for verbs that hold the complaint."""
    claim = _open(session, complaint_id)
    if claim is not None:
        _end(session, claim, now, "done")


def check(
    session: Session, complaint_id: int, *, actor: str, now: datetime, lasts: timedelta
) -> None:
    """Conflict while somebody else has the complaint; a sign of work when `actor` has it."""
    claim = _open(session, complaint_id)
    if claim is None:
        return
    if claim.by == actor:
        claim.seen_at = max(now, claim.seen_at)
    elif now < claim.seen_at + lasts:
        raise Conflict("Aduan ini sedang dikerjakan orang lain. Ambil alih dulu, lalu simpan lagi.")


def _open(session: Session, complaint_id: int) -> DeskClaim | None:
    return session.scalar(
        select(DeskClaim)
        .where(DeskClaim.open_id == complaint_id)
        .execution_options(populate_existing=True)
    )


def _begin(session: Session, complaint_id: int, actor: str, now: datetime) -> DeskClaim:
    claim = DeskClaim(
        complaint_id=complaint_id, open_id=complaint_id, by=actor, taken_at=now, seen_at=now
    )
    session.add(claim)
    session.flush()
    return claim


def _end(session: Session, claim: DeskClaim, now: datetime, how: str) -> None:
    claim.open_id, claim.ended_at, claim.ended_how = None, now, how
    session.flush()  # before another begins
