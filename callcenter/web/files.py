"""Files of citizens and officers: the path is resolved, then verified; then it is opened."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from flask import Response, request
from werkzeug.exceptions import NotFound
from werkzeug.wsgi import wrap_file

from ivr.menu import LANGUAGES

_PROMPT = re.compile(r"[a-z][a-z0-9_]{0,59}")


def open_inside(folder: Path, relative: str) -> tuple[BinaryIO, int]:
    """Open `folder/relative` and give its size in bytes.

    NotFound for anything that leaves the folder, is a symbolic link anywhere on the way, or is
    no regular file.
    """
    if "\0" in relative:
        raise NotFound
    root = folder.resolve()
    path = Path(os.path.normpath(root / relative))
    if not path.is_relative_to(root) or path.resolve() != path:
        raise NotFound
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        raise NotFound from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise NotFound
    return os.fdopen(handle, "rb"), status.st_size


def send(folder: Path, relative: str, *, sha256: str, media_type: str) -> Response:
    """The file with HTTP Range (RFC 9110, 14): 206, 416, If-Range by the SHA-256."""
    file, size = open_inside(folder, relative)
    response = Response(
        wrap_file(request.environ, file), mimetype=media_type, direct_passthrough=True
    )
    response.call_on_close(file.close)
    response.content_length = size
    response.set_etag(sha256)
    response.headers["Content-Disposition"] = "inline"
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=size)
    except Exception:
        response.close()
        raise
    return response


def send_prompt(folder: Path, language: str, key: str) -> Response:
    """What the line says, in Indonesian where the language does not have it."""
    if language not in LANGUAGES.values() or not _PROMPT.fullmatch(key):
        raise NotFound
    chosen = language if (folder / language / f"{key}.wav").is_file() else "id"
    response = send(folder, f"{chosen}/{key}.wav", sha256="", media_type="audio/wav")
    del response.headers["ETag"]  # it would name the file's content, which nobody has read
    return response


def plays_from_start() -> bool:
    """Whether this request begins a playback: a GET of the whole or of its first bytes."""
    if request.method != "GET":
        return False
    asked = request.range
    return asked is None or not asked.ranges or asked.ranges[0][0] == 0
