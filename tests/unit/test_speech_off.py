"""Speech to text is off until somebody says so: no process, no duty, no package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from callcenter.cli.preparing import Prepared
from callcenter.cli.running import parts_of
from callcenter.clock import speech_duties
from callcenter.config import Config, load, read_secrets
from callcenter.config.schema import Speech
from callcenter.config.template import rendered
from callcenter.wiring import Wiring

NOTHING = Prepared(empty=False, sign_ins=(), exchange=None, line_address="")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """As shipped."""
    (tmp_path / "config.yaml").write_text(rendered(), encoding="utf-8")
    return load(tmp_path / "config.yaml")


def _parts(config: Config) -> list[str]:
    return [part.name for part in parts_of(config, Path("config.yaml"), NOTHING)]


def test_as_shipped_nothing_of_it_is_there(config: Config) -> None:
    wired = Wiring(config, read_secrets(config))
    assert config.speech is None
    assert "speech" not in _parts(config)
    assert (speech_duties(wired), wired.speech_engine) == ((), None)


def test_where_it_is_on_there_is_one_process_and_one_duty(config: Config) -> None:
    on = config.model_copy(update={"speech": Speech(model=Path("models/small"))})
    wired = Wiring(on, read_secrets(on))
    assert set(_parts(on)) - set(_parts(config)) == {"speech"}
    assert [duty.name for duty in speech_duties(wired)] == ["drafts"]
    assert wired.speech_engine is not None
    assert wired.speech_engine.pid is None  # nothing is started before there is something to hear


def test_no_other_process_imports_the_engine() -> None:
    asks = (
        "import sys, callcenter.clock, callcenter.line, callcenter.jobs, callcenter.web, "
        "callcenter.speech_worker\n"
        "print([m for m in ('faster_whisper', 'ctranslate2', 'onnxruntime') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
