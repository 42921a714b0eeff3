"""Conducts one call: the flow decides, a line performs, the sidecar remembers.

Shared by every line that holds a call from its beginning to its end. `conducting` knows neither
threads nor loops; `conduct` walks it with a line that performs at once (`ivr.phone`),
`ivr.asterisk` with one that is awaited. A sidecar that cannot be written is logged and no reason
to lose the caller.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from ivr.flow import (
    Ask,
    Bridge,
    Connected,
    Event,
    Failed,
    Finish,
    FlowState,
    Found,
    Gather,
    HungUp,
    Join,
    Language,
    Listen,
    Lookup,
    Note,
    NotFound,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Spelled,
    Started,
    step,
)
from ivr.nodes import Menu
from ivr.spool import NotInSpool, Spool

log = logging.getLogger("aduan24.line")

Performance = Play | Ask | Gather | Record | Listen | ReadNumber | Join | Bridge
#: What is to be done: performed or looked up (an event comes back), or told to the line.
Doing = Performance | Lookup | Note | Language

#: Looks a complaint up. May raise anything: the caller is told that it is not available now, and
#: can record.
Inquiry = Callable[[Lookup], Found | NotFound]
#: The version of the text CONSENT in a language: which words the caller has heard.
Consent = Callable[[str], str]
CONSENT = "welcome_consent"  # the text whose version is written; a short one stands by its key
_STATUS = {"key": "DTMF", "silence": "SILENCE", "timeout": "TIMEOUT", "hangup": "HANGUP"}


class Line(Protocol):
    """What performs a call."""

    def perform(self, action: Performance) -> Event:
        """Do it and say what happened; a hang-up is `HungUp` (or `Recorded`, ended by it)."""

    def noted(self, note: Note) -> None:
        """A fact that the line may want to tell its exchange; must not fail on a hang-up."""

    def speak(self, language: str) -> None:
        """From here on prompts are in this language."""


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


def nobody_asks(_lookup: Lookup) -> NotFound:
    """The inquiry of a line that has no complaints to look up."""
    return NotFound()


def conducting(
    sidecar: Log, menu: Menu, started: Started, consent: Consent
) -> Generator[Doing, Event | None, Finish]:
    """One call through the menu to its end: yields what is to be done, takes what happened.

    Nothing is taken after a Note or a Language.
    """
    state, event = FlowState(menu=menu), _as_event(started)
    spoken = state.language
    while True:
        before = state.node
        state, actions = step(state, event)
        if state.node != before:
            sidecar.write("step", state.node)
        for action in actions:
            if isinstance(action, Finish):
                return action
            if isinstance(action, Note | Language):
                spoken = action.code if isinstance(action, Language) else spoken
                _write_down(sidecar, action, consent(spoken) if _is_consent(action) else "")
                yield action
                continue
            event = _happened((yield action))
            _log_event(sidecar, event)
            if isinstance(event, HungUp | Failed) or _cut_short(event):
                break


def conduct(  # noqa: PLR0917 - the parts of a call, in the order in which they are met
    line: Line,
    sidecar: Log,
    menu: Menu,
    started: Started,
    consent: Consent,
    inquiry: Inquiry = nobody_asks,
) -> Finish:
    """Walk one call through the menu on a line that performs at once.

    Whatever `line` raises passes through: the caller belongs to the exchange's fallback then.
    """
    call, event = conducting(sidecar, menu, started, consent), None
    while True:
        try:
            doing = call.send(event)
        except StopIteration as end:
            finish: Finish = end.value
            return finish
        event = _do(line, doing, inquiry)


def _happened(event: Event | None) -> Event:
    if event is None:
        raise TypeError("whatever is performed comes to an event")
    return event


def _cut_short(event: Event) -> bool:
    """A key during the beep: whoever pressed it does not want to be recorded now."""
    return isinstance(event, Played) and event.key is not None


def _as_event(started: Started) -> Event:
    return started


def _is_consent(action: Note | Language) -> bool:
    """Whether the caller was told in full that the call is recorded."""
    return action == Note("consent", CONSENT)


def _write_down(sidecar: Log, action: Note | Language, consent: str) -> None:
    if isinstance(action, Language):
        sidecar.write("language", action.code)
        return
    sidecar.write(action.key, consent or action.value)


def _do(line: Line, action: Doing, inquiry: Inquiry) -> Event | None:
    match action:
        case Language(code):
            line.speak(code)
        case Note():
            line.noted(action)
        case Lookup():
            return ask(inquiry, action)
        case _:
            return line.perform(action)
    return None


def ask(inquiry: Inquiry, lookup: Lookup) -> Event:
    """What an inquiry finds; Failed when it breaks, whatever is wrong: the caller can record."""
    try:
        return inquiry(lookup)
    except Exception as error:
        log.error("an inquiry failed: %s", type(error).__name__)
        return Failed("the inquiry failed")


def _log_event(sidecar: Log, event: Event) -> None:
    """What happened, without what was typed: PINs and numbers are nobody's business here."""
    match event:
        case Pressed(key) | Played(str(key)):
            sidecar.write("key", key)
        case Spelled(digits):
            sidecar.write("typed", str(len(digits)))
        case Recorded(clip, seconds, speech, ended_by):
            sidecar.write("clip", f"{sidecar.call_id}_{clip}.wav")
            sidecar.write("clip_status", _STATUS.get(ended_by, ended_by.upper()))
            sidecar.write("speech", f"{clip} {speech:.2f} of {seconds:.2f}")
        case Connected(talked):
            sidecar.write("connected", "talked" if talked else "nobody")
        case Found() | NotFound():
            sidecar.write("inquiry", type(event).__name__.lower())
        case Failed(reason):
            sidecar.write("failed", reason)
