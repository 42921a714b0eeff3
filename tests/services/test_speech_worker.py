"""From a filed call to words beside it: the real queue, the real process, the real engine."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import select

from callcenter import speech_worker
from callcenter.clock import speech_duties
from callcenter.config.load import load
from callcenter.config.secrets import read_secrets
from callcenter.gateways import valkey
from callcenter.gateways.postman import DRAFT, SPEECH
from callcenter.services import intake
from callcenter.services.speech_drafts import DONE
from callcenter.store import queries
from callcenter.store.migrate import upgrade
from callcenter.store.speech_models import SpeechDraft
from callcenter.wiring import Wiring
from tests import tiny_whisper
from tests.services.calls import CONSENT, heard
from tests.services.conftest import ROOT

pytest.importorskip("faster_whisper", reason="the extra aduan24[speech] is not installed")

VOICE = ROOT / "recordings" / "prompts" / "id" / "ask_complaint.wav"


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wiring]:
    """A deployment with speech to text and its queue."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tiny_whisper.write(tmp_path / "tiny", "jalan rusak")
    text = (ROOT / "config.yaml").read_text(encoding="utf-8").replace("port: 6390", f"port: {port}")
    (tmp_path / "config.yaml").write_text(f"{text}\nspeech:\n  model: tiny\n", encoding="utf-8")
    server = subprocess.Popen(valkey.command(port, tmp_path / "queue"), stdout=subprocess.DEVNULL)
    _until(lambda: valkey.answers(port))
    config = load(tmp_path / "config.yaml")
    made = Wiring(config, read_secrets(config))
    upgrade(made.store.engine)
    yield made
    made.store.engine.dispose()
    server.terminate()
    server.wait(10)


def _file(wired: Wiring, *uids: str) -> None:
    for uid in uids:
        now = datetime.now(UTC)
        call = heard("0812345678", now, CONSENT, speech=1.8, uid=uid)
        path = wired.config.storage.recordings / call.clips[0].path
        path.parent.mkdir(parents=True)
        shutil.copy(VOICE, path)
        with wired.store.write() as db:
            intake.file_call(db, call, now=now, silent_below=0.5, drafts=True)


def _drafts(wired: Wiring) -> list[SpeechDraft]:
    with wired.store.read() as db:
        return list(db.scalars(select(SpeechDraft).order_by(SpeechDraft.id)))


def _sweep(wired: Wiring) -> None:
    (duty,) = speech_duties(wired)
    assert duty.work(datetime.now(UTC)) == 0


def test_words_stand_beside_a_recording_also_when_the_queue_was_emptied(
    wired: Wiring, tmp_path: Path
) -> None:
    _file(wired, "pbx1-1.1", "pbx1-2.1")
    with Redis.from_url(wired.config.queue.redis_url) as redis:
        queue = Queue(SPEECH, connection=redis, serializer=JSONSerializer)
        for _ in range(3):
            _sweep(wired)
        assert [(job.func_name, tuple(job.args)) for job in queue.jobs] == [
            (DRAFT, (1,)),
            (DRAFT, (2,)),
        ]
        redis.flushall()
        _sweep(wired)
        assert queue.count == 2
    command = [sys.executable, "-m", "callcenter.cli", "speech", "--config"]
    worker = subprocess.Popen([*command, str(tmp_path / "config.yaml")])
    try:
        _until(lambda: all(draft.state == DONE for draft in _drafts(wired)))
        with wired.store.read() as db:
            assert "speech" in [beat.part for beat in queries.heartbeats(db)]
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
    for draft in _drafts(wired):
        assert [row[0] for row in draft.words[:2]] == ["jalan", "rusak"]
        assert (draft.engine, draft.model, draft.tries) == ("faster-whisper", "tiny", 1)


def test_a_job_that_runs_again_changes_nothing(wired: Wiring) -> None:
    _file(wired, "pbx1-1.1")
    assert wired.speech_engine is not None
    speech_worker.employ(wired, wired.speech_engine)
    for _ in range(2):
        speech_worker.write_draft(1)
    speech_worker.write_draft(99)
    wired.speech_engine.close()
    (draft,) = _drafts(wired)
    assert (draft.state, draft.tries) == (DONE, 1)


def test_a_job_outside_its_worker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_worker, "_desk", None)
    with pytest.raises(RuntimeError, match="aduan24 speech"):
        speech_worker.write_draft(1)
