"""The real engine, with a real model of one layer: in this process, and in one of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from callcenter.gateways import whisper
from callcenter.gateways.engine_apart import EngineApart
from callcenter.gateways.hearing import EngineFailed, EngineStopped, Heard, NoSound
from callcenter.gateways.whisper import Whisper
from tests import tiny_whisper

pytest.importorskip("faster_whisper", reason="the extra aduan24[speech] is not installed")

VOICE = Path(__file__).parents[2] / "recordings" / "prompts" / "id" / "ask_complaint.wav"
SAID = "jalan di depan pasar|pagar rusak"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder."""
    return tiny_whisper.write(tmp_path_factory.mktemp("models") / "tiny", SAID)


@pytest.fixture
def apart(model: Path) -> Iterator[EngineApart]:
    """An engine in a process of its own."""
    engine = EngineApart(model, "id", 1, 2000)
    yield engine
    engine.close()


def _as_said(heard: Heard) -> None:
    first = heard.words[:5]
    assert [word.text for word in first[:3]] == ["jalan", "di", "depan"]
    assert (first[3].text in ("pasar", "pagar"), first[4].text) == (True, "rusak")
    assert [word.confidence > 0.9 for word in first] == [True, True, True, False, True]
    assert [(word.start, word.end) for word in first] == [
        (0.0, 0.4),
        (0.4, 0.8),
        (0.8, 1.2),
        (1.2, 1.6),
        (1.6, 2.0),
    ]
    assert (heard.language, heard.seconds) == ("id", round(soundfile.info(VOICE).duration, 2))


def test_a_sound_becomes_words_with_their_times_and_how_sure_each_is(model: Path) -> None:
    _as_said(Whisper(model, "id", 1).listen(VOICE))


def test_it_finds_the_language_out_by_itself(model: Path) -> None:
    assert Whisper(model, None, 1).listen(VOICE).language == "id"


def test_silence_has_no_words(model: Path, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(24_000, np.int16), 8000)
    heard = Whisper(model, "id", 1).listen(silence)
    assert (heard.words, heard.seconds) == ((), 3.0)


@pytest.mark.parametrize("name", [*whisper.FILES, "vocabulary.json"])
def test_a_folder_that_lacks_a_file_is_refused_before_anything_is_looked_for_elsewhere(
    model: Path, tmp_path: Path, name: str
) -> None:
    for file in model.iterdir():
        if file.name != name:
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(FileNotFoundError, match=name):
        Whisper(tmp_path, "id", 1)


def test_what_is_no_sound_is_said(apart: EngineApart, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    for file in (tmp_path / "text.wav", tmp_path / "missing.wav"):
        with pytest.raises(NoSound, match="cannot be read"):
            apart.listen(file)
    _as_said(apart.listen(VOICE))


def test_it_has_a_process_of_its_own_with_the_lowest_priority_that_stays(
    apart: EngineApart,
) -> None:
    _as_said(apart.listen(VOICE))
    pid = apart.pid
    assert pid is not None
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    assert "Max data size             2000000000" in Path(f"/proc/{pid}/limits").read_text()
    _as_said(apart.listen(VOICE))
    assert apart.pid == pid


class Mortal(EngineApart):
    """Its process is killed while it thinks about a question."""

    doomed = False

    def _read(self, child: subprocess.Popen[bytes], patience_s: float) -> dict[str, Any]:
        if self.doomed:
            child.kill()
        return super()._read(child, patience_s)


def test_a_kill_costs_one_answer_and_the_next_question_has_a_new_process(model: Path) -> None:
    engine = Mortal(model, "id", 1, 2000)
    engine.warm()
    first, engine.doomed = engine.pid, True
    with pytest.raises(EngineFailed, match="signal 9"):
        engine.listen(VOICE)
    engine.doomed = False
    _as_said(engine.listen(VOICE))
    assert engine.pid != first
    engine.close()


def test_an_engine_that_hangs_is_ended(apart: EngineApart) -> None:
    apart.warm()
    assert apart.pid is not None
    os.kill(apart.pid, signal.SIGSTOP)
    apart.patience_s = 0.2
    with pytest.raises(EngineFailed, match="no answer within"):
        apart.listen(VOICE)
    assert apart.pid is None


def test_an_engine_that_is_stopped_says_so(apart: EngineApart) -> None:
    apart.warm()
    assert apart.pid is not None
    apart.interrupt()
    with pytest.raises(EngineStopped):
        apart.listen(VOICE)


def test_too_little_memory_is_a_reason_and_not_the_end_of_anybody_else(model: Path) -> None:
    engine = EngineApart(model, "id", 1, 60)
    with pytest.raises(EngineFailed):
        engine.listen(VOICE)
    engine.close()


def test_a_model_that_is_none_is_a_reason(tmp_path: Path) -> None:
    for name in (*whisper.FILES, "vocabulary.json"):
        (tmp_path / name).write_text("{}")
    engine = EngineApart(tmp_path, "id", 1, 2000)
    with pytest.raises(EngineFailed, match="cannot be loaded"):
        engine.warm()
