"""Speech to text by faster-whisper, with a model in a folder; nothing is ever fetched.

The packages are the extra `aduan24[speech]`; they are imported where a model is loaded, which is
in a process of its own (`engine_apart`).
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from callcenter.gateways.hearing import Heard, NoSound, Word

NAME = "faster-whisper"
#: What a model's folder must hold. faster-whisper would look for a missing tokenizer elsewhere.
FILES = ("model.bin", "config.json", "tokenizer.json")
VOCABULARY = ("vocabulary.json", "vocabulary.txt")
#: No recording of the line is longer; the sound stands in memory, 64 kB a second.
LONGEST_S = 900
_RATE = 16_000
_BLOCK = 1 << 16


def installed() -> bool:
    """Whether the packages are there."""
    return find_spec("faster_whisper") is not None


def missing(model: Path) -> tuple[str, ...]:
    """What the model's folder lacks."""
    lacks = [name for name in FILES if not (model / name).is_file()]
    if not any((model / name).is_file() for name in VOCABULARY):
        lacks.append(VOCABULARY[0])
    return tuple(lacks)


class Whisper:
    """A model that was loaded. `language`: ISO 639, None: it finds out by itself."""

    name = NAME

    def __init__(self, model: Path, language: str | None, threads: int) -> None:
        if lacks := missing(model):
            raise FileNotFoundError(f"{model} lacks {', '.join(lacks)}")
        os.environ["HF_HUB_OFFLINE"] = "1"  # besides the folder: no library may ask the network
        from faster_whisper import WhisperModel  # noqa: PLC0415 (an extra)

        self.model, self._language = model.name, language
        self._whisper = WhisperModel(
            str(model),
            device="cpu",
            compute_type="int8",
            cpu_threads=threads,
            num_workers=1,
            local_files_only=True,
        )

    def listen(self, sound: Path) -> Heard:
        """The words of a sound file. Raises NoSound."""
        samples = read(sound)
        parts, about = self._whisper.transcribe(
            samples,
            language=self._language,
            word_timestamps=True,
            vad_filter=True,  # out of silence Whisper makes sentences up
            condition_on_previous_text=False,  # what was misheard once does not spread
        )
        words = tuple(
            Word(text, round(w.start, 2), round(w.end, 2), round(min(max(w.probability, 0), 1), 3))
            for part in parts
            for w in part.words or ()
            if (text := _visible(w.word))
        )
        return Heard(words, about.language, round(len(samples) / _RATE, 2))


def _visible(word: str) -> str:
    return "".join(c for c in word if c.isprintable()).strip()


def read(sound: Path) -> NDArray[np.float32]:
    """The sound at 16 kHz, mono, -1 to 1, a block at a time. Raises NoSound."""
    try:
        with soundfile.SoundFile(sound) as file:
            if file.frames > LONGEST_S * file.samplerate:
                raise NoSound(f"longer than {LONGEST_S} s")
            stream = soxr.ResampleStream(file.samplerate, _RATE, 1, dtype="float32")
            parts = []
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                parts.append(stream.resample_chunk(block.mean(axis=1, dtype=np.float32)))
            parts.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    except (soundfile.SoundFileError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise NoSound(f"cannot be read ({type(error).__name__})") from None
    samples: NDArray[np.float32] = np.clip(np.nan_to_num(np.concatenate(parts)), -1, 1)
    return samples
