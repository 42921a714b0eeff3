"""What a start brings: the shipped voices, and the names that only this deployment says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from callcenter.cli.preparing import bring_prompts
from callcenter.config.load import load
from callcenter.config.schema import Config
from callcenter.doctor.line import examine
from callcenter.spoken_names import extra_texts
from ivr.prompts import check_all, open_books
from ivr.saying import Facts, status

ROOT = Path(__file__).parents[2]
QUICK_S = 1.0


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "config.yaml"
    file.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return load(file)


@pytest.fixture
def no_espeak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ADUAN24_PARTS", str(tmp_path))


def test_every_agency_and_category_has_a_text(config: Config) -> None:
    names = extra_texts(config)
    assert names["agency_pupr"] == "PUPR Perkim"
    assert names["category_fire"] == "Kebakaran"
    assert len(names) == len(config.agencies) + len(config.categories)


def test_a_start_speaks_the_names_once(config: Config) -> None:
    said: list[str] = []
    bring_prompts(config, said.append)
    folder = config.storage.recordings / "prompts"
    assert check_all(folder, extra=extra_texts(config)) == []
    assert said[0].startswith("38 prompts are spoken anew: id/agency_pupr")
    books = open_books(folder)
    assert "agency_pupr" in status(Facts("accepted", "pupr"), "ban", books["ban"])
    began = time.monotonic()
    bring_prompts(config, said.append)
    assert len(said) == 1
    assert time.monotonic() - began < QUICK_S


@pytest.mark.usefixtures("no_espeak")
def test_without_espeak_callers_hear_everything_but_the_names(config: Config) -> None:
    said: list[str] = []
    bring_prompts(config, said.append)
    assert "espeak-ng is not installed" in said[0]
    books = open_books(config.storage.recordings / "prompts")
    assert status(Facts("accepted", "pupr"), "en", books["en"]) == ("status", "status_accepted")
    findings = [f for f in examine(config) if f.name == "prompts"]
    assert findings and not any(f.level == "fail" for f in findings)


@pytest.mark.usefixtures("no_espeak")
def test_another_retention_without_espeak_is_said_and_found(config: Config) -> None:
    storage = config.storage.model_copy(update={"retention_days": 730})
    longer = config.model_copy(update={"storage": storage})
    said: list[str] = []
    bring_prompts(longer, said.append)
    assert any("id/welcome_consent.wav: missing" in line for line in said)
