"""A call's sidecar: what it says, and what the call is from it and from its files.

The sidecar ``<call id>.call`` is append-only, one ``<epoch seconds> <key>=<percent-encoded>``
per line, written by the dialplan and by the driver. Everything in it is hostile until validated;
what is unreadable is skipped, never an error: a call with a damaged sidecar still has its audio.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from urllib.parse import quote, unquote

from ivr.numbers import is_valid

CALL_ID = r"[A-Za-z0-9]{1,32}-[0-9]{1,12}\.[0-9]{1,12}"
KEY = re.compile(r"[a-z][a-z_]{0,39}", re.ASCII)
#: In the bytes of every call that has ended: only a key can follow a space, because values are
#: percent-encoded.
ENDED = b" ended="

_STAMP = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?", re.ASCII)
_AFTER_A_CUT = re.compile(r"[0-9]{10}\.[0-9]{3} [a-z][a-z_]{0,39}=[^ ]*$", re.ASCII)
_MOST_BYTES = 256 * 1024  # a sidecar is a few kB; a larger one is an attack or a loop
_MOST_VALUE = 1000
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


def is_call_id(text: str) -> bool:
    """Whether `text` is a call id as a PBX node or the test phone makes them."""
    return re.fullmatch(CALL_ID, text, re.ASCII) is not None


@dataclass(frozen=True)
class SpoolEvent:
    """One line of a sidecar: when (aware, UTC), key, decoded value."""

    at: datetime
    key: str
    value: str


@dataclass(frozen=True)
class SpooledClip:
    """One sound file of a call. `kind`: one of KINDS; `take` from 1; 9, 10 = fallback."""

    kind: str
    take: int
    path: Path


@dataclass(frozen=True)
class SpooledCall:
    """One call as the spool holds it. Times are aware UTC; empty text means not known.

    `number` is a valid public number or None. `ended_at` is None for an orphan. `sidecar` is
    None for audio that was adopted. `kept` is the file name part (`complaint-2`) of the take the
    driver heard speech in, if any. `clips` are sorted by kind and take, as found on disk.
    """

    call_id: str
    node: str
    started_at: datetime
    ended_at: datetime | None = None
    hangup_cause: str = ""
    caller_raw: str = ""
    called: str = ""
    number: str | None = None
    consent_at: datetime | None = None
    consent_version: str = ""
    clips: tuple[SpooledClip, ...] = ()
    kept: str = ""
    mode: str = ""
    review: str = ""
    number_heard_at: datetime | None = None
    events: tuple[SpoolEvent, ...] = ()
    sidecar: Path | None = None

    def clips_of(self, kind: str) -> tuple[SpooledClip, ...]:
        """The takes of one kind, earliest first."""
        return tuple(clip for clip in self.clips if clip.kind == kind)


def line(at: float, key: str, value: str) -> bytes:
    """One line of a sidecar; `at` is epoch seconds."""
    return f"{at:.3f} {key}={quote(value[:_MOST_VALUE], safe='')}\n".encode()


def content_of(sidecar: Path) -> bytes | None:
    """What is in a sidecar; None if it is no ordinary file, or gone."""
    try:
        file = os.open(sidecar, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return os.read(file, _MOST_BYTES) if S_ISREG(os.fstat(file).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(file)


def parse(content: bytes) -> tuple[SpoolEvent, ...]:
    """The readable lines of a sidecar. A line without its end is one still being written.

    Where a full disk has cut a line short, the next one that could be written follows it at once.
    """
    complete = content[: content.rfind(b"\n") + 1]
    return tuple(event for line in complete.split(b"\n") if (event := _event(line)))


def _event(line: bytes) -> SpoolEvent | None:
    text = line.decode("utf-8", errors="replace")
    if whole := _AFTER_A_CUT.search(text):
        text = whole[0]
    stamp, _, rest = text.partition(" ")
    key, equals, value = rest.partition("=")
    if not (equals and KEY.fullmatch(key) and _STAMP.fullmatch(stamp)):
        return None
    if float(stamp) > _LATEST:
        return None
    decoded = unquote(value[: 3 * _MOST_VALUE], errors="replace")[:_MOST_VALUE]
    return SpoolEvent(datetime.fromtimestamp(float(stamp), UTC), key, decoded.strip())


def assembled(
    call_id: str,
    events: tuple[SpoolEvent, ...],
    clips: list[SpooledClip],
    sidecar: Path | None,
) -> SpooledCall:
    """The call that these lines and files are; `sidecar` is None for audio alone."""
    first: dict[str, SpoolEvent] = {}
    last: dict[str, SpoolEvent] = {}
    for event in events:
        first.setdefault(event.key, event)
        last[event.key] = event
    node, epoch = call_id.rsplit("-", 1)
    started = first.get("started") or (events[0] if events else None)

    def value(key: str) -> str:
        return last[key].value if key in last else ""

    def at(key: str) -> datetime | None:
        return first[key].at if key in first else None

    return SpooledCall(
        call_id=call_id,
        node=value("started") or node,
        started_at=started.at if started else _epoch(epoch, clips),
        ended_at=at("ended"),
        hangup_cause=value("ended"),
        caller_raw=value("caller"),
        called=value("called"),
        number=value("number") if is_valid(value("number")) else None,
        consent_at=at("consent"),
        consent_version=first["consent"].value if "consent" in first else "",
        clips=tuple(sorted(clips, key=lambda clip: (clip.kind, clip.take))),
        kept=value("kept"),
        mode=value("mode"),
        review=value("review"),
        number_heard_at=at("number_heard"),
        events=events,
        sidecar=sidecar,
    )


def _epoch(text: str, clips: list[SpooledClip]) -> datetime:
    """When a call without a readable sidecar began: its id says so, else its oldest clip."""
    seconds = float(text.partition(".")[0])
    if not 0 < seconds < _LATEST:
        seconds = min((_changed_at(clip.path) for clip in clips), default=0.0)
    return datetime.fromtimestamp(seconds, UTC)


def _changed_at(path: Path) -> float:
    """When a file was last written, epoch seconds; 0 for nonsense, or if it is gone by now."""
    try:
        seconds = path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0
    return seconds if 0 < seconds < _LATEST else 0.0
