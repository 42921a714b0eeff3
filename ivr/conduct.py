"""Conducts one call: the flow decides, a line performs, the sidecar remembers.

Shared by every line that holds a call from its beginning to its end (`ivr.asterisk`,
`ivr.phone`). A sidecar that cannot be written is logged and no reason to lose the caller.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from ivr.flow import (
    Ask,
    Event,
    Failed,
    Finish,
    FlowState,
    HungUp,
    Listen,
    Note,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Started,
    step,
)
from ivr.menu import Menu
from ivr.spool import NotInSpool, Spool

log = logging.getLogger("aduan24.line")

Performance = Play | Ask | Record | Listen | ReadNumber
_STATUS = {"key": "DTMF", "silence": "SILENCE", "timeout": "TIMEOUT", "hangup": "HANGUP"}


class Line(Protocol):
    """What performs a call."""

    def perform(self, action: Performance) -> Event:
        """Do it and say what happened; a hang-up is `HungUp` (or `Recorded`, ended by it)."""

    def noted(self, note: Note) -> None:
        """A fact that the line may want to tell its exchange; must not fail on a hang-up."""


@dataclass(frozen=True)
class Log:
    """The sidecar of one call."""

    spool: Spool
    call_id: str

    def write(self, key: str, value: str = "") -> None:
        """Append a line; a failure is logged."""
        try:
            self.spool.append_event(self.call_id, key, value)
        except (OSError, NotInSpool) as error:
            log.error("call %s: sidecar line %s not written: %s", self.call_id, key, error)


def conduct(line: Line, sidecar: Log, menu: Menu, started: Started, consent: str) -> Finish:
    """Walk one call through the menu to its end. `consent` is the version of the consent's text.

    Whatever `line` raises passes through: the caller belongs to the exchange's fallback then.
    """
    state, event = FlowState(menu=menu), _as_event(started)
    while True:
        before = state.node
        state, actions = step(state, event)
        if state.node != before:
            sidecar.write("step", state.node)
        for action in actions:
            if isinstance(action, Finish):
                return action
            if isinstance(action, Note):
                sidecar.write(action.key, consent if action.key == "consent" else action.value)
                line.noted(action)
                continue
            event = line.perform(action)
            _log_event(sidecar, event)
            if isinstance(event, HungUp | Failed):
                break


def _as_event(started: Started) -> Event:
    return started


def _log_event(sidecar: Log, event: Event) -> None:
    match event:
        case Pressed(key) | Played(str(key)):
            sidecar.write("key", key)
        case Recorded(clip, seconds, speech, ended_by):
            sidecar.write("clip", f"{sidecar.call_id}_{clip}.wav")
            sidecar.write("clip_status", _STATUS.get(ended_by, ended_by.upper()))
            sidecar.write("speech", f"{clip} {speech:.2f} of {seconds:.2f}")
        case Failed(reason):
            sidecar.write("failed", reason)
