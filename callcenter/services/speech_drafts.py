"""Speech to text as an optional draft: asked for when a recording is filed, written once, shown
beside the operator's text, and never the operator's until they take it over.

A claim is a conditional UPDATE with a fence that grows; who was not heard of for the length of a
lease has died, and its draft is due again. After a few tries it has failed, with a reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from callcenter.gateways.hearing import (
    LOADING_S,
    Engine,
    EngineFailed,
    EngineStopped,
    Heard,
    NoSound,
    longest_wait_s,
)
from callcenter.store.models import Call, Complaint, Recording
from callcenter.store.session import Store
from callcenter.store.speech_models import SpeechDraft

log = logging.getLogger("aduan24.speech")

WANTED, RUNNING, DONE, FAILED = "wanted", "running", "done", "failed"
TRIES = 3
_PAUSES = (timedelta(seconds=10), timedelta(minutes=2))
_LEAST_SPEECH_S = 0.2
_AT_ONCE = 20  # letters; the rest is posted when these are done


@dataclass(frozen=True, slots=True)
class Claim:
    """A draft in this worker's hands: the recording's file, relative to the recordings folder."""

    draft_id: int
    fence: int
    path: str
    tries: int


def want(session: Session, recordings: Iterable[Recording], *, now: datetime) -> None:
    """Ask for a draft of each recording in which somebody speaks. For recordings that are new."""
    for recording in recordings:
        if recording.speech_seconds >= _LEAST_SPEECH_S:
            draft = SpeechDraft(recording=recording, state=WANTED, wanted_at=now, next_at=now)
            session.add(draft)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return SpeechDraft.state.in_((WANTED, RUNNING)) & (SpeechDraft.next_at <= now)


def due(session: Session, now: datetime) -> list[tuple[int, int]]:
    """(id, tries so far) of the drafts that somebody should write now, the oldest first."""
    found = select(SpeechDraft.id, SpeechDraft.tries).where(_is_due(now))
    rows = session.execute(found.order_by(SpeechDraft.next_at).limit(_AT_ONCE))
    return [(row.id, row.tries) for row in rows]


def write(
    store: Store, draft_id: int, engine: Engine, recordings: Path, clock: Callable[[], datetime]
) -> bool:
    """Write one draft if it is due and nobody else has it; whether this call did something.

    Running it twice is harmless: the second claim finds nothing to claim, and a result that comes
    after its lease has a fence that is too old.
    """
    with store.write() as session:
        claim = take(session, draft_id, now=clock())
    if claim is None:
        return False
    started = clock()
    try:
        outcome: Heard | NoSound | EngineFailed = engine.listen(_inside(recordings, claim.path))
    except (NoSound, EngineFailed) as error:
        outcome = error
        log.warning("draft %d: %s", draft_id, error)
    ended = clock()
    took = (ended - started).total_seconds()
    with store.write() as session:
        settle(session, claim, outcome, engine, now=ended, took_s=took)
    return True


def _inside(recordings: Path, path: str) -> Path:
    """The file; NoSound for a place outside of the recordings."""
    root = recordings.resolve()
    file = (root / path).resolve()
    if not file.is_relative_to(root):
        raise NoSound("lies outside of the recordings")
    return file


def take(session: Session, draft_id: int, *, now: datetime) -> Claim | None:
    """Claim a draft that is due. One whose tries are used up has failed: nobody came back."""
    dead = (SpeechDraft.id == draft_id, _is_due(now), SpeechDraft.tries >= TRIES)
    reason = f"whoever wrote it died {TRIES} times"
    session.execute(
        update(SpeechDraft)
        .where(*dead)
        .values(state=FAILED, error=reason, ended_at=now)
        .execution_options(synchronize_session=False)
    )
    found = select(Recording.path, Recording.seconds).join(
        SpeechDraft, SpeechDraft.recording_id == Recording.id
    )
    sound = session.execute(found.where(SpeechDraft.id == draft_id)).one_or_none()
    if sound is None:
        return None
    taken = session.execute(
        update(SpeechDraft)
        .where(SpeechDraft.id == draft_id, _is_due(now))
        .values(
            state=RUNNING,
            next_at=now + lease_of(sound.seconds),
            tries=SpeechDraft.tries + 1,
            fence=SpeechDraft.fence + 1,
        )
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    ours = select(SpeechDraft.fence, SpeechDraft.tries).where(SpeechDraft.id == draft_id)
    row = session.execute(ours).one()
    return Claim(draft_id, row.fence, sound.path, row.tries)


def lease_of(seconds: float) -> timedelta:
    """Longer than an engine may take for a sound of `seconds`; who is silent so long is dead."""
    return timedelta(seconds=LOADING_S + longest_wait_s(seconds) + 60)


def settle(
    session: Session,
    claim: Claim,
    outcome: Heard | NoSound | EngineFailed,
    engine: Engine,
    *,
    now: datetime,
    took_s: float,
) -> bool:
    """Write down what came of it; False when the draft is no longer this worker's, or is gone."""
    values: dict[str, object] = {"engine": engine.name, "model": engine.model[:80]}
    if isinstance(outcome, Heard):
        values |= {"state": DONE, "ended_at": now, "words": outcome.rows, "error": ""}
        values |= {"language": outcome.language[:10], "took_s": round(took_s, 2)}
    else:
        values["error"] = str(outcome)[:200]
        if isinstance(outcome, EngineStopped):
            values |= {"state": WANTED, "next_at": now, "tries": claim.tries - 1}
        elif isinstance(outcome, NoSound) or claim.tries >= TRIES:
            values |= {"state": FAILED, "ended_at": now}
        else:
            values |= {"state": WANTED, "next_at": now + _PAUSES[claim.tries - 1]}
    written = session.execute(
        update(SpeechDraft)
        .where(
            SpeechDraft.id == claim.draft_id,
            SpeechDraft.fence == claim.fence,
            SpeechDraft.state == RUNNING,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    won: bool = written.rowcount == 1  # type: ignore[attr-defined]
    return won


def of_call(session: Session, call_id: int) -> Sequence[SpeechDraft]:
    """The drafts of a call's recordings."""
    found = select(SpeechDraft).join(Recording).where(Recording.call_id == call_id)
    return session.scalars(found.order_by(SpeechDraft.recording_id)).all()


def of_recording(session: Session, recording_id: int) -> SpeechDraft | None:
    """The draft of a recording; None when none was asked for."""
    return session.scalar(select(SpeechDraft).where(SpeechDraft.recording_id == recording_id))


def forget(session: Session, complaint: Complaint) -> None:
    """Remove the drafts of a complaint: they may name its reporter. One that is being written is
    gone, too: its result finds no row."""
    theirs = select(Recording.id).join(Call).where(Call.id == complaint.call_id)
    session.execute(
        delete(SpeechDraft)
        .where(SpeechDraft.recording_id.in_(theirs))
        .execution_options(synchronize_session=False)
    )
