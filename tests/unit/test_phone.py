"""The test phone walks the same flow and leaves the same things in the spool."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ivr import phone
from ivr.flow import Found, Lookup
from ivr.keys import spelled
from ivr.menu import Limits, build_menu
from ivr.numbers import format_number, make_number
from ivr.phone import NoAudio, run_phone
from ivr.prompts import texts
from ivr.spool import Spool, SpooledCall

NUMBER = make_number(99)
SPEECH = Path(__file__).parents[2] / "recordings" / "prompts" / "id" / "thanks.wav"
#: No language key, then 1: report.
REPORT = "-1"


def phoned(
    folder: Path, keys: str, number: str | None = NUMBER, audio: Path = SPEECH, **more: object
) -> tuple[SpooledCall, str]:
    out = io.StringIO()
    spool = folder / "spool"
    call_id = run_phone(audio, keys, spool, lambda: number, out, **more)  # type: ignore[arg-type]
    return Spool(spool, folder / "quarantine").read(call_id), out.getvalue()


def test_a_whole_call_without_a_key(tmp_path: Path) -> None:
    call, heard = phoned(tmp_path, "")
    assert call.call_id.startswith("phone-")
    assert (call.node, call.mode, call.number, call.hangup_cause) == ("phone", "app", NUMBER, "16")
    assert [clip.kind for clip in call.clips] == ["complaint", "name", "village"]
    assert (call.kept, call.review) == ("complaint-1", "silence")
    assert call.consent_at
    assert call.number_heard_at
    assert texts()["welcome_consent"] in heard
    assert heard.count(format_number(NUMBER)) == 2


def test_keys_of_the_script_answer_the_questions(tmp_path: Path) -> None:
    call, heard = phoned(tmp_path, f"{REPORT}231")
    assert [e.value for e in call.events if e.key == "key"] == ["1", "2", "3", "1"]
    assert [clip.take for clip in call.clips_of("complaint")] == [1, 2]
    assert "[complaint-1 is played]" in heard
    assert call.kept == "complaint-2"


def test_hanging_up_at_the_review_keeps_the_complaint(tmp_path: Path) -> None:
    call, heard = phoned(tmp_path, f"{REPORT}h")
    assert (call.kept, call.number_heard_at) == ("complaint-1", None)
    assert call.ended_at
    assert "> (hangs up)" in heard


def test_a_number_and_a_pin_are_typed_and_not_written_down(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def inquiry(lookup: Lookup) -> Found:
        asked.append((lookup.number, lookup.pin))
        return Found(("thanks",))

    call, heard = phoned(tmp_path, f"-2{NUMBER}4711", inquiry=inquiry)
    assert asked == [(NUMBER, "4711")]
    assert "> 4711" in heard
    sidecar = [(e.key, e.value) for e in call.events]
    assert ("typed", "4") in sidecar
    assert all("4711" not in value for _, value in sidecar)


def test_the_emergency_key_is_heard_and_nobody_answers_at_a_test_phone(tmp_path: Path) -> None:
    menu = build_menu(Limits(emergency=True))
    call, heard = phoned(tmp_path, "*", menu=menu)
    assert ("urgent", "1") in [(e.key, e.value) for e in call.events]
    assert "[music: emergency is called, 40 s]" in heard
    assert call.kept == "complaint-1"


def test_a_language_is_written_down(tmp_path: Path) -> None:
    call, _ = phoned(tmp_path, "3h")
    assert ("language", "en") in [(e.key, e.value) for e in call.events]


def test_a_silent_file_is_a_silent_call(tmp_path: Path) -> None:
    silent = SPEECH.with_name("pause.wav")
    call, heard = phoned(tmp_path, "", audio=silent)
    assert (call.kept, len(call.clips)) == ("", 3)
    assert texts()["goodbye_silent"] in heard


@pytest.mark.parametrize("number", [None, "12345678"])
def test_without_a_valid_number_none_is_read(tmp_path: Path, number: str | None) -> None:
    call, heard = phoned(tmp_path, "", number)
    assert call.number is None
    assert texts()["no_number"] in heard


def test_two_calls_in_one_second_have_two_ids(tmp_path: Path) -> None:
    assert phoned(tmp_path, "")[0].call_id != phoned(tmp_path, "")[0].call_id


def test_a_file_that_is_no_sound_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(NoAudio, match=r"x\.txt: no sound file"):
        phoned(tmp_path, "", audio=tmp_path / "x.txt")
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize(
    ("keys", "digits", "ended"),
    [("1234", "1234", None), ("12345", "1234", None), ("12#4", "12", "#"), ("*", "", "*")],
)
def test_digits_end_at_their_number_or_at_a_key(keys: str, digits: str, ended: str | None) -> None:
    found = spelled(keys, 4)
    assert (found.digits, found.key) == (digits, ended)


def test_the_command_with_keys_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n1\n7\n\n0812345678#\n\n"))
    spool = tmp_path / "spool"
    assert phone.main(["--audio", str(SPEECH), "--spool", str(spool)]) == 0
    assert "filed)" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert phone.main(["--audio", str(SPEECH), "--spool", str(spool)]) == 0
    assert "hung_up)" in capsys.readouterr().out
    assert phone.main(["--audio", str(tmp_path / "no.wav"), "--spool", str(spool)]) == 1
    assert "no sound file" in capsys.readouterr().err
