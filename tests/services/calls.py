"""Calls as the line files them: with speech, silent, served, missed, asking to be called back."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count

from callcenter.services import intake
from callcenter.services.intake import Clip, HeardCall
from callcenter.store.session import Store

_serial = count(1)
CONSENT = ("consent", "abc")


def heard(
    caller: str,
    at: datetime,
    *notes: tuple[str, str],
    speech: float = 0.0,
    uid: str = "",
    number: str | None = None,
) -> HeardCall:
    """A call that ended after half a minute; `notes` are lines of its sidecar."""
    uid = uid or f"pbx1-{next(_serial)}.1"
    stamp = at.timestamp()
    clip = Clip("complaint", 1, f"calls/{uid}/complaint-1.wav", "0" * 64, 16_044, 2.0, speech)
    return HeardCall(
        call_uid=uid,
        line="pbx1",
        caller_raw=caller,
        called="5501000",
        started_at=at,
        ended_at=at + timedelta(seconds=30),
        cause="16",
        mode="app",
        consent_at=at if CONSENT in notes or speech else None,
        number=number,
        number_heard=False,
        path=tuple((stamp, key, value) for key, value in notes),
        clips=(clip,) if speech else (),
    )


def file(store: Store, call: HeardCall, *, now: datetime | None = None) -> int:
    """File it; the id of its complaint, 0 without one."""
    with store.write() as db:
        filed = intake.file_call(
            db, call, now=now or call.ended_at or call.started_at, silent_below=0.5
        )
        return filed.complaint.id if filed.complaint else 0


def call_with_speech(store: Store, caller: str, *, at: datetime) -> int:
    """A call with a complaint; the complaint's id."""
    return file(store, heard(caller, at, CONSENT, speech=1.8))


def silent_call(store: Store, caller: str, *, at: datetime) -> None:
    """A call in which nobody said anything."""
    file(store, heard(caller, at, CONSENT))
