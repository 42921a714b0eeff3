"""A real Whisper model of one layer that was never trained: whatever it hears, it writes what it
was told to write.

The engine, its file format and its arithmetic are the real ones; only the knowledge is missing:
each place of its text points at the word that comes next, and looks at that word's share of the
sound.
A word that is followed by another after a `|` is one that it is in two minds about.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_WIDTH, _HEADS = 64, 2
_SOUND, _TEXT, _BANDS = 1500, 448, 80
_END, _START, _TIMES = 50257, 50258, 50364
_SPECIAL = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")


def write(
    folder: Path, sentence: str = "jalan di depan pasar|pagar rusak", ends: int = 100
) -> Path:
    """A model folder as faster-whisper reads it; the sentence ends after `ends` steps of 20 ms."""
    from ctranslate2.specs import WhisperSpec

    tokens = _tokens()
    words = dict.fromkeys(word for said in sentence.split() for word in said.split("|"))
    places = {word: 300 + number for number, word in enumerate(words)}
    for word, place in places.items():
        tokens[place] = f"Ġ{word}"
    said = [[places[word] for word in both.split("|")] for both in sentence.split()]
    # what follows the places: start, language, task, the first time, words, the last time
    script = [[tokens.index("<|id|>")], [tokens.index("<|transcribe|>")], [_TIMES]]
    script += [*said, [_TIMES + ends], [_END]]
    spec = WhisperSpec(1, _HEADS, 1, _HEADS)
    _fill(spec, script, ends // len(said))
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.alignment_heads = [[0, 0]]
    spec.config.lang_ids = [n for n, token in enumerate(tokens) if n in range(_START + 1, 50358)]
    spec.validate()
    spec.optimize()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer(tokens)), encoding="utf-8")
    return folder


def _fill(spec: Any, script: Sequence[Sequence[int]], share: int) -> None:
    chance = np.random.default_rng(24)
    words = chance.standard_normal((_TIMES + 1501, _WIDTH), dtype=np.float32)
    words *= 8 / np.linalg.norm(words, axis=1, keepdims=True)
    places = np.zeros((_TEXT, _WIDTH), np.float32)
    for place, wanted in enumerate(script):
        places[place] = 5 * words[list(wanted)].sum(axis=0)
    places[len(script) :] = 5 * words[_END]
    spec.encoder.conv1.weight = _zeros(_WIDTH, _BANDS, 3)
    spec.encoder.conv2.weight = _zeros(_WIDTH, _WIDTH, 3)
    spec.encoder.conv1.bias = spec.encoder.conv2.bias = _zeros(_WIDTH)
    sound = np.repeat(places[3 : len(script)], share, axis=0)[:_SOUND]
    rest = np.broadcast_to(places[len(script)], (_SOUND - len(sound), _WIDTH))
    spec.encoder.position_encodings.encodings = np.concatenate([sound, rest])
    spec.decoder.position_encodings.encodings = places
    spec.decoder.embeddings.weight = words
    spec.decoder.projection.weight = words
    for side in (spec.encoder, spec.decoder):
        _norm(side.layer_norm)
        for layer in side.layer:
            _attention(layer.self_attention, 3)
            if hasattr(layer, "attention"):
                _attention(layer.attention, 2)
            _norm(layer.ffn.layer_norm)
            _linear(layer.ffn.linear_0, _WIDTH, _WIDTH)
            _linear(layer.ffn.linear_1, _WIDTH, _WIDTH)


def _attention(spec: Any, projections: int) -> None:
    _norm(spec.layer_norm)
    sizes = {3: (3,), 2: (1, 2)}[projections]
    for linear, times in zip(spec.linear, (*sizes, 1), strict=True):
        _linear(linear, times * _WIDTH, _WIDTH)
    if projections == 2:  # it looks where the sound is like the word
        for linear in spec.linear[:2]:
            linear.weight[:_WIDTH] = np.eye(_WIDTH)


def _linear(spec: Any, out: int, into: int) -> None:
    spec.weight, spec.bias = _zeros(out, into), _zeros(out)


def _norm(spec: Any) -> None:
    spec.gamma, spec.beta = np.ones(_WIDTH, np.float32), _zeros(_WIDTH)


def _zeros(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.zeros(shape, np.float32)


# ---------------------------------------------------------------- its letters


def _tokens() -> list[str]:
    """As many as Whisper has, in its order: letters, words, the rest."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    fillers = (f"Ġ_{number}" for number in range(256, _END - 1))
    tokens = [*_letters(), *fillers, "", "<|endoftext|>"]  # the empty one: of several languages
    languages = [code for code in _LANGUAGE_CODES if code != "yue"]  # it came with a later one
    tokens += [f"<|{name}|>" for name in ("startoftranscript", *languages, *_SPECIAL)]
    assert len(tokens) == _TIMES, "the tokens are not Whisper's"
    return [*tokens, *(f"<|{step * 0.02:.2f}|>" for step in range(1501))]


@cache
def _letters() -> tuple[str, ...]:
    """A visible letter for each byte (the alphabet of byte-level BPE)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return (*map(chr, plain), *(chr(256 + number) for number, _ in enumerate(others)))


def _tokenizer(tokens: Sequence[str]) -> dict[str, Any]:
    special = [
        {"id": n, "content": tokens[n], "single_word": False, "lstrip": False}
        | {"rstrip": False, "normalized": False, "special": True}
        for n in range(_END, len(tokens))
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    vocabulary = {token: n for n, token in enumerate(tokens[:_END])}
    return {
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": level | {"use_regex": True},
        "decoder": level | {"use_regex": True},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [], "fuse_unk": False},
    }
