"""From the spool on disk to calls, recordings and complaints in the database.

The order makes every crash harmless: repair the header where the clip lies, put the clip at its
final place, write the database, keep the sidecar beside the audio, empty the spool. Each step
finds what an earlier run has done, and the spool is emptied only of what is in the database.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from errno import EMLINK, ENOSYS, ENOTSUP, EPERM, EXDEV
from pathlib import Path

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

from callcenter.services import intake, kept
from callcenter.services.intake import Clip, HeardCall
from callcenter.store.models import Call
from callcenter.store.session import Store
from ivr.speech import speech_seconds
from ivr.spool import Look, NotInSpool, Spool, SpooledCall, SpooledClip
from ivr.wav import NotAWave, repair

log = logging.getLogger("aduan24.line")

SETTLE_S = 0.3
"""How long after a call's end its driver may still be writing its last lines."""

_NO_HARD_LINKS = frozenset({EXDEV, EPERM, EMLINK, ENOTSUP, ENOSYS})
_AWAY = (OperationalError, InterfaceError, TimeoutError)
_LONGEST_PAUSE = 8  # sweeps
_ADOPTED = "adopted"  # the mode of a call that left nothing but audio
_ROOM = "room"  # a line that only tried whether the disk takes one

Live = Callable[[], Collection[str] | None]


class Misplaced(OSError):
    """The place of a recording leads elsewhere; the message names it."""


@dataclass(frozen=True)
class Filing:
    """Files calls of `spool`; the audio goes to `recordings`/calls/YYYY/MM/DD/<call id>/.

    A call with less than `silent_below` seconds of speech is no complaint. `drafts`: what was said
    is to be turned into words.
    """

    store: Store
    spool: Spool
    recordings: Path
    silent_below: float
    drafts: bool = False
    _days: set[tuple[Path, int]] = field(default_factory=set, repr=False)

    def file(self, call: SpooledCall, now: datetime) -> Call:
        """File a call and take it out of the spool; harmless to repeat after a crash anywhere.

        Raises OSError (a full disk), Misplaced, or what the database raises: then the call is
        still in the spool.
        """
        place = _Place.of(self.recordings, call)
        clips = tuple(taken for clip in call.clips if (taken := self._keep(clip, place)))
        if clips:
            place.sync(self._days)
        with self.store.write() as session:
            filed = intake.file_call(
                session,
                heard(call, clips),
                now=now,
                silent_below=self.silent_below,
                drafts=self.drafts,
            )
            complaint = filed.complaint is not None
        if call.sidecar:
            place.make()
            kept.keep(call.sidecar, place.folder)
        self.spool.remove(call)
        what = "a complaint" if complaint else "silent"
        log.info("call %s: filed with %d recordings, %s", call.call_id, len(clips), what)
        return filed

    def put_aside(self, path: Path, reason: str) -> None:
        """Move a file that cannot be used into quarantine. Raises OSError."""
        self.spool.quarantine(path, reason)
        log.warning("put into quarantine: %r: %s", path.name, reason)

    def _keep(self, clip: SpooledClip, place: _Place) -> Clip | None:
        """The clip, repaired, measured and at its final place; None without a usable one."""
        try:
            path = self.spool.verify(clip.path)
            wave, speech = repair(path), speech_seconds(path)
        except FileNotFoundError:
            return None  # filed by a run that was cut short while it emptied the spool
        except (NotAWave, NotInSpool) as error:
            self.put_aside(clip.path, str(error))
            return None
        if clip.kind == "talk" and not wave.seconds:
            return None  # nobody answered: the exchange opens the file before anybody is called
        target = place.folder / f"{clip.kind}-{clip.take}.wav"
        sha256 = place.take_in(path, target)
        if sha256 is None:
            self.put_aside(path, "another recording of this call has its place")
            return None
        return Clip(
            kind=clip.kind,
            take=clip.take,
            path=str(target.relative_to(place.root)),
            sha256=sha256,
            bytes=target.stat().st_size,
            seconds=round(wave.seconds, 3),
            speech_seconds=speech,
            repaired=wave.repaired,
        )


def heard(call: SpooledCall, clips: tuple[Clip, ...] = ()) -> HeardCall:
    """What the spool knows of a call, with those of its clips that are at their final place."""
    return HeardCall(
        call_uid=call.call_id,
        line=call.call_id.rsplit("-", 1)[0],
        caller_raw=call.caller_raw,
        called=call.called,
        started_at=call.started_at,
        ended_at=call.ended_at,
        cause=call.hangup_cause,
        mode=call.mode or _ADOPTED,
        consent_at=call.consent_at,
        number=call.number,
        number_heard=call.number_heard_at is not None,
        path=tuple(_steps(call)),
        clips=clips,
    )


def _steps(call: SpooledCall) -> Iterator[tuple[float, str, str]]:
    """The sidecar's lines; the caller's number stands in a column that can be erased."""
    for event in call.events:
        if event.key == _ROOM:
            continue
        yield event.at.timestamp(), event.key, "" if event.key == "caller" else event.value


# ---------------------------------------------------------------- the audio's final place


