"""`aduan24 call`: a real SIP call that speaks; `aduan24 phone`: the same talk without a line."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli.common import command, configuration, fail, note, now, print_json, store_of

if TYPE_CHECKING:
    from callcenter.config import Config
    from ivr.caller import CallResult
    from ivr.caller.g711 import Samples

_SOUND = (".wav", ".ogg", ".flac", ".mp3")


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    command(app, "call")(call)
    command(app, "phone")(phone)


def call(
    *,
    say: Annotated[str | None, typer.Option(help="Speak this (Indonesian; espeak-ng).")] = None,
    audio: Annotated[Path | None, typer.Option(help="Play this sound file instead.")] = None,
    keys: Annotated[str, typer.Option(help="Keys to press, one after each question.")] = "",
    hangup_after: Annotated[
        float | None, typer.Option(min=0.0, help="Hang up so many seconds after the first word.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Say this name, or play this file.")] = None,
    village: Annotated[str | None, typer.Option(help="Say this village, or play it.")] = None,
    caller: Annotated[str, typer.Option(help="The number that calls.")] = "081234567890",
    to: Annotated[
        str | None, typer.Option(help="sip:NUMBER@HOST:PORT  [default: own line]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; see docs/cli.md.")] = False,
) -> None:
    """Place a real call to the line and report what it answered."""
    from ivr.caller import CallPlan, place_call, speaking

    config = configuration()
    if (say is None) == (audio is None):
        fail("--say TEXT or --audio FILE: give one of them", 2)
    try:
        plan = CallPlan(
            steps=speaking(
                _sound(say, audio),
                keys=keys,
                name=_either(name),
                village=_either(village),
            ),
            hangup_after=hangup_after,
            caller=caller,
        )
        result = place_call(
            to or own_line(config), plan, on_event=None if as_json else lambda e: note(str(e))
        )
    except ValueError as error:
        fail(str(error), 2)
    facts = told(result, config)
    if as_json:
        print_json(facts)
    else:
        _print_told(facts)
    if not result.answered:
        raise typer.Exit(1)


def own_line(config: Config) -> str:
    """The SIP address of this deployment's line, seen from this machine."""
    host = "127.0.0.1" if config.line.bind == "0.0.0.0" else config.line.bind  # noqa: S104
    return f"sip:line@{host}:{config.line.sip_port}"


def told(result: CallResult, config: Config) -> dict[str, Any]:
    """What came of a call, with the prompts and the number that were heard."""
    from ivr.caller.hearing import heard_numbers, heard_prompts
    from ivr.numbers import is_valid

    language = _language_of(result, config)
    prompts = _sounds(config, language)
    numbers = heard_numbers(result.heard, prompts)
    public = [number for number in numbers if is_valid(number)]  # a PIN is read aloud, too
    return {
        "outcome": result.outcome,
        "sip_status": result.sip_status,
        "reason": result.reason,
        "rang_seconds": round(result.rang_s, 2),
        "connected_seconds": round(result.connected_s, 2),
        "spoken_seconds": round(result.spoken_s, 2),
        "ended_by": result.ended_by,
        "language": language,
        "prompts": [
            {"at": round(at, 2), "prompt": key}
            for at, key in heard_prompts(result.heard, prompts)
            if not key.startswith("digit_")
        ],
        "numbers": numbers,
        "number": public[-1] if public else None,
    }


def _language_of(result: CallResult, config: Config) -> str:
    """The language in which the consent was heard: from there on the line speaks it."""
    from ivr.caller.hearing import heard_prompts
    from ivr.prompts import MAIN, languages

    folder = config.storage.recordings / "prompts"
    consents = {name: folder / name / "welcome_consent.wav" for name in languages()}
    there = {name: file for name, file in consents.items() if file.is_file()}
    return next((name for _, name in heard_prompts(result.heard, there)), MAIN)


def _sounds(config: Config, language: str) -> dict[str, Path]:
    """What callers of a language hear, by key: its own sounds, then the Indonesian ones.

    Balinese digits before what they count are left out: no ear tells them from the digits alone.
    """
    from ivr.prompts import MAIN, known_texts

    folder = config.storage.recordings / "prompts"
    ways = {
        key: [folder / name / f"{key}.wav" for name in (language, MAIN)]
        for key in known_texts(language)
        if not key.startswith("linked_")
    }
    return {
        key: file
        for key, files in ways.items()
        if (file := next((each for each in files if each.is_file()), None))
    }


def _print_told(facts: dict[str, Any]) -> None:
    from ivr.numbers import format_number

    if facts["outcome"] != "answered":
        note(f"not answered: {facts['outcome']} {facts['reason']}".rstrip())
        return
    heard = ", ".join(f"{p['prompt']} ({p['at']} s)" for p in facts["prompts"])
    note(f"prompts heard: {heard or 'none'}")
    number = facts["number"]
    typer.echo(f"number heard: {format_number(number) if number else 'none'}")


def _sound(say: str | None, audio: Path | None) -> Samples:
    from ivr.caller import read_audio

    return read_audio(audio) if audio is not None else spoken(say or "")


def _either(text_or_file: str | None) -> Samples | None:
    if text_or_file is None:
        return None
    path = Path(text_or_file)
    is_file = path.suffix.lower() in _SOUND
    return _sound(None, path) if is_file else spoken(text_or_file)


def spoken(text: str) -> Samples:
    """The text by espeak-ng, as a telephone carries it. Raises ValueError with the remedy."""
    from ivr.caller import read_audio
    from ivr.speaking import SpeechUnavailable, speak

    with tempfile.TemporaryDirectory(prefix="aduan24-") as folder:
        file = Path(folder) / "speech.wav"
        try:
            speak(text, file)
        except SpeechUnavailable as error:
            raise ValueError(f"--say: {error}; or give --audio FILE") from None
        return read_audio(file)


def phone(
    audio: Annotated[Path, typer.Option(help="What the caller says: a sound file.")],
    keys: Annotated[
        str | None,
        typer.Option(help="One key for each question, - for none, h to hang up  [default: ask]"),
    ] = None,
) -> None:
    """Walk through the call in the terminal; it is filed as a real one."""
    from ivr.phone import NoAudio

    try:
        call_id, _ = talk(configuration(), audio, keys)
    except NoAudio as error:
        fail(str(error), 2)
    note(f"in the spool as {call_id}; `aduan24 line` files it within a second")


def talk(config: Config, audio: Path, keys: str | None) -> tuple[str, str]:
    """One call by the test phone: its id and the public number that it was given."""
    from callcenter.services import numbers
    from ivr.phone import run_phone

    store = store_of(config)
    given: list[str] = []

    def number() -> str:
        with store.write() as session:
            given.append(numbers.take(session, now()))
        return given[-1]

    spool = config.storage.recordings / "spool"
    days = config.storage.retention_days
    call_id = run_phone(audio, keys, spool, number, sys.stdout, retention_days=days)
    return call_id, given[-1]
