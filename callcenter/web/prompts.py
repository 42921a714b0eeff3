"""What the line says: heard, recorded by a person, given back to the machine."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from callcenter.services import voices
from callcenter.services.errors import Refused
from callcenter.services.voices import Studio, Voice
from callcenter.spoken_names import extra_texts
from callcenter.web import files
from callcenter.web.access import needs
from callcenter.web.context import address, me, now, wiring, writing
from ivr.prompts import MAIN, languages

door = Blueprint("prompts", __name__)

_GROUPS = ("sentence", "word", "name", "borrowed")


@door.get("/prompts")
@needs("edit_prompts")
def index() -> str:
    """Every prompt of one language."""
    spoken = languages()
    asked = request.args.get("language", MAIN)
    chosen = asked if asked in spoken else MAIN
    found = voices.voices(_studio(), chosen)
    return render_template(
        "prompts.html",
        chosen=chosen,
        spoken=spoken,
        groups=[(name, [one for one in found if one.group == name]) for name in _GROUPS],
        people=sum(one.human for one in found),
        total=sum(not one.needless for one in found),
        stale=[one for one in found if one.stale],
    )


@door.get("/prompts/<language>/<key>")
@needs("edit_prompts")
def prompt(language: str, key: str) -> str:
    """One prompt: its text, its sound, and the means to record it."""
    return _page(voices.voice(_studio(), language, key))


@door.get("/prompts/<language>/<key>.wav")
@needs("edit_prompts")
def sound(language: str, key: str) -> Response:
    """What a caller hears (WAV); 404 when there is no sound."""
    found = voices.voice(_studio(), language, key)
    if found.made is None:
        abort(404)
    return files.send(
        _studio().folder, found.path, sha256=found.made.file_sha256, media_type="audio/wav"
    )


@door.post("/prompts/<language>/<key>")
@needs("edit_prompts")
def record(language: str, key: str) -> AnyResponse | tuple[str, int]:
    """Take a recording, from the microphone or a file; `then` next goes on to the next one."""
    studio = _studio()
    before = voices.voice(studio, language, key)
    try:
        sound_of_it = voices.usable(_uploaded())
        with writing() as db:
            voices.record(
                db,
                studio,
                language,
                key,
                sound_of_it,
                actor=me().username,
                now=now(),
                address=address(),
            )
    except Refused as error:
        return _page(before, _(error.message)), 400
    flash(_("Suara baru dipakai mulai panggilan berikutnya."), "ok")
    following = _next(studio, before) if request.form.get("then") == "next" else None
    return redirect(_list(before) if following is None else _at(following))


@door.post("/prompts/<language>/<key>/revert")
@needs("edit_prompts")
def revert(language: str, key: str) -> AnyResponse | tuple[str, int]:
    """The machine's voice again."""
    studio = _studio()
    before = voices.voice(studio, language, key)
    try:
        with writing() as db:
            voices.revert(
                db, studio, language, key, actor=me().username, now=now(), address=address()
            )
    except Refused as error:
        return _page(before, _(error.message)), 400
    flash(_("Suara mesin dipakai lagi."), "ok")
    return redirect(_list(before))


def _studio() -> Studio:
    config = wiring().config
    folder = config.storage.recordings / "prompts"
    return Studio(folder, config.storage.retention_days, extra_texts(config))


def _uploaded() -> bytes:
    file = request.files.get("recording")
    data = file.read() if file else b""
    if not data:
        raise Refused("recording", _("Rekam dulu, atau pilih berkas suara."))
    return data


def _page(shown: Voice, problem: str = "") -> str:
    return render_template(
        "prompt.html",
        voice=shown,
        errors={"recording": problem} if problem else {},
        following=_next(_studio(), shown),
    )


def _next(studio: Studio, after: Voice) -> Voice | None:
    """The next prompt of the language that no person has spoken, or whose text has changed."""
    found = voices.voices(studio, after.language)
    at = next(index for index, one in enumerate(found) if one.key == after.key)
    later = (*found[at + 1 :], *found[:at])
    return next((one for one in later if not one.needless and (one.stale or not one.human)), None)


def _list(shown: Voice) -> str:
    return url_for("prompts.index", language=shown.language, _anchor=shown.key)


def _at(shown: Voice) -> str:
    return url_for("prompts.prompt", language=shown.language, key=shown.key)
