"""Playing recordings: ranges as RFC 9110 wants them, one folder, every playback written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import NotFound

from callcenter.store.models import Recording
from callcenter.web.files import open_inside
from callcenter.wiring import Wiring
from tests.web.conftest import Filer, recording_id

Audits = Callable[[str], int]


@pytest.fixture
def url(wired: Wiring, file_call: Filer) -> str:
    """The address of one recording."""
    return f"/recordings/{recording_id(wired, file_call())}.wav"


@pytest.fixture
def operator(as_user: Callable[[str], FlaskClient]) -> FlaskClient:
    """Somebody who may listen."""
    return as_user("operator")


@pytest.fixture
def whole(operator: FlaskClient, url: str) -> bytes:
    """All bytes."""
    return operator.get(url).data


def test_the_shape_is_measured_once_and_kept(
    operator: FlaskClient, wired: Wiring, url: str, audits: Audits
) -> None:
    address = url.replace(".wav", "/peaks")
    bars = operator.get(address).get_json()
    assert len(bars) == 300
    assert max(bars) == 255
    (kept,) = [p for p in (wired.config.storage.state / "peaks").rglob("*") if p.is_file()]
    assert kept.read_bytes() == bytes(bars)
    kept.write_bytes(bytes(300))
    assert set(operator.get(address).get_json()) == {0}  # what was kept is what is sent
    kept.write_bytes(b"cut short")
    assert operator.get(address).get_json() == bars
    assert audits("recording_played") == 0  # nobody has heard anything


def test_the_whole_file(operator: FlaskClient, url: str) -> None:
    answer = operator.get(url)
    assert answer.status_code == 200
    assert answer.mimetype == "audio/wav"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.data[:4] == b"RIFF"
    assert int(answer.headers["Content-Length"]) == len(answer.data)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-99", slice(0, 100)),
        ("bytes=1000-", slice(1000, None)),
        ("bytes=-500", slice(-500, None)),
        ("bytes=44-99999999", slice(44, None)),
    ],
)
def test_a_range(operator: FlaskClient, url: str, whole: bytes, asked: str, part: slice) -> None:
    answer = operator.get(url, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.data == whole[part]
    start = part.indices(len(whole))[0]
    expected = f"bytes {start}-{start + len(answer.data) - 1}/{len(whole)}"
    assert answer.headers["Content-Range"] == expected


def test_a_range_outside_is_416(operator: FlaskClient, url: str, whole: bytes) -> None:
    answer = operator.get(url, headers={"Range": f"bytes={len(whole)}-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"


def test_head_has_the_headers_and_no_body(operator: FlaskClient, url: str, whole: bytes) -> None:
    answer = operator.head(url)
    assert answer.status_code == 200
    assert int(answer.headers["Content-Length"]) == len(whole)
    assert answer.data == b""


def test_if_range_with_another_file_sends_the_whole(
    operator: FlaskClient, url: str, whole: bytes
) -> None:
    tag = operator.head(url).headers["ETag"]
    same = operator.get(url, headers={"Range": "bytes=0-9", "If-Range": tag})
    other = operator.get(url, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (same.status_code, other.status_code) == (206, 200)
    assert other.data == whole
    assert operator.get(url, headers={"If-None-Match": tag}).status_code == 304


def test_each_playback_is_one_row(operator: FlaskClient, url: str, audits: Audits) -> None:
    operator.head(url)
    assert audits("recording_played") == 0
    operator.get(url, headers={"Range": "bytes=0-"})
    operator.get(url, headers={"Range": "bytes=4000-"})  # a seek belongs to the playback
    assert audits("recording_played") == 1
    operator.get(url)
    assert audits("recording_played") == 2


def test_skipping_the_first_byte_does_not_skip_the_row(
    operator: FlaskClient, url: str, audits: Audits
) -> None:
    operator.get(url, headers={"Range": "bytes=1-"})
    operator.get(url, headers={"Range": "bytes=-30000"})
    assert audits("recording_played") == 1


def _point(app: Flask, path: str) -> None:
    with app.extensions["aduan24"].store.write() as db:
        recording = db.get(Recording, 1)
        assert recording is not None
        recording.path = path


@pytest.mark.parametrize(
    "path", ["../config.yaml", "/etc/passwd", "calls/../../config.yaml", "calls", "gone.wav", ""]
)
def test_a_path_that_leaves_the_folder_is_not_found(
    app: Flask, operator: FlaskClient, url: str, path: str, audits: Audits
) -> None:
    _point(app, path)
    assert operator.get(url).status_code == 404
    assert audits("recording_played") == 0


def test_symbolic_links_are_refused(app: Flask, operator: FlaskClient, url: str) -> None:
    folder: Path = app.extensions["aduan24"].config.storage.recordings
    (folder / "file.wav").symlink_to(folder.parent / "config.yaml")
    (folder / "way").symlink_to(folder / "calls")
    (folder / "inside.wav").symlink_to(folder / "calls" / "1" / "complaint-1.wav")
    for path in ("file.wav", "way/1/complaint-1.wav", "inside.wav"):
        _point(app, path)
        assert operator.get(url).status_code == 404


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "nothing", "a\0b"):
        with pytest.raises(NotFound):
            open_inside(tmp_path, name)
