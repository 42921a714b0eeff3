"""Makes the prompts' sound files from the text table; see `ivr.prompts` for the commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from ivr.prompts import (
    DEFAULT_RETENTION_DAYS,
    FOLDER,
    MAIN,
    NONE,
    RATE,
    TABLE,
    Line,
    Made,
    PromptsMissing,
    file_hash,
    languages,
    lines,
    read_manifest,
    text_hash,
    texts,
    write_manifest,
)
from ivr.speaking import (
    Samples,
    SpeechUnavailable,
    levelled,
    loudness,
    resampled,
    speak,
    trimmed,
    write,
)

__all__ = ["SpeechUnavailable", "adopt_human", "make", "make_all"]

BEEP_DBFS = -15.0
SENTENCE_WPM = 190
WORD_WPM = 160  # a digit or a month stands alone: nothing around it helps the ear
_FADE_S = 0.01  # a tone that starts at full level clicks


def make(
    folder: Path = FOLDER,
    language: str = MAIN,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
    *,
    force: bool = False,
) -> list[str]:
    """Make what is missing or whose text changed in one language; returns the keys made.

    Human recordings are never touched: only their line in the manifest is brought up to date.
    Raises SpeechUnavailable without espeak-ng; what was made until then is kept.
    """
    manifest = read_manifest(folder)
    made = manifest.setdefault(language, {})
    (folder / language).mkdir(parents=True, exist_ok=True)
    done = []
    try:
        for key, line in lines(language, retention_days, table, extra).items():
            path = folder / language / f"{key}.wav"
            old = made.get(key)
            if old and old.human and path.is_file():
                made[key] = _described(path, old.text, human=True)
            elif force or old is None or not _as_made(path, line.text, old):
                _sound(line, path)
                made[key] = _described(path, line.text)
                done.append(key)
    finally:
        write_manifest(folder, manifest)
    return done


def make_all(
    folder: Path = FOLDER,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> list[str]:
    """`make` for every language of the table; returns what was made as `<language>/<key>`."""
    return [
        f"{language}/{key}"
        for language in languages(table)
        for key in make(folder, language, retention_days, table, extra)
    ]


def adopt_human(
    key: str,
    source: Path,
    folder: Path = FOLDER,
    language: str = MAIN,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    *,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> None:
    """Put a person's recording (any format libsndfile reads) in the place of a prompt.

    It is made 8 kHz mono, trimmed and levelled. What a language plays in Indonesian can be
    recorded in it as well. Raises PromptsMissing for an unknown key or a file that is no sound.
    """
    spoken = texts(MAIN, retention_days, table, extra) | texts(language, retention_days, table)
    if key not in spoken:
        raise PromptsMissing(f"{key!r} is no prompt; there are: {', '.join(sorted(spoken))}")
    path = folder / language / f"{key}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, levelled(trimmed(_mono(source), RATE), RATE), RATE)
    manifest = read_manifest(folder)
    manifest.setdefault(language, {})[key] = _described(path, spoken[key], human=True)
    write_manifest(folder, manifest)


def _mono(source: Path) -> Samples:
    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise PromptsMissing(f"{source}: not a sound file that can be read: {error}") from None
    return resampled(samples.mean(axis=1), rate, RATE)


def _as_made(path: Path, text: str, old: Made) -> bool:
    return (
        path.is_file() and old.text_sha256 == text_hash(text) and old.file_sha256 == file_hash(path)
    )


def _sound(line: Line, path: Path) -> None:
    kind, _, figures = line.text.partition(":")
    if kind == "tone":
        hertz, seconds = map(float, figures.split())
        write(path, _tone(hertz, seconds), RATE)
    elif kind == "silence":
        write(path, np.zeros(int(float(figures) * RATE), np.float32), RATE)
    else:
        speed = SENTENCE_WPM if " " in line.text else WORD_WPM
        speak(line.text, path, line.voice, RATE, words_per_minute=speed)


def _tone(hertz: float, seconds: float) -> Samples:
    at = np.arange(int(seconds * RATE)) / RATE
    fade = np.minimum(1, np.minimum(at, seconds - at) / _FADE_S)
    level = 10 ** (BEEP_DBFS / 20) * np.sqrt(2)
    tone: Samples = (level * fade * np.sin(2 * np.pi * hertz * at)).astype(np.float32)
    return tone


def _described(path: Path, text: str, human: bool = False) -> Made:
    samples, rate = soundfile.read(path, dtype="float32")
    return Made(
        text=text,
        text_sha256=text_hash(text),
        file_sha256=file_hash(path),
        seconds=round(len(samples) / rate, 3),
        loudness_dbfs=round(loudness(samples, rate), 1),
        human=human,
    )
