"""Photos, voices, videos and papers that citizens send along: fetched from the provider, looked at,
and kept, each once.

A row stands for a file from the moment its message came in, so that none is lost: it is claimed
by a conditional UPDATE with a growing fence, fetched, and settled; whoever was too late changes
nothing. What a file is, its own bytes say and not its sender. What is none of ours to show goes
into quarantine with its reason; nothing is thrown away.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from callcenter.gateways.channel import TransportError
from callcenter.services import attachments, audit, evidence, voice_notes
from callcenter.services.attachments import Material
from callcenter.services.errors import NotFound, Refused
from callcenter.store.desk_models import ComplaintFile
from callcenter.store.inbound_models import InboundMessage, MessageFile
from callcenter.store.models import Complaint
from callcenter.store.session import Store

log = logging.getLogger("aduan24.media")

WAITING, FETCHING, KEPT, ODD, GIVEN_UP = "waiting", "fetching", "kept", "odd", "given_up"
#: A worker that holds a file for so long is dead: another one may fetch it.
LEASE = timedelta(seconds=60)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=30)
TRIES = 20  # about seven hours
_QUARANTINE = Path("quarantine") / "messages"
#: A track of pictures in a file of MP4's kind (ISO/IEC 14496-12, 8.4.3): handler `vide`.
_FILM = re.compile(rb"^....ftyp.*?hdlr.{8}vide", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a message: where the provider keeps it (empty: nowhere we know), what it says."""

    address: str
    said_type: str


class Source(Protocol):
    """Where the provider keeps files."""

    def fetch(self, address: str, to: Path) -> int:
        """Write the file, whole or not at all; its bytes. Raises TransportError."""


def note(session: Session, message_id: int, found: Sequence[Found], *, now: datetime) -> None:
    """Write the files of a message down, with the message itself."""
    for place, file in enumerate(found):
        known = bool(file.address)
        session.add(
            MessageFile(
                message_id=message_id,
                place=place,
                address=file.address,
                said_type="".join(c for c in file.said_type if c.isprintable())[:60],
                state=WAITING if known else GIVEN_UP,
                error="" if known else "an address that is not the provider's",
                fetch_at=now,
            )
        )
    session.flush()


def due(session: Session, now: datetime, limit: int = 100) -> Sequence[int]:
    """Files to be fetched now."""
    rows = select(MessageFile.id).where(_is_due(now)).order_by(MessageFile.fetch_at)
    return session.scalars(rows.limit(limit)).all()


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(MessageFile.state == WAITING, MessageFile.fetch_at <= now),
        and_(MessageFile.state == FETCHING, MessageFile.claimed_at <= now - LEASE),
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    file_id: int
    fence: int
    address: str


def fetch(
    store: Store, file_id: int, source: Source, folder: Path, *, clock: Callable[[], datetime]
) -> bool:
    """Fetch one file if it is due and nobody else has it; whether this call did something.

    Running it twice is harmless: the second claim finds nothing, and the same content is one file.
    """
    with store.write() as session:
        claim = _claim(session, file_id, clock())
    if claim is None:
        return False
    draft = folder / "incoming" / f"{file_id}-{secrets.token_hex(6)}"
    draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(draft.parent, clock())
    try:
        source.fetch(claim.address, draft)
        data = draft.read_bytes()
    except (TransportError, OSError) as error:
        gone = isinstance(error, TransportError) and error.permanent
        with store.write() as session:
            _put_off(session, claim, _words(error), clock(), gone=gone)
        return True
    finally:
        draft.unlink(missing_ok=True)
    _settle(store, claim, data, folder, clock())
    return True


def _sweep(incoming: Path, now: datetime) -> None:
    """What killed workers left half fetched; it is fetched anew."""
    for left in incoming.iterdir():
        with suppress(OSError):
            if left.stat().st_mtime < (now - timedelta(days=1)).timestamp():
                left.unlink()


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, TransportError) else f"disk: {type(error).__name__}"


