"""Twilio's doors: what happens in a call, and the sounds that it plays.

Every request that tells something must carry Twilio's signature over the address that is
configured (`web.public_url`): behind a proxy the request's own address is another one. A
signature holds no time, so each request is harmless when it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from hmac import compare_digest
from typing import Any

from flask import Blueprint, Response, abort, request
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from callcenter.services import twilio_calls, twilio_recordings
from callcenter.services.twilio_calls import CALL_SID, Request, TwilioLine
from callcenter.web import files
from callcenter.web.access import PUBLIC, needs
from callcenter.web.context import now, stop_reading, wiring
from callcenter.web.security import csrf

door = Blueprint("twilio", __name__, url_prefix="/twilio")
csrf.exempt(door)  # Twilio's signature takes the token's place

_MOST_BYTES = 8 * 1024
_MOST_STEPS = 10_000
_A_DAY = "public, max-age=86400"
_BODY_HASH = "bodySHA256"  # such an address asks for more than its own signature
View = Callable[..., Any]


class _Validator(RequestValidator):  # type: ignore[misc]  # twilio carries no types
    """Twilio's own, which tries three kinds of forms where there is one."""

    def get_values(self, param_dict: Any, param_name: str) -> list[str]:
        """The values of a field."""
        values: list[str] = param_dict.getlist(param_name)
        return values


@lru_cache(maxsize=1)
def _validator(token: str) -> _Validator:
    return _Validator(token)


def _line() -> TwilioLine:
    """The line, or 404 where no calls come through Twilio."""
    line: TwilioLine | None = wiring().twilio_line
    return line if line is not None else abort(404)


def signed(view: View) -> View:
    """Let only what Twilio signed for our account reach the view; 403 for everything else."""

    @wraps(view)
    def guarded(**values: Any) -> Any:
        _line()
        only_signed()
        if not CALL_SID.fullmatch(request.form.get("CallSid", "")):
            abort(400)
        return view(**values)

    return guarded


def only_signed() -> None:
    """403 for whatever Twilio did not sign for our account."""
    request.max_content_length = _MOST_BYTES
    if request.mimetype != "application/x-www-form-urlencoded" or not _is_signed():
        abort(403)
    account = wiring().config.notices.twilio
    if account is None or request.form.get("AccountSid") != account.account_sid:
        abort(403)


def _is_signed() -> bool:
    token, signature = wiring().secrets.twilio_auth_token, request.headers.get("X-Twilio-Signature")
    if not token or not signature or not signature.isascii():
        return False
    query = request.query_string.decode("latin-1")
    url = wiring().config.web.public_url.rstrip("/") + request.path + (f"?{query}" if query else "")
    validator = _validator(token)
    try:
        plain = _BODY_HASH not in query and validator.compute_signature(url, request.form)
        if plain and compare_digest(plain, signature):
            return True
        return bool(validator.validate(url, request.form, signature))
    except (ValueError, TypeError, AttributeError):  # what it raises on hostile input
        return False


def _number(name: str, most: int) -> int | None:
    text = request.args.get(name, "")
    small = text.isascii() and text.isdigit() and len(text) <= 6
    return int(text) if small and int(text) <= most else None


@door.post("/voice")
@needs(PUBLIC)
@signed
def voice() -> Response:
    """What happened in a call -> TwiML that goes on with it."""
    asked = Request(
        call_sid=request.form["CallSid"],
        step=_number("step", _MOST_STEPS),
        again=_number("again", 9) or 0,
        form=request.form,
    )
    if "step" in request.args and asked.step is None:
        abort(400)
    document = twilio_calls.answer(wiring().store, asked, _line(), now=now())
    return Response(document, mimetype="text/xml")


@door.post("/status")
@needs(PUBLIC)
@signed
def status() -> tuple[str, int]:
    """The call has changed its state; its end is what counts."""
    form = request.form
    courses, status = wiring().twilio_courses, form.get("CallStatus", "")
    twilio_calls.hung_up(courses, form["CallSid"], status, now=now())
    return "", 204


@door.post("/recording")
@needs(PUBLIC)
@signed
def recording() -> tuple[str, int]:
    """A recording is ready, or (`absent`) there is none."""
    form, sid = request.form, twilio_calls.recording_sid(request.form)
    if sid and form.get("RecordingStatus", "completed") == "completed":
        clip = request.args.get("clip", "")
        twilio_calls.recorded(wiring().store, form["CallSid"], sid, clip, now=now())
    return "", 204


@door.get("/prompts/<language>/<key>.wav")
@needs(PUBLIC)
def prompt(language: str, key: str) -> Response:
    """What the line says, in a language that has it; prompts hold nothing personal."""
    _line()
    response = files.send_prompt(wiring().config.storage.recordings / "prompts", language, key)
    response.headers["Cache-Control"] = _A_DAY
    return response


@door.get("/clips/<token>.wav")
@needs(PUBLIC)
def clip(token: str) -> Response:
    """A caller's own clip, played back during the call; the address is signed, and secret."""
    _line()
    call_sid, wanted = wiring().twilio_clips.clip(token)
    stop_reading()
    built = wiring()
    file = twilio_recordings.staged(
        built.store, built.twilio_account, built.twilio_import, call_sid, wanted, now=now()
    )
    if file is None:
        abort(404)
    return files.send(file.parent, file.name, sha256=file.stem, media_type="audio/wav")
