"""TwiML driver: performs the flow on a call at Twilio, one request of Twilio's per event.

Pure: what has happened so far is a list of events, from which the place of the call and the
answer to each request follow again at any time. So a repeated request gets the same answer,
and nothing but the events has to be kept.

What TwiML cannot do (https://www.twilio.com/docs/voice/twiml):

- A <Gather> is cut short by every key. A text that only the emergency key may cut begins again
  after another key, `_MOST_AGAIN` times; after that it is played without listening to keys.
- A <Gather> waits at least a second after its text.
- A <Record> says how long it was, not how much of it was speech: a recording that silence ended
  is speech but for that silence. What is filed is measured on the audio itself.
- A <Dial> cannot be left by a key, and whether a <Play> was heard is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from twilio.twiml import voice_response as verbs  # type: ignore[import-untyped]

from ivr.conduct import Performance
from ivr.flow import (
    Ask,
    Bridge,
    Clip,
    Connected,
    Event,
    Finish,
    Gather,
    HungUp,
    Listen,
    Play,
    Played,
    Pressed,
    ReadNumber,
    Record,
    Recorded,
    Silence,
    Spelled,
)
from ivr.keys import spelled
from ivr.nodes import ANY_KEY, EMERGENCY_KEY, Outcome
from ivr.walking import BEEP, Standing

#: Twilio's words for a call that is over.
ENDED = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_ANSWERED = frozenset({"completed", "answered"})
_HANG_UP = "hangup"
_MOST_AGAIN = 2
_AFTER_TEXT_S = 1
# ---------------------------------------------------------------- from a request to an event


def event_of(action: Performance, form: Mapping[str, str]) -> Event | None:
    """The event that a request about `action` tells; None: the action is performed once more.

    `form` is validated by nobody: anything that is not understood is as if nothing were there.
    """
    gone, key = form.get("CallStatus", "") in ENDED, _key(form)
    match action:
        case Record():
            return _recorded(action, form, gone)
        case _ if gone:
            return HungUp()
        case Play(_, keys) | ReadNumber(_, _, keys) if key and key not in keys:
            return None
        case Ask() | Gather() | Bridge():
            return _answered(action, form, key)
    return Played(key)


def _answered(action: Ask | Gather | Bridge, form: Mapping[str, str], key: str | None) -> Event:
    match action:
        case Ask():
            return Pressed(key) if key else Silence()
        case Gather(_, most):
            return _spelled(form, most)
        case Bridge():
            return Connected(form.get("DialCallStatus", "") in _ANSWERED)


def _key(form: Mapping[str, str]) -> str | None:
    key = (form.get("Digits", "") or form.get("FinishedOnKey", ""))[:1]
    return key if key and key in ANY_KEY else None


def _spelled(form: Mapping[str, str], most: int) -> Spelled:
    """The key that finished a <Gather> is not among its digits."""
    digits = form.get("Digits", "")
    typed = "".join(key for key in digits[: most + 1] if key in ANY_KEY)
    return spelled(typed + form.get("FinishedOnKey", "")[:1], most)


def _recorded(action: Record, form: Mapping[str, str], gone: bool) -> Event:
    digits, seconds = form.get("Digits", ""), _seconds(form.get("RecordingDuration", ""))
    if (gone or digits == _HANG_UP) and not seconds:
        return HungUp()
    if gone or digits == _HANG_UP:
        return Recorded(action.clip, seconds, seconds, "hangup")
    if len(digits) == 1 and digits in ANY_KEY:
        return Recorded(action.clip, seconds, seconds, "key", digits)
    if seconds >= action.max_s:
        return Recorded(action.clip, seconds, seconds, "timeout")
    return Recorded(action.clip, seconds, max(0.0, seconds - action.silence_s), "silence")


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0.0


# ---------------------------------------------------------------- from an action to TwiML


@dataclass(frozen=True)
class Addresses:
    """What Twilio is told to ask for. `base` is absolute; `clip_token` signs a clip of the call.

    `people` maps emergency and operators to a number in international form or a SIP address.
    """

    base: str
    clip_token: Callable[[Clip], str]
    people: Mapping[str, str] = field(default_factory=dict)

    def step(self, number: int, **more: int) -> str:
        """Where the event after so many events is told."""
        return f"{self.base}/voice?{urlencode({'step': number, **more})}"

    def recording(self, clip: Clip) -> str:
        """Where Twilio says that the audio of a clip is ready."""
        return f"{self.base}/recording?{urlencode({'clip': str(clip)})}"

    def prompts(self, language: str, keys: Iterable[str]) -> list[str]:
        """The sound files of prompts."""
        return [f"{self.base}/prompts/{language}/{key}.wav" for key in keys]

    def clip(self, clip: Clip) -> str:
        """The sound file of one of the caller's own clips."""
        return f"{self.base}/clips/{self.clip_token(clip)}.wav"


