"""The test phone walks the same flow and leaves the same things in the spool."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ivr import phone
from ivr.numbers import format_number, make_number
from ivr.phone import NoAudio, run_phone
from ivr.spool import Spool, SpooledCall

NUMBER = make_number(99)
SPEECH = Path(__file__).parents[2] / "recordings" / "prompts" / "id" / "thanks.wav"


def phoned(
    folder: Path, keys: str, number: str | None = NUMBER, audio: Path = SPEECH
) -> tuple[SpooledCall, str]:
    out = io.StringIO()
    spool = folder / "spool"
    call_id = run_phone(audio, keys, spool, lambda: number, out)
    return Spool(spool, folder / "quarantine").read(call_id), out.getvalue()


def test_a_whole_call_without_a_key(tmp_path: Path) -> None:
    call, heard = phoned(tmp_path, "")
    assert call.call_id.startswith("phone-")
    assert (call.node, call.mode, call.number, call.hangup_cause) == ("phone", "app", NUMBER, "16")
    assert [clip.kind for clip in call.clips] == ["complaint", "name", "village"]
    assert (call.kept, call.review) == ("complaint-1", "silence")
    assert call.consent_at
    assert call.number_heard_at
    assert "disimpan satu tahun" in heard
    assert heard.count(format_number(NUMBER)) == 2


def test_keys_of_the_script_answer_the_questions(tmp_path: Path) -> None:
    call, heard = phoned(tmp_path, "231")
    assert [e.value for e in call.events if e.key == "key"] == ["2", "3", "1"]
    assert [clip.take for clip in call.clips_of("complaint")] == [1, 2]
    assert "[complaint-1 is played]" in heard
    assert call.kept == "complaint-2"


def test_hanging_up_at_the_review_keeps_the_complaint(tmp_path: Path) -> None:
    call, _ = phoned(tmp_path, "h")
    assert (call.kept, call.number_heard_at) == ("complaint-1", None)
    assert call.ended_at


def test_a_silent_file_is_a_silent_call(tmp_path: Path) -> None:
    silent = SPEECH.with_name("pause.wav")
    call, heard = phoned(tmp_path, "", audio=silent)
    assert (call.kept, len(call.clips)) == ("", 3)
    assert "belum mendengar" in heard


@pytest.mark.parametrize("number", [None, "12345678"])
def test_without_a_valid_number_none_is_read(tmp_path: Path, number: str | None) -> None:
    call, heard = phoned(tmp_path, "", number)
    assert call.number is None
    assert "nomor aduan belum tersedia" in heard


def test_two_calls_in_one_second_have_two_ids(tmp_path: Path) -> None:
    assert phoned(tmp_path, "")[0].call_id != phoned(tmp_path, "")[0].call_id


def test_a_file_that_is_no_sound_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(NoAudio, match=r"x\.txt: no sound file"):
        phoned(tmp_path, "", audio=tmp_path / "x.txt")
    assert not (tmp_path / "spool").exists()


def test_the_command_with_keys_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("7\n"))
    spool = tmp_path / "spool"
    assert phone.main(["--audio", str(SPEECH), "--spool", str(spool)]) == 0
    assert "filed)" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert phone.main(["--audio", str(SPEECH), "--spool", str(spool)]) == 0
    assert "hung_up)" in capsys.readouterr().out
    assert phone.main(["--audio", str(tmp_path / "no.wav"), "--spool", str(spool)]) == 1
    assert "no sound file" in capsys.readouterr().err
