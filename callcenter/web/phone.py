"""The test phone in the browser: the line without a telephone. Only in the sample set-up.

It walks the same flow as a call, and what is said is filed as one: `phone-<epoch>.<n>`.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile
from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    jsonify,
    render_template,
    request,
    url_for,
)

from callcenter.services import numbers
from callcenter.web import files
from callcenter.web.access import needs
from callcenter.web.context import me, now, wiring, writing
from callcenter.web.phone_line import BrowserCall, Switchboard, TooManyCalls
from ivr.flow import Ask, Bridge, Event, Gather, HungUp, Listen, Play, ReadNumber, Record, Started
from ivr.menu import build_menu
from ivr.nodes import ANY_KEY
from ivr.phone import RATE, Turn, event_of, keep
from ivr.prompts import SAMPLE, PromptsMissing, texts
from ivr.speaking import Samples, resampled

door = Blueprint("phone", __name__, url_prefix="/phone")

_ENDS = ("key", "silence", "timeout", "hangup")


def _only_in_sample() -> None:
    if not wiring().config.sample:
        abort(404)


door.before_request(_only_in_sample)


def _switchboard() -> Switchboard:
    found: Switchboard = current_app.extensions.setdefault("aduan24-phones", Switchboard())
    return found


def _call(key: str) -> BrowserCall:
    return _switchboard().find(key, me().username) or abort(404)


@door.get("/")
@needs("try_line")
def page() -> str:
    """The phone."""
    return render_template("phone.html")


@door.post("/calls")
@needs("try_line")
def dial() -> tuple[Response, int]:
    """A new call -> what is to be performed first; 429 when every phone is busy."""
    settings = wiring().line_settings
    with writing() as db:
        number = numbers.take(db, now())
    started = Started(number, caller_known=False, pin=settings.pin(number), mode=settings.mode(""))
    menu = build_menu(settings.limits)
    try:
        call = _switchboard().place(
            me().username, wiring().spool, menu, started, settings.inquiry("")
        )
    except TooManyCalls:
        abort(429)
    return jsonify(_doing(call)), 201


@door.post("/calls/<key>")
@needs("try_line")
def tell(key: str) -> Response:
    """What the caller did: fields step, keys, gone, talked -> what is to be performed next."""
    call = _call(key)
    action, form = call.doing, request.form
    if action is not None:
        gone = form.get("gone") == "1"
        keys = "".join(k for k in form.get("keys", "")[:20] if k in ANY_KEY)
        step = call.step if gone else _step()  # whoever hangs up does not wait for an answer
        call.tell(step, _event(action, Turn(keys, gone=gone)))
    return jsonify(_doing(call))


def _event(action: Any, turn: Turn) -> Event:
    return HungUp() if isinstance(action, Record) else event_of(action, turn)


@door.post("/calls/<key>/clip")
@needs("try_line")
def clip(key: str) -> Response:
    """What was said, as a WAV body, or `?sample=1`: a ready-made complaint."""
    call = _call(key)
    action = call.doing
    ended_by = request.args.get("ended", "")
    if not isinstance(action, Record) or ended_by not in _ENDS:
        abort(409)
    pressed = request.args.get("key", "")
    pressed = pressed if pressed and pressed in ANY_KEY else ""
    heard = _sample(action) if request.args.get("sample") else _said()
    if call.step == _step():
        event = keep(call.spool, call.call_id, action, heard, ended_by=ended_by, key=pressed)
        call.tell(_step(), event)
    return jsonify(_doing(call))


def _said() -> Samples:
    try:
        samples, rate = soundfile.read(
            io.BytesIO(request.get_data()), dtype="float32", always_2d=True
        )
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        abort(400)
    if not 8000 <= rate <= 192_000:
        abort(400)
    return resampled(np.asarray(samples.mean(axis=1), np.float32), rate, RATE)


def _sample(action: Record) -> Samples | None:
    """A ready-made complaint; name and village stay silence."""
    if action.clip.kind not in ("complaint", "report"):
        return None
    samples, rate = soundfile.read(SAMPLE, dtype="float32", always_2d=True)
    return resampled(np.asarray(samples.mean(axis=1), np.float32), rate, RATE)


def _step() -> int:
    return request.values.get("step", -1, type=int)


@door.get("/prompts/<language>/<key>.wav")
@needs("try_line")
def prompt(language: str, key: str) -> Response:
    """A prompt."""
    return files.send_prompt(wiring().config.storage.recordings / "prompts", language, key)


@door.get("/calls/<key>/clips/<kind>-<int:take>.wav")
@needs("try_line")
def listen(key: str, kind: str, take: int) -> Response:
    """What was said earlier in this call."""
    call = _call(key)
    name = f"{call.call_id}_{kind}-{take}.wav"
    return files.send(call.spool.folder, name, sha256=name, media_type="audio/wav")


# ---------------------------------------------------------------- what the browser is told


def _doing(call: BrowserCall) -> dict[str, Any]:
    """The action that waits, as the page's script takes it."""
    told: dict[str, Any] = {
        "address": url_for("phone.tell", key=call.key),
        "step": call.step,
        "kind": "end",
        "sounds": [],
        "texts": [],
        "keys": ANY_KEY,
    }
    action = call.doing
    if action is None:
        return {**told, "outcome": call.finish.outcome if call.finish else "", "id": call.call_id}
    return {**told, **_spoken(call, action), **_waiting(action)}


def _spoken(call: BrowserCall, action: Any) -> dict[str, Any]:
    if isinstance(action, Listen):
        key, kind, take = call.key, action.clip.kind, action.clip.take
        return {"sounds": [url_for("phone.listen", key=key, kind=kind, take=take)]}
    prompts = getattr(action, "prompts", ())
    words = _texts(call.language)
    return {
        "sounds": [url_for("phone.prompt", language=call.language, key=key) for key in prompts],
        "texts": [text for key in prompts if ":" not in (text := words.get(key, key))[:8]],
    }


def _texts(language: str) -> dict[str, str]:
    try:
        return texts(language, wiring().config.storage.retention_days)
    except PromptsMissing:
        return texts(retention_days=wiring().config.storage.retention_days)


def _waiting(action: Any) -> dict[str, Any]:
    match action:
        case Play(_, keys) | ReadNumber(_, _, keys):
            return {"kind": "play", "keys": keys}
        case Ask(_, _, timeout_s):
            return {"kind": "ask", "wait_s": timeout_s}
        case Gather(_, most, timeout_s):
            return {"kind": "type", "wait_s": timeout_s, "most": most}
        case Record(made, max_s, silence_s):
            return {"kind": "record", "max_s": max_s, "silence_s": silence_s, "what": made.kind}
        case Bridge(to):
            return {"kind": "bridge", "what": to}
    return {"kind": "play"}