def twiml(standing: Standing, where: Addresses, again: int = 0) -> str:
    """The document that performs where a call stands; `again`: how often it was begun before.

    Most callers hear the same: what names neither a call's number nor its clips is remembered.
    """
    if any(isinstance(action, Listen | ReadNumber) for action in standing.actions):
        return _document(standing, where, again)
    people = tuple(where.people.items())
    at = (standing.step, standing.language, standing.talks)
    return _same_for_all(at, standing.actions, standing.finish, where.base, people, again)


@lru_cache(maxsize=1024)
def _same_for_all(  # noqa: PLR0917 - all that a document depends on
    at: tuple[int, str, int],
    actions: tuple[Performance, ...],
    finish: Finish | None,
    base: str,
    people: tuple[tuple[str, str], ...],
    again: int,
) -> str:
    return _document(Standing(*at, actions, finish), Addresses(base, str, dict(people)), again)


def _document(standing: Standing, where: Addresses, again: int) -> str:
    answer = verbs.VoiceResponse()
    if standing.finish:
        if standing.finish.outcome is Outcome.FAILED:
            _play(answer, where.prompts(standing.language, ("failed",)))
        answer.hangup()
    for action in standing.actions:
        _add(answer, action, _Here(standing, where, again))
    return str(answer)


@dataclass(frozen=True)
class _Here:
    standing: Standing
    where: Addresses
    again: int

    def prompts(self, keys: Iterable[str]) -> list[str]:
        return self.where.prompts(self.standing.language, keys)

    def next(self, **more: int) -> str:
        return self.where.step(self.standing.step, **more)


def _add(answer: verbs.VoiceResponse, action: Performance, here: _Here) -> None:
    match action:
        case Play(prompts) if prompts == BEEP:
            _play(answer, here.prompts(prompts))  # a part of the recording that follows
        case Play(prompts, keys) | ReadNumber(_, prompts, keys):
            _add_text(answer, here.prompts(prompts), keys, here)
        case Listen(clip):
            _add_text(answer, [here.where.clip(clip)], ANY_KEY, here)
        case Ask(prompts, _, timeout_s):
            _add_gather(answer, here.prompts(prompts), here.next(), timeout_s)
        case Gather(prompts, most, timeout_s):
            urls, end = here.prompts(prompts), EMERGENCY_KEY
            _add_gather(answer, urls, here.next(), timeout_s, most=most, ends=end)
        case Record():
            _add_record(answer, action, here)
        case Bridge():
            _add_dial(answer, action, here)


def _add_text(answer: verbs.VoiceResponse, urls: list[str], keys: str, here: _Here) -> None:
    """A text that some keys may cut; without such keys, or after too many others, none may."""
    if keys == ANY_KEY:
        _add_gather(answer, urls, here.next(), _AFTER_TEXT_S)
    elif keys and here.again < _MOST_AGAIN:
        _add_gather(answer, urls, here.next(again=here.again + 1), _AFTER_TEXT_S)
    else:
        _play(answer, urls)
        answer.redirect(here.next())


def _add_gather(
    answer: verbs.VoiceResponse,
    urls: list[str],
    action: str,
    timeout_s: float,
    *,
    most: int = 1,
    ends: str = "",
) -> None:
    """Without a key that ends it every key is a digit; Twilio waits for whole seconds only."""
    gather = verbs.Gather(
        input="dtmf",
        num_digits=most,
        finish_on_key=ends,
        timeout=max(1, math.ceil(timeout_s)),
        action=action,
        action_on_empty_result=True,
    )
    _play(gather, urls)
    answer.append(gather)


def _add_record(answer: verbs.VoiceResponse, action: Record, here: _Here) -> None:
    answer.record(
        action=here.next(),
        finish_on_key=ANY_KEY,
        timeout=action.silence_s,
        max_length=action.max_s,
        play_beep=False,
        trim="do-not-trim",
        recording_status_callback=here.where.recording(action.clip),
        recording_status_callback_event="completed absent",
    )
    answer.redirect(here.next())  # reached after an empty recording only


def _add_dial(answer: verbs.VoiceResponse, action: Bridge, here: _Here) -> None:
    person = here.where.people.get(action.to, "")
    if not person:
        answer.redirect(here.next())
        return
    dial = verbs.Dial(
        action=here.next(),
        timeout=math.ceil(action.wait_s),
        record="record-from-answer",
        recording_status_callback=here.where.recording(Clip("talk", here.standing.talks + 1)),
    )
    (dial.sip if person.startswith("sip:") else dial.number)(person)
    answer.append(dial)


def _play(verb: Any, urls: Iterable[str]) -> None:
    for url in urls:
        verb.play(url)
