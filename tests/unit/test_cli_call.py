"""What `aduan24 call` says that it heard, whatever language the caller chose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from callcenter.cli.call import told
from callcenter.config import load
from ivr.caller import CallResult, read_audio
from ivr.caller.g711 import RATE, round_trip
from ivr.caller.place import Pacing
from ivr.numbers import make_number, pairs

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = ROOT / "recordings" / "prompts"
NUMBER = make_number(1234567)


def heard(language: str) -> CallResult:
    """A call in which the consent and the number were said in this language."""
    digits = [f"{language}/digit_{digit}" for pair in pairs(NUMBER) for digit in pair]
    order = ["id/welcome", f"{language}/welcome_consent", f"{language}/number_intro", *digits]
    gap = np.zeros(RATE // 5, np.int16)
    pieces = [piece for key in order for piece in (read_audio(PROMPTS / f"{key}.wav"), gap)]
    sound = round_trip(np.concatenate(pieces))
    return CallResult("answered", 200, "", 0.1, 30.0, 0.0, sound, "line", (), Pacing(0, 0.0, 0.0))


@pytest.mark.parametrize("language", ["id", "ban", "en"])
def test_prompts_and_number_are_recognised_in_every_language(language: str) -> None:
    facts = told(heard(language), load(ROOT / "config.yaml"))
    said = [each["prompt"] for each in facts["prompts"]]
    assert said == ["welcome", "welcome_consent", "number_intro"]
    assert (facts["language"], facts["number"]) == (language, NUMBER)
