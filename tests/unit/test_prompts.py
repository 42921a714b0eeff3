"""The prompts that ship are those of the table, and a person's recording is never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr import prompts
from ivr.flow import number_prompts
from ivr.menu import Choose, Say, Tell, build_menu
from ivr.prompt_making import adopt_human, make
from ivr.prompts import PromptsMissing, check, in_words, open_book, read_manifest, texts
from ivr.speaking import SpeechUnavailable, find_espeak, levelled, loudness, speak, spoken
from ivr.wav import inspect

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "recordings" / "prompts"
FALLBACK = {"fallback_intro", "failed", "no_number", "beep", "pause"}


@pytest.fixture
def small_table(tmp_path: Path) -> Path:
    table = tmp_path / "prompts.toml"
    table.write_text('[id]\nvoice = "id"\nthanks = "Terima kasih."\npause = "silence:0.35"\n')
    return table


def test_the_shipped_prompts_are_those_of_the_table() -> None:
    assert check(SHIPPED) == []


def test_every_prompt_of_the_menu_and_of_the_fallback_is_there() -> None:
    needed = set(FALLBACK) | set(number_prompts("number_intro", "0123456789"))
    for node in build_menu().values():
        needed |= set(node.prompts) if isinstance(node, Say | Choose) else set()
        needed |= {node.intro} if isinstance(node, Tell) else set()
    assert needed <= set(open_book(SHIPPED).texts)


def test_every_shipped_file_is_what_the_telephone_carries() -> None:
    book = open_book(SHIPPED)
    for key in book.texts:
        wave = inspect(book.path(key))
        assert wave.rate == 8000
        assert wave.seconds == pytest.approx(book.seconds([key]), abs=0.01)


def test_the_levels_are_even() -> None:
    for key, made in read_manifest(SHIPPED)["id"].items():
        if key not in ("beep", "pause"):
            assert made.loudness_dbfs == pytest.approx(-20, abs=1), key


def test_the_consent_says_that_why_and_how_long_in_at_most_fourteen_seconds() -> None:
    book = open_book(SHIPPED)
    text = book.texts["welcome_consent"]
    assert all(words in text for words in ("direkam", "agar aduan", "disimpan satu tahun"))
    assert book.seconds(["welcome_consent"]) <= 14
    assert book.version("welcome_consent") == book.made["welcome_consent"].text_sha256[:12]


@pytest.mark.parametrize(
    ("days", "words"),
    [(365, "satu tahun"), (730, "dua tahun"), (90, "tiga bulan"), (45, "45 hari"), (0, "0 hari")],
)
def test_retention_in_words(days: int, words: str) -> None:
    assert in_words(days) == words
    assert words in texts(retention_days=days)["welcome_consent"]


def test_another_retention_is_noticed(tmp_path: Path) -> None:
    assert check(SHIPPED, retention_days=730) == [
        "welcome_consent.wav: speaks an older text: run `python -m ivr.prompts make`"
    ]


def test_making_twice_makes_nothing_the_second_time(tmp_path: Path, small_table: Path) -> None:
    folder = tmp_path / "prompts"
    assert make(folder, table=small_table) == ["thanks", "pause"]
    assert make(folder, table=small_table) == []
    assert check(folder, table=small_table) == []


def test_a_changed_text_is_made_again(tmp_path: Path, small_table: Path) -> None:
    folder = tmp_path / "prompts"
    make(folder, table=small_table)
    small_table.write_text(small_table.read_text().replace("kasih.", "kasih banyak."))
    assert check(folder, table=small_table)[0].startswith("thanks.wav: speaks an older text")
    assert make(folder, table=small_table) == ["thanks"]


def test_a_person_s_recording_is_never_overwritten(tmp_path: Path, small_table: Path) -> None:
    folder, studio = tmp_path / "prompts", tmp_path / "studio.wav"
    make(folder, table=small_table)
    speak("halo", studio, rate=44100)
    adopt_human("thanks", studio, folder, table=small_table)
    mine = (folder / "id" / "thanks.wav").read_bytes()
    assert make(folder, table=small_table, force=True) == ["pause"]
    assert (folder / "id" / "thanks.wav").read_bytes() == mine
    small_table.write_text(small_table.read_text().replace("kasih.", "kasih banyak."))
    assert make(folder, table=small_table) == []
    assert "record it again" in check(folder, table=small_table)[0]


def test_an_unknown_prompt_and_a_file_that_is_no_sound_are_refused(
    tmp_path: Path, small_table: Path
) -> None:
    with pytest.raises(PromptsMissing, match="there are: pause, thanks"):
        adopt_human("welcome", tmp_path / "x.wav", tmp_path, table=small_table)
    with pytest.raises(PromptsMissing, match="not a sound file"):
        adopt_human("thanks", small_table, tmp_path, table=small_table)


def test_a_line_without_its_prompts_does_not_open(tmp_path: Path, small_table: Path) -> None:
    with pytest.raises(PromptsMissing, match=r"thanks, pause \(id\): run"):
        open_book(tmp_path, table=small_table)
    with pytest.raises(PromptsMissing, match="no texts for language 'ban'"):
        open_book(tmp_path, "ban", table=small_table)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prompts.main(["--folder", str(SHIPPED), "check"]) == 0
    assert prompts.main(["--folder", str(tmp_path), "check"]) == 1
    assert "thanks.wav: missing" in capsys.readouterr().out
    assert prompts.main(["human", "nothing", "x.wav"]) == 1
    assert "is no prompt" in capsys.readouterr().err


def test_espeak_is_found_among_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ADUAN24_PARTS", str(tmp_path))
    with pytest.raises(SpeechUnavailable, match="apt-get install espeak-ng"):
        find_espeak()
    parts = tmp_path / "parts.env"
    parts.write_text("ASTERISK_BIN=/x\nESPEAK_BIN=/p/espeak-ng\nESPEAK_DATA=/p/data\n")
    assert find_espeak().command == ("/p/espeak-ng",)
    assert find_espeak().environment()["ESPEAK_DATA_PATH"] == "/p/data"
    parts.write_text("ESPEAK_BIN=/p/e\nESPEAK_LOADER=/p/ld.so\nESPEAK_LIBRARIES=/p/lib\n")
    assert find_espeak().command == ("/p/ld.so", "--library-path", "/p/lib", "/p/e")
    parts.write_text("ESPEAK_BIN=\n")
    with pytest.raises(SpeechUnavailable):
        find_espeak()


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(SpeechUnavailable, match="zz-none"):
        spoken("halo", "zz-none", 8000)


def test_levelling_never_clips() -> None:
    samples = levelled(spoken("pintu", "id", 8000), 8000, target=-6)
    assert abs(samples).max() < 0.9
    assert loudness(levelled(samples, 8000), 8000) == pytest.approx(-20, abs=0.3)
