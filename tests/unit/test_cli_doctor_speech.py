"""`aduan24 doctor --speech FOLDER`: how wrong an engine is, on recordings that are known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from callcenter.cli import main
from callcenter.config.template import rendered
from callcenter.doctor.speech import Measured, measure, together
from callcenter.domain.word_errors import WordErrors
from callcenter.gateways.hearing import EngineFailed, Heard, NoSound, Word
from tests import tiny_whisper

ROOT = Path(__file__).parents[2]
VOICE = ROOT / "recordings" / "prompts" / "id" / "ask_complaint.wav"


class Ear:
    """Hears what the file is called."""

    name, model = "ear", "large"

    def listen(self, sound: Path) -> Heard:
        if "text" in sound.name:
            raise NoSound("cannot be read")
        if "dies" in sound.name:
            raise EngineFailed("the engine died (signal 9)")
        words = sound.stem.split("_")
        return Heard(tuple(Word(word, 0, 1, 1) for word in words), "id", 2.0)


def _ticks() -> Iterator[float]:
    at = 0.0
    while True:
        yield at
        at += 0.5


def _put(folder: Path, name: str, said: str | None) -> None:
    (folder / f"{name}.wav").write_bytes(b"")
    if said is not None:
        (folder / f"{name}.txt").write_text(said, encoding="utf-8")


def test_each_pair_is_measured_and_all_of_them_together(tmp_path: Path) -> None:
    _put(tmp_path, "jalan_rusak", "Jalan rusak.")
    _put(tmp_path, "lampu_mati", "lampu jalan mati, gelap")
    _put(tmp_path, "dies", "x")
    _put(tmp_path, "text", "x")
    _put(tmp_path, "without", None)
    (tmp_path / "notes.txt").write_text("no pair")
    ticks = _ticks()
    found = list(measure(tmp_path, Ear(), lambda: next(ticks)))
    assert found == [
        Measured("dies.wav", wrong="the engine died (signal 9)"),
        Measured("jalan_rusak.wav", WordErrors(2), 2.0, 0.5),
        Measured("lampu_mati.wav", WordErrors(4, 0, 0, 2), 2.0, 0.5),
        Measured("text.wav", wrong="cannot be read"),
        Measured("without.wav", wrong="without.txt is missing, or no UTF-8 text"),
    ]
    whole = together(found)
    assert whole == Measured("all 2", WordErrors(6, 0, 0, 2), 4.0, 1.0)
    assert (whole.errors.rate, whole.pace) == (2 / 6, 0.25)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    return int(left.value.code or 0)


def test_where_it_is_off_it_says_what_to_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text(rendered(), encoding="utf-8")
    assert run("--config", str(tmp_path / "config.yaml"), "doctor", "--speech", str(tmp_path)) == 1
    assert "add speech.model to config.yaml" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_a_mistake_of_the_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("doctor", "--speech", str(tmp_path / "none")) == 2
    assert "--speech" in capsys.readouterr().err


def test_the_real_engine_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("faster_whisper", reason="the extra aduan24[speech] is not installed")
    tiny_whisper.write(tmp_path / "tiny", "jalan rusak")
    config = tmp_path / "config.yaml"
    config.write_text(f"{rendered()}\nspeech:\n  model: tiny\n", encoding="utf-8")
    known = tmp_path / "known"
    known.mkdir()
    assert run("--config", str(config), "doctor", "--speech", str(known)) == 1
    assert "no sound files" in capsys.readouterr().err
    shutil.copy(VOICE, known / "one.wav")
    (known / "one.txt").write_text("Jalan ini rusak!", encoding="utf-8")
    assert run("--config", str(config), "doctor", "--speech", str(known)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["33.3% wrong", "33.3% wrong"]
    assert "0 changed, 0 put in, 1 left out of 3 words" in lines[0]
    (known / "two.wav").write_text("no sound")
    (known / "two.txt").write_text("apa pun")
    assert run("--config", str(config), "doctor", "--speech", str(known), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["wrong"] for one in told["files"]] == ["", "cannot be read (LibsndfileError)"]
    assert (told["all"]["words"], told["all"]["word_error_rate"]) == (3, 0.3333)
