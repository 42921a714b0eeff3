"""Makes the prompts' sound files from the text table; see `ivr.prompts` for the commands."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from ivr.prompt_manifest import Made, changing, copy_into, file_hash, read_manifest
from ivr.prompts import (
    DEFAULT_RETENTION_DAYS,
    FOLDER,
    MAIN,
    NONE,
    RATE,
    TABLE,
    Line,
    PromptsMissing,
    known_texts,
    languages,
    lines,
    text_hash,
)
from ivr.speaking import (
    Samples,
    SpeechUnavailable,
    levelled,
    loudness,
    resampled,
    spoken,
    trimmed,
    write,
)

__all__ = [
    "SpeechUnavailable",
    "Unusable",
    "adopt_human",
    "human_sound",
    "make",
    "make_all",
    "place_human",
    "revert",
]

BEEP_DBFS = -15.0
SENTENCE_WPM = 190
WORD_WPM = 160  # a digit or a month stands alone: nothing around it helps the ear
MOST_SECONDS = 60  # of one prompt; nobody listens longer
LEAST_SECONDS = 0.15
SILENT_DBFS = -55.0
_RATES = range(4_000, 96_001)
_FADE_S = 0.01  # a tone that starts at full level clicks


class Unusable(PromptsMissing):
    """A recording that cannot become a prompt. `why`: unreadable, long or silent."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


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
    done = []
    with changing(folder) as manifest:
        made = manifest.setdefault(language, {})
        for key, line in lines(language, retention_days, table, extra).items():
            path = folder / language / f"{key}.wav"
            old = made.get(key)
            if old and old.human and path.is_file():
                made[key] = _described(path, old.text, human=True)
            elif force or old is None or not _as_made(path, line.text, old):
                made[key] = _sound(line, path)
                done.append(key)
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


def human_sound(data: bytes) -> Samples:
    """A person's recording (the bytes of any file that libsndfile reads) as a prompt's samples.

    Made 8 kHz mono, trimmed and levelled. Raises Unusable; the data may come from anywhere.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate = file.samplerate
            if rate not in _RATES or file.channels > 2:
                raise Unusable("unreadable", f"{file.channels} channels at {rate} Hz")
            samples = file.read(MOST_SECONDS * rate + 1, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        raise Unusable("unreadable", f"not a sound file that can be read: {error}") from None
    if len(samples) > MOST_SECONDS * rate:
        raise Unusable("long", f"longer than {MOST_SECONDS} seconds")
    sound = trimmed(resampled(np.nan_to_num(samples).mean(axis=1), rate, RATE), RATE)
    if len(sound) < LEAST_SECONDS * RATE or loudness(sound, RATE) < SILENT_DBFS:
        raise Unusable("silent", "nothing can be heard in it")
    return levelled(sound, RATE)


def place_human(
    key: str,
    sound: Samples,
    folder: Path = FOLDER,
    language: str = MAIN,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    *,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> Made:
    """Put what `human_sound` made in the place of a prompt; a call that plays the old one goes on.

    What a language plays in Indonesian can be recorded in it as well. Raises PromptsMissing for
    an unknown key.
    """
    text = known_texts(language, retention_days, table, extra).get(key)
    if text is None:
        raise PromptsMissing(f"{key!r} is no prompt")
    path = folder / language / f"{key}.wav"
    with changing(folder) as manifest:
        _write(path, sound)
        made = _described(path, text, human=True)
        manifest.setdefault(language, {})[key] = made
    return made


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
    """Put a file that a person recorded in the place of a prompt.

    Raises PromptsMissing for an unknown key or a file that cannot be used.
    """
    known = known_texts(language, retention_days, table, extra)
    if key not in known:
        raise PromptsMissing(f"{key!r} is no prompt; there are: {', '.join(sorted(known))}")
    try:
        sound = human_sound(source.read_bytes())
    except Unusable as error:
        raise PromptsMissing(f"{source}: {error}") from None
    place_human(key, sound, folder, language, retention_days, table=table, extra=extra)


def revert(
    key: str,
    folder: Path = FOLDER,
    language: str = MAIN,
    retention_days: int = DEFAULT_RETENTION_DAYS,
    *,
    shipped: Path | None = None,
    table: Path = TABLE,
    extra: Mapping[str, str] = NONE,
) -> None:
    """Give a prompt the machine's voice again: the one that ships, else a new one.

    Where the language has no text of its own, the Indonesian prompt is played again. Raises
    SpeechUnavailable, with the person's recording still in place, when it cannot be spoken.
    """
    line = lines(language, retention_days, table, extra).get(key)
    path = folder / language / f"{key}.wav"
    offer = read_manifest(shipped).get(language, {}).get(key) if shipped else None
    with changing(folder) as manifest:
        made = manifest.setdefault(language, {})
        if line is None:
            made.pop(key, None)
            path.unlink(missing_ok=True)
        elif shipped and offer and not offer.human and offer.text == line.text:
            copy_into(shipped / language / path.name, path)
            made[key] = offer
        else:
            made[key] = _sound(line, path)


def _as_made(path: Path, text: str, old: Made) -> bool:
    return (
        path.is_file() and old.text_sha256 == text_hash(text) and old.file_sha256 == file_hash(path)
    )


def _sound(line: Line, path: Path) -> Made:
    """Make the sound of a line and put it in its place."""
    kind, _, figures = line.text.partition(":")
    if kind == "tone":
        hertz, seconds = map(float, figures.split())
        sound = _tone(hertz, seconds)
    elif kind == "silence":
        sound = np.zeros(int(float(figures) * RATE), np.float32)
    else:
        speed = SENTENCE_WPM if " " in line.text else WORD_WPM
        speech = spoken(line.text, line.voice, RATE, words_per_minute=speed)
        sound = levelled(trimmed(speech, RATE), RATE)
    _write(path, sound)
    return _described(path, line.text)


def _write(path: Path, sound: Samples) -> None:
    """Whole or not at all: a call may be playing the file that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    write(fresh, sound, RATE)
    fresh.replace(path)


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
