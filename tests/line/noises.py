"""Prompts of noise: each its own, as long as a test wants, and heard without doubt.

Noise is like nothing but itself: `ivr.caller.hearing.contains` finds it in what a caller heard.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from ivr.caller.g711 import Samples
from ivr.nodes import Menu
from ivr.prompts import Made, PromptBook
from ivr.saying import number
from ivr.wav import duration

RATE = 8000
USUAL_S = 0.4
_REST = 320  # the end of a file that fills no frame is not sent
SECONDS = {"beep": 0.25, "pause": 0.05, "welcome_consent": 2.0}
FALLBACK = ("fallback_intro", "failed", "no_room", "busy")
ALWAYS = (
    "beep",
    "pause",
    "number_intro",
    "number_again",
    "pin_intro",
    "queue_position",
    "caller_ordinal",
)
COUNTED = {key for name in ("id", "ban", "en") for n in range(100) for key in number(n, name)}
DIGITS = tuple(f"digit_{digit}" for digit in range(10))


def keys_of(*menus: Menu) -> set[str]:
    """Every prompt that these tables can say."""
    said = {key for menu in menus for node in menu.values() for key in getattr(node, "prompts", ())}
    return said | {*FALLBACK, *ALWAYS, *DIGITS, *COUNTED, "queue_wait"}


def make_noises(folder: Path, language: str, keys: Iterable[str]) -> PromptBook:
    """A book of noises in ``<folder>/<language>``."""
    (folder / language).mkdir(parents=True)
    for key in keys:
        sound = noise(language, key)
        soundfile.write(folder / language / f"{key}.wav", sound, RATE, subtype="PCM_16")
    return book_of(folder / language)


def book_of(folder: Path) -> PromptBook:
    """The book of the sound files in a folder, whatever is in it."""
    made = {
        path.stem: Made(path.stem, f"{zlib.crc32(path.stem.encode()):012x}", "", duration(path), 0)
        for path in folder.glob("*.wav")
    }
    return PromptBook(folder, made, {key: key for key in made})


def noise(language: str, key: str) -> Samples:
    """What this prompt sounds like."""
    at = np.arange(int(RATE * SECONDS.get(key, 0.15 if key in COUNTED else USUAL_S))) / RATE
    if key == "beep":
        sound = 0.25 * np.sin(2 * np.pi * 1000 * at)
    elif key == "pause":
        sound = 0 * at
    else:
        seed = zlib.crc32(f"{language} {key}".encode())
        sound = np.random.default_rng(seed).normal(0, 0.1, len(at)).clip(-0.5, 0.5)
        sound[-_REST:] = 0
    return np.asarray(np.round(sound * 32767), dtype=np.int16)
