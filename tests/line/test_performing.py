"""Keys, languages, ports and conversations, against a scripted Asterisk."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ivr.asterisk import LineServer, LineSettings, serve
from ivr.conduct import Inquiry
from ivr.flow import Found, Lookup, NotFound
from ivr.menu import Limits
from ivr.numbers import make_number
from ivr.prompts import PromptBook
from ivr.resting import Resting
from ivr.spool import Spool
from ivr.waiting import Staff
from tests.line.asterisk import until
from tests.line.noises import book_of
from tests.line.scripted import HANGUP, Answer, ScriptedAsterisk
from tests.line.test_agi import CALL, NUMBER, SPEECH

KNOWN, PIN = make_number(900), "0427"
TALKING = Limits(operators=True, emergency=True)
TRYING = "100 result=0 Trying...\n200 result=0 Gosub complete"


@pytest.fixture
def settings(tmp_path: Path, book: PromptBook) -> LineSettings:
    return LineSettings(tmp_path / "spool", tmp_path / "quarantine", book.folder.parent, port=0)


@pytest.fixture
def spool(settings: LineSettings) -> Spool:
    return Spool(settings.spool, settings.quarantine)


@contextmanager
def running(settings: LineSettings, **more: Any) -> Iterator[LineServer]:
    books = more.pop("books", {"id": book_of(settings.prompts / "id")})
    server = serve(settings, books=lambda: books, **more)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def called(
    settings: LineSettings, answers: dict[str, list[Answer]], **more: Any
) -> ScriptedAsterisk:
    """One whole scripted call."""
    takes = more.pop("takes", [SPEECH] * 9)
    variables = more.pop("variables", {})
    with (
        running(settings, **more) as server,
        ScriptedAsterisk(
            server.address, CALL, number=NUMBER, answers=answers, takes=takes
        ) as asterisk,
    ):
        asterisk.variables |= variables
        asterisk.run()
        until(lambda: server.calls() == 0)
    return asterisk


def pressed(keys: str) -> list[Answer]:
    """Answers to WAIT FOR DIGIT; a dot is silence."""
    return [f"200 result={0 if key == '.' else ord(key)}" for key in keys]


def asking(found: Found | NotFound, asked: list[tuple[str, str, str]]) -> Callable[[str], Inquiry]:
    def inquiry(caller: str) -> Inquiry:
        def ask(lookup: Lookup) -> Found | NotFound:
            asked.append((caller, lookup.number, lookup.pin))
            return found

        return ask

    return inquiry


def values(spool: Spool, key: str) -> list[str]:
    return [event.value for event in spool.read(CALL).events if event.key == key]


# ---------------------------------------------------------------- digits


def test_digits_are_gathered_one_by_one_and_nothing_typed_is_written_down(
    settings: LineSettings, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asked: list[tuple[str, str, str]] = []
    settings = replace(settings, inquiry=asking(Found(("state_waiting",)), asked))
    asterisk = called(settings, {"WAIT FOR DIGIT": pressed("12" + KNOWN + PIN)})
    assert asked == [("081234567890", KNOWN, PIN)]
    assert "stream state_waiting" in asterisk.applications()
    assert asterisk.variables["ADUAN_DONE"] == "1"
    written = spool.sidecar_path(CALL).read_text() + caplog.text
    assert KNOWN not in written and PIN not in written
    assert values(spool, "typed") == ["8", "4"]


def test_a_digit_that_cuts_the_prompt_short_is_the_first(settings: LineSettings) -> None:
    asked: list[tuple[str, str, str]] = []
    settings = replace(settings, inquiry=asking(NotFound(), asked))
    answers: dict[str, list[Answer]] = {
        "stream ask_number": [f"200 result={ord(KNOWN[0])} endpos=100"],
        "WAIT FOR DIGIT": pressed("12" + KNOWN[1:] + PIN),
    }
    called(settings, answers)
    assert asked[0][1:] == (KNOWN, PIN)


@pytest.mark.parametrize("end", ["#", "."])
def test_a_hash_or_a_pause_ends_the_digits(settings: LineSettings, end: str) -> None:
    asked: list[tuple[str, str, str]] = []
    settings = replace(settings, inquiry=asking(NotFound(), asked))
    called(settings, {"WAIT FOR DIGIT": pressed("12" + "123" + end + PIN)})
    assert asked[0] == ("081234567890", "", PIN)


def test_the_emergency_key_ends_the_digits(settings: LineSettings, spool: Spool) -> None:
    asterisk = called(settings, {"WAIT FOR DIGIT": pressed("12" + "123" + "*")})
    assert values(spool, "urgent") == ["1"]
    assert "stream emergency_record" in asterisk.applications()


# ---------------------------------------------------------------- keys that cut


def test_a_consent_is_cut_by_the_emergency_key_alone(settings: LineSettings) -> None:
    asterisk = called(settings, {})
    keys = {
        Path(command.split('"')[1]).name: command.split('"')[3]
        for command in asterisk.commands
        if command.startswith("STREAM FILE")
    }
    assert keys["welcome_consent"] == keys["beep"] == keys["number_intro"] == "*"
    assert keys["ask_complaint"] == "0123456789*#"


def test_the_key_that_ends_a_recording_is_known(settings: LineSettings, spool: Spool) -> None:
    def starred(command: str) -> str:
        shutil.copyfile(SPEECH, command.split('"')[1] + ".wav")
        return "200 result=42 (dtmf) endpos=100"

    asterisk = called(settings, {"RECORD FILE": [starred]})
    assert values(spool, "urgent") == ["1"]
    assert values(spool, "clip_status")[0] == "DTMF"
    assert asterisk.variables["ADUAN_CLIP"].endswith("complaint-2.wav")


def test_the_emergency_key_during_the_beep_records_nothing(
    settings: LineSettings, spool: Spool
) -> None:
    asterisk = called(settings, {"stream beep": ["200 result=42 endpos=10"]})
    beep, *after = asterisk.applications()[asterisk.applications().index("stream beep") :]
    assert (beep, after[0]) == ("stream beep", "stream emergency_record")
    assert values(spool, "urgent") == ["1"]


# ---------------------------------------------------------------- recordings on a full disk


def test_a_file_shorter_than_asterisk_says_is_a_failure(
    settings: LineSettings, spool: Spool
) -> None:
    def short(command: str) -> str:
        shutil.copyfile(SPEECH, command.split('"')[1] + ".wav")
        return "200 result=0 (timeout) endpos=800000"

    asterisk = called(settings, {"RECORD FILE": [short]})
    assert values(spool, "failed") == ["the recording is not whole on the disk"]
    assert "ADUAN_DONE" not in asterisk.variables
    assert spool.clip_path(CALL, "complaint", 1).exists()


@pytest.mark.parametrize(("free", "whole"), [(4096, False), (10**9, True)])
def test_a_recording_that_took_longer_than_it_is_was_cut_only_on_a_full_disk(
    settings: LineSettings, monkeypatch: pytest.MonkeyPatch, free: int, whole: bool
) -> None:
    monkeypatch.setattr("ivr.performing.shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    monkeypatch.setattr("ivr.performing._PAUSE_S", -1000.0)
    asterisk = called(settings, {})
    performed = asterisk.applications()
    assert ("stream number_intro" in performed) is whole
    assert ("stream no_room" in performed) is not whole
    assert "ADUAN_DONE" in asterisk.variables


# ---------------------------------------------------------------- languages, PIN, mode


def test_prompts_are_in_the_language_that_was_chosen(
    settings: LineSettings, spool: Spool, book: PromptBook, tmp_path: Path
) -> None:
    shutil.copytree(book.folder, tmp_path / "en")
    english = book_of(tmp_path / "en")
    consent = replace(english.made["welcome_consent"], text_sha256="e" * 64)
    books = {"id": book, "en": replace(english, made={**english.made, "welcome_consent": consent})}
    asterisk = called(settings, {"WAIT FOR DIGIT": pressed("3")}, books=books)
    spoken = [command.split('"')[1] for command in asterisk.commands if "STREAM" in command]
    begins = next(index for index, stem in enumerate(spoken) if "welcome_consent" in stem)
    assert all(stem.startswith(str(book.folder)) for stem in spoken[:begins])
    assert all(stem.startswith(str(tmp_path / "en")) for stem in spoken[begins:])
    assert values(spool, "language") == ["en"]
    assert spool.read(CALL).consent_version == "e" * 12


def test_a_language_without_a_book_is_spoken_as_before(settings: LineSettings) -> None:
    asterisk = called(settings, {"WAIT FOR DIGIT": pressed("2")})
    assert asterisk.variables["ADUAN_DONE"] == "1"


def test_the_pin_is_read_after_the_number(settings: LineSettings) -> None:
    asked: list[str] = []

    def pin(number: str) -> str:
        asked.append(number)
        return PIN

    settings = replace(settings, pin=pin)
    performed = called(settings, {}).applications()
    at = performed.index("stream pin_intro")
    digits = [one for one in performed[at + 1 :] if one.startswith("stream digit_")]
    assert digits[:4] == [f"stream digit_{digit}" for digit in PIN]
    assert asked == [NUMBER]


@pytest.mark.parametrize("pin", ["", "12345", "12a4", "\u0661\u0662\u0663\u0664", None])
def test_a_pin_that_is_none_is_not_read(settings: LineSettings, pin: str | None) -> None:
    def port(_: str) -> str:
        if pin is None:
            raise OSError("no database")
        return pin

    asterisk = called(replace(settings, pin=port), {})
    assert "stream pin_intro" not in asterisk.applications()
    assert asterisk.variables["ADUAN_DONE"] == "1"


def test_the_mode_is_asked_for_each_caller(settings: LineSettings) -> None:
    asked: list[str] = []

    def mode(caller: str) -> str:
        asked.append(caller)
        return "limited"

    settings = replace(settings, mode=mode)
    assert called(settings, {}).applications()[:2] == ["stream welcome", "stream welcome_consent"]
    assert asked == ["081234567890"]


def test_a_port_that_fails_leaves_an_ordinary_call(
    settings: LineSettings, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: str) -> Any:
        raise OSError("no database for 081234567890")

    settings = replace(settings, mode=broken, inquiry=broken, pin=broken)
    answers = {"WAIT FOR DIGIT": pressed("12" + KNOWN + PIN)}
    asterisk = called(settings, answers)
    assert "stream status_unavailable" in asterisk.applications()
    assert asterisk.variables["ADUAN_DONE"] == "1"
    assert "081234567890" not in caplog.text + spool.sidecar_path(CALL).read_text()


def test_a_desk_that_hangs_leaves_nobody_waiting_and_holds_up_no_other_call(
    settings: LineSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.asterisk._INQUIRY_S", 0.05)
    awake = threading.Event()

    def hanging(_: str) -> Any:
        awake.wait(60)

    settings = replace(settings, inquiry=hanging)
    with running(settings) as server, ThreadPoolExecutor(12) as pool:  # more than the desk's hands

        def one(index: int) -> list[str]:
            with ScriptedAsterisk(
                server.address,
                f"pbx1-1764000000.{index}",
                number=NUMBER,
                answers={"WAIT FOR DIGIT": pressed("12" + KNOWN + PIN)},
                takes=[SPEECH] * 9,
            ) as asterisk:
                return asterisk.run().applications()

        for performed in pool.map(one, range(12)):
            assert "stream status_unavailable" in performed
            assert performed[-1] == "stream thanks"
    awake.set()


# ---------------------------------------------------------------- conversations


def talking(settings: LineSettings) -> LineSettings:
    return replace(settings, limits=TALKING)


def test_the_desk_is_asked_for_by_a_subroutine(settings: LineSettings, spool: Spool) -> None:
    answers: dict[str, list[Answer]] = {"WAIT FOR DIGIT": pressed("*"), "GOSUB": [TRYING]}
    asterisk = called(talking(settings), answers, variables={"ADUAN_BRIDGE": "talked"})
    assert 'GOSUB "aduan-emergency" "s" "1" "1,40,0"' in asterisk.commands
    assert values(spool, "connected") == ["talked"]
    assert asterisk.variables["ADUAN_DONE"] == "1"


def test_the_place_in_the_queue_is_told_and_rounds_are_counted(
    settings: LineSettings, spool: Spool
) -> None:
    answers: dict[str, list[Answer]] = {"WAIT FOR DIGIT": pressed("10.1")}
    variables = {"ADUAN_BRIDGE": "nobody", "ADUAN_KEY": ""}
    asterisk = called(talking(settings), answers, variables=variables)
    rounds = [command for command in asterisk.commands if command.startswith("GOSUB")]
    assert [command.split('"')[7] for command in rounds] == ["1,30,0", "2,30,0"]
    performed = asterisk.applications()
    at = performed.index("stream operators")
    assert performed[at : at + 9] == [
        *("stream operators", "stream queue_position", "stream digit_1"),
        *("gosub aduan-operators", "stream queue_position", "stream digit_1"),
        *("stream queue_offer", "wait 2000", "gosub aduan-operators"),
    ]
    assert settings.waiting.waiting() == frozenset()


def test_where_nobody_answers_nobody_is_put_into_the_queue(settings: LineSettings) -> None:
    settings.waiting.staffed(Staff(0, 0))
    answers: dict[str, list[Answer]] = {"WAIT FOR DIGIT": pressed("10")}
    performed = called(talking(settings), answers).applications()
    assert "stream no_operator" in performed
    assert not {"stream operators", "gosub aduan-operators"} & set(performed)


@pytest.mark.parametrize(("then", "still"), [("1", False), (".", True)])
def test_who_records_waits_no_more(settings: LineSettings, then: str, still: bool) -> None:
    """Looked at when the caller is asked what the next step is."""
    waiting: list[bool] = []

    def look(_command: str) -> str:
        waiting.append(CALL in settings.waiting.waiting())
        return "200 result=0 (timeout) endpos=8000"

    answers: dict[str, list[Answer]] = {
        "WAIT FOR DIGIT": pressed(f"10{then}"),
        "RECORD FILE": [look],
        "GOSUB": ["200 result=0", look],
    }
    variables = {"ADUAN_BRIDGE": "nobody", "ADUAN_KEY": ""}
    called(talking(settings), answers, variables=variables)
    assert waiting[0] is still


def test_nobody_signed_in_goes_on_to_recording(settings: LineSettings, spool: Spool) -> None:
    answers: dict[str, list[Answer]] = {"WAIT FOR DIGIT": pressed("10")}
    asterisk = called(talking(settings), answers, variables={"ADUAN_BRIDGE": "away"})
    assert "stream no_operator" in asterisk.applications()
    assert spool.read(CALL).kept == "complaint-1"


@pytest.mark.parametrize("key", ["5", "", "12", "x"])
def test_only_one_key_leaves_a_queue(settings: LineSettings, key: str) -> None:
    answers: dict[str, list[Answer]] = {"WAIT FOR DIGIT": pressed("101")}
    variables = {"ADUAN_BRIDGE": "nobody", "ADUAN_KEY": key}
    asterisk = called(talking(settings), answers, variables=variables)
    assert asterisk.variables["ADUAN_DONE"] == "1"


def test_a_hang_up_in_a_conversation_is_a_hang_up(settings: LineSettings, spool: Spool) -> None:
    answers: dict[str, list[Answer]] = {"WAIT FOR DIGIT": pressed("*"), "GOSUB": [HANGUP]}
    asterisk = called(talking(settings), answers)
    assert values(spool, "step")[-1] == "hung_up"
    assert "ADUAN_DONE" not in asterisk.variables


def test_whoever_pressed_the_emergency_key_is_not_of_the_crowd_at_the_next_call(
    settings: LineSettings, tmp_path: Path
) -> None:
    resting, shown = Resting(tmp_path), "081234567890"
    settings = replace(talking(settings), resting=resting)
    for keys, left in (("9", 2), ("*", 1)):
        resting.hold([f"+62{shown[1:]}"])
        called(settings, {"WAIT FOR DIGIT": pressed(keys), "GOSUB": [HANGUP]}, takes=[])
        assert len([path for path in tmp_path.iterdir() if path.is_file()]) == left


def test_a_subroutine_that_is_not_there_is_no_way(settings: LineSettings, spool: Spool) -> None:
    answers: dict[str, list[Answer]] = {
        "WAIT FOR DIGIT": pressed("*"),
        "GOSUB": ["200 result=-1 Gosub failed"],
    }
    asterisk = called(talking(settings), answers)
    assert "stream emergency_record" in asterisk.applications()
    assert spool.read(CALL).kept == "complaint-1"


def test_a_prompt_that_is_not_there_is_passed_over(
    settings: LineSettings, book: PromptBook, tmp_path: Path
) -> None:
    shutil.copytree(book.folder, tmp_path / "id")
    for key in ("menu", "ask_complaint", "digit_0"):
        (tmp_path / "id" / f"{key}.wav").unlink()
    asterisk = called(settings, {}, books={"id": book_of(tmp_path / "id")})
    assert not {"stream menu", "stream ask_complaint"} & set(asterisk.applications())
    assert f"record {CALL}_complaint-1" in asterisk.applications()


def test_a_consent_that_is_not_there_leaves_the_caller_to_the_fallback(
    settings: LineSettings, book: PromptBook, tmp_path: Path
) -> None:
    shutil.copytree(book.folder, tmp_path / "id")
    book = book_of(tmp_path / "id")
    book.path("welcome_consent").unlink()
    asterisk = called(settings, {}, books={"id": book})
    assert "ADUAN_CONSENT" not in asterisk.variables
    assert "ADUAN_DONE" not in asterisk.variables
