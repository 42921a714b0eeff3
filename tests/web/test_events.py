"""The stream of changes: quick, without data of citizens, ended with the session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from callcenter.services import accounts
from callcenter.wiring import Wiring
from tests.web.conftest import Filer


def _lines(answer: TestResponse) -> Iterator[bytes]:
    """What the stream says, as it says it."""
    return (line if isinstance(line, bytes) else line.encode() for line in answer.response)


def _until(lines: Iterator[bytes], wanted: bytes, within: float = 5.0) -> bytes:
    """Read until `wanted` comes; everything that came."""
    heard, deadline = b"", time.monotonic() + within
    for line in lines:
        heard += line
        if wanted in heard:
            return heard
        assert time.monotonic() < deadline, heard
    raise AssertionError(f"the stream ended: {heard!r}")


def test_a_filed_call_is_announced_within_two_seconds(
    as_user: Callable[[str], FlaskClient], file_call: Filer
) -> None:
    answer = as_user("operator").get("/events", buffered=False)
    assert answer.mimetype == "text/event-stream"
    lines = _lines(answer)
    _until(lines, b": still here")
    file_call()
    started = time.monotonic()
    heard = _until(lines, b"event: changed")
    assert time.monotonic() - started < 2
    assert b"0812" not in heard
    answer.close()


def test_the_stream_ends_with_the_session(
    as_user: Callable[[str], FlaskClient], wired: Wiring
) -> None:
    client = as_user("operator")
    answer = client.get("/events", buffered=False)
    lines = _lines(answer)
    next(lines)
    with wired.store.write() as db:
        accounts.disable(db, "operator", now=datetime.now(UTC))
    _until(lines, b"event: ended")
    answer.close()


def test_streams_never_take_all_threads(
    app: Flask, as_user: Callable[[str], FlaskClient], wired: Wiring
) -> None:
    client = as_user("operator")
    places = wired.config.web.threads // 2
    streams = [client.get("/events", buffered=False) for _ in range(places)]
    assert client.get("/events").status_code == 503
    assert client.get("/healthz").status_code == 200
    for stream in streams:
        stream.close()
    last = client.get("/events", buffered=False)
    assert last.status_code == 200
    last.close()


def test_a_stop_lets_the_streams_go(app: Flask, as_user: Callable[[str], FlaskClient]) -> None:
    answer = as_user("operator").get("/events", buffered=False)
    app.extensions["aduan24-stop"].set()
    assert b"ended" not in b"".join(_lines(answer))
    answer.close()


def test_a_stranger_gets_no_stream(client: FlaskClient) -> None:
    assert client.get("/events").status_code == 401