def _claim(session: Session, file_id: int, now: datetime) -> _Claim | None:
    taken = session.execute(
        update(MessageFile)
        .where(MessageFile.id == file_id, _is_due(now))
        .values(
            state=FETCHING,
            claimed_at=now,
            fence=MessageFile.fence + 1,
            tries=MessageFile.tries + 1,
        )
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    file = session.get_one(MessageFile, file_id)
    return _Claim(file.id, file.fence, file.address)


def _held(session: Session, claim: _Claim) -> MessageFile | None:
    return session.scalar(
        select(MessageFile)
        .where(
            MessageFile.id == claim.file_id,
            MessageFile.fence == claim.fence,
            MessageFile.state == FETCHING,
        )
        .with_for_update()
    )


def _put_off(session: Session, claim: _Claim, error: str, now: datetime, *, gone: bool) -> None:
    file = _held(session, claim)
    if file is None:
        return
    over = gone or file.tries >= TRIES
    file.state, file.claimed_at, file.error = GIVEN_UP if over else WAITING, None, error[:300]
    file.fetch_at = now + min(_FIRST_PAUSE * 2 ** min(file.tries - 1, 20), _LONGEST_PAUSE)


def _settle(store: Store, claim: _Claim, data: bytes, folder: Path, now: datetime) -> None:
    """On disk first, then the row: a crash between repeats it, and finds the same file there."""
    try:
        material, why = looked_at(data), ""
    except Refused as refused:
        digest = hashlib.sha256(data).hexdigest()
        material, why = Material(data, digest, str(_QUARANTINE), "bin", ""), refused.message
    path = attachments.keep(material, folder, now)
    with store.write() as session:
        # The message before its file, as whoever joins it to a complaint does.
        message = session.scalar(
            select(InboundMessage)
            .join(MessageFile, MessageFile.message_id == InboundMessage.id)
            .where(MessageFile.id == claim.file_id)
            .with_for_update(of=InboundMessage)
        )
        file = _held(session, claim)
        if file is None or message is None:
            return
        file.state, file.claimed_at, file.error = ODD if why else KEPT, None, why[:300]
        file.path, file.sha256, file.bytes = path, material.sha256, len(material.data)
        file.media_type, file.seconds, file.done_at = material.media_type, material.seconds, now
        if why:
            log.warning("a file of message %d is in quarantine", message.id)
        elif message.complaint_id is not None:
            _give(session, message.complaint_id, [file], now)


def looked_at(data: bytes) -> Material:
    """What the bytes are: a picture made plain, a paper, a voice, a film. Raises Refused."""
    digest = hashlib.sha256(data).hexdigest()
    if _FILM.match(data):
        return Material(data, digest, "videos", "mp4", "video/mp4")
    kind = voice_notes.kind_of(data)
    if kind is None:
        try:
            return evidence.looked_at(data)
        except Refused:
            raise Refused("file", "Bukan foto, suara, video, atau PDF yang terbaca.") from None
    media_type, ending, readable = kind
    seconds, speech = voice_notes.measured(data) if readable else (None, None)
    return Material(
        data, digest, "voices", ending, media_type, seconds=seconds, speech_seconds=speech
    )


def give_to(session: Session, message: InboundMessage, complaint: Complaint, now: datetime) -> None:
    """The files that are here already become the complaint's; later ones follow by themselves.

    The caller holds the message.
    """
    rows = select(MessageFile).where(
        MessageFile.message_id == message.id, MessageFile.state == KEPT
    )
    _give(session, complaint.id, session.scalars(rows).all(), now)


def _give(session: Session, complaint_id: int, files: Sequence[MessageFile], now: datetime) -> None:
    has = select(ComplaintFile.sha256).where(ComplaintFile.complaint_id == complaint_id)
    known = set(session.scalars(has))
    for file in files:
        if file.sha256 in known:
            continue
        known.add(file.sha256)
        session.add(
            ComplaintFile(
                complaint_id=complaint_id,
                path=file.path,
                sha256=file.sha256,
                media_type=file.media_type,
                bytes=file.bytes,
                added_by="citizen",
                added_at=now,
            )
        )
    session.flush()


def again(session: Session, file_id: int, *, actor: str, now: datetime) -> MessageFile:
    """Try once more to fetch a file that was given up; only such a one with a known address."""
    file = session.get(MessageFile, file_id, with_for_update=True)
    if file is None:
        raise NotFound("Lampiran ini tidak ada.")
    if file.state != GIVEN_UP or not file.address:
        raise Refused("state", "Hanya lampiran yang gagal diambil yang bisa dicoba lagi.")
    file.state, file.tries, file.fetch_at = WAITING, 0, now
    thing = f"message_file:{file_id}"
    audit.record(session, actor=actor, action="file_tried_again", thing=thing, now=now)
    return file