@dataclass(frozen=True)
class _Place:
    """The folder of one call's recordings, below `root`."""

    root: Path
    folder: Path

    @classmethod
    def of(cls, recordings: Path, call: SpooledCall) -> _Place:
        root = recordings.resolve()
        folder = root / "calls" / f"{call.started_at:%Y/%m/%d}" / call.call_id
        if folder.resolve() != folder:
            raise Misplaced(f"{folder.relative_to(root)} is a link, or lies behind one")
        return cls(root, folder)

    def take_in(self, source: Path, target: Path) -> str | None:
        """Bring a file to its place; its SHA-256, None if something else has the place.

        A hard link where that is possible: it needs no room on a full disk.
        """
        if not self.folder.is_dir():
            self.make()
        _link(source, target)
        sha256 = _sha256(target)
        same = os.path.samestat(target.lstat(), source.lstat())
        if not same and sha256 != _sha256(source):
            return None
        _sync(target)
        return sha256

    def make(self) -> None:
        """The folder, and those above it: what citizens said, the owner's alone."""
        with suppress(FileExistsError, FileNotFoundError):
            self.folder.mkdir(mode=0o700)
            return
        if self.folder.is_dir():
            return
        path = self.root
        for part in self.folder.relative_to(self.root).parts:
            path /= part
            path.mkdir(mode=0o700, exist_ok=True)

    def sync(self, known: set[tuple[Path, int]]) -> None:
        """See that a crash does not lose the folder: once for all clips, and what is above the
        day's folder once in the life of a process, which remembers it in `known`."""
        day = self.folder.parent
        mark = (day, day.stat().st_ino)
        above = () if mark in known else day.parents
        for path in (self.folder, day, *above):
            _sync(path)
            if path == self.root:
                break
        known.add(mark)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if not os.path.lexists(target):
            _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """On another file system: whole and on disk, or not there. A kill leaves a draft, which the
    next try uses again."""
    draft = target.with_name(f".{target.name}.part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
    with source.open("rb") as old, os.fdopen(handle, "wb") as new:
        shutil.copyfileobj(old, new)
        new.flush()
        os.fsync(new.fileno())
    draft.replace(target)


def _sha256(path: Path) -> str:
    """Raises OSError for a link."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---------------------------------------------------------------- again and again


@dataclass
class _Trouble:
    """A call that could not be filed: how often, and how many sweeps leave it in peace."""

    times: int = 0
    pause: int = 0

    def again(self) -> None:
        self.times += 1
        self.pause = min(2**self.times, _LONGEST_PAUSE)


class Sweeper:
    """Files whatever the spool holds, sweep by sweep; remembers only what went wrong.

    `node` is the exchange whose calls `live` knows; a call that is older than `max_age_s`
    seconds is over, whatever anybody says.
    """

    def __init__(self, filing: Filing, node: str, max_age_s: float) -> None:
        self._filing, self._node, self._max_age_s = filing, node, max_age_s
        self._troubles: dict[str, _Trouble] = {}

    def sweep(self, now: datetime, live: Live) -> int:
        """One sweep; how many calls were filed.

        `live` asks for the ids of the channels that exist, None if nobody knows. A call that
        cannot be filed is tried again in a later sweep and holds up no other; while the database
        is away one call is tried per sweep.
        """
        look = self._filing.spool.look()
        filed = self._file(self._waiting(look, now, live), now)
        self._put_strays_aside(look, now)
        return filed

    def sweep_these(self, now: datetime, call_ids: Collection[str]) -> int:
        """File those of these calls that have ended; how many. What is left is for a sweep."""
        spool = self._filing.spool
        ready = spool.ready(spool.look(call_ids))
        return self._file(self._due(call for call in ready if _settled(call, now)), now)

    def _file(self, calls: Iterable[SpooledCall], now: datetime) -> int:
        filed = 0
        for call in calls:
            try:
                self._filing.file(call, now)
            except _AWAY as error:
                self._failed(call, error)
                break
            except Exception as error:  # one call's trouble is not the others'
                self._failed(call, error)
            else:
                self._troubles.pop(call.call_id, None)
                filed += 1
        return filed

    def _waiting(self, look: Look, now: datetime, live: Live) -> Iterator[SpooledCall]:
        """One look for all: with hundreds of calls going on, looking is the work of a sweep."""
        spool = self._filing.spool
        yield from self._due(call for call in spool.ready(look) if _settled(call, now))
        yield from self._due(self._lost(look, now, live))
        yield from self._due(spool.adoptable(now, look=look))

    def _lost(self, look: Look, now: datetime, live: Live) -> list[SpooledCall]:
        """The exchange is only asked when there is a call."""
        if not look.sidecars:
            return []
        spool = self._filing.spool
        return spool.orphans(now, live(), self._max_age_s, self._node, look)

    def _due(self, calls: Iterator[SpooledCall] | list[SpooledCall]) -> list[SpooledCall]:
        """Without those that are left in peace for now; those without trouble first."""
        due = []
        for call in calls:
            trouble = self._troubles.get(call.call_id, _Trouble())
            if trouble.pause:
                trouble.pause -= 1
            else:
                due.append((trouble.times, call.ended_at or call.started_at, call))
        return [call for _, _, call in sorted(due, key=lambda each: each[:2])]

    def _failed(self, call: SpooledCall, error: Exception) -> None:
        trouble = self._troubles.setdefault(call.call_id, _Trouble())
        trouble.again()
        if trouble.times & (trouble.times - 1) == 0:  # 1, 2, 4, 8: often enough for a log
            log.error(
                "call %s: not filed yet, it stays in the spool: %s", call.call_id, plain(error)
            )

    def _put_strays_aside(self, look: Look, now: datetime) -> None:
        for path, why in self._filing.spool.strays(now, look=look):
            try:
                self._filing.put_aside(path, why)
            except OSError as error:
                log.error("not put into quarantine: %r: %s", path.name, plain(error))


def _settled(call: SpooledCall, now: datetime) -> bool:
    """Whether its last lines are written; a call that ends in the future has a wrong clock."""
    ended = call.ended_at or now
    return not 0 <= (now - ended).total_seconds() < SETTLE_S


def plain(error: Exception) -> str:
    """An error for the log: statements and their values would say who called."""
    if isinstance(error, OperationalError):
        return str(error.orig).strip().partition("\n")[0]
    if isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {type(error.orig).__name__}"
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return type(error).__name__
