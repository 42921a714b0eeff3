"""The prompts that ship are those of the table, and a person's recording is never overwritten."""

from __future__ import annotations

import io
import itertools
import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr import prompts
from ivr.flow import (
    Ask,
    FlowState,
    Language,
    Play,
    Played,
    Pressed,
    Record,
    Silence,
    Started,
    number_prompts,
    step,
)
from ivr.menu import LANGUAGES, Limits, build_menu
from ivr.menu_out import build_closing_menu, build_officer_menu
from ivr.nodes import AnyNode, Menu, Tell
from ivr.prompt_making import (
    Unusable,
    adopt_human,
    human_sound,
    make,
    make_all,
    place_human,
    revert,
)
from ivr.prompt_manifest import is_name, read_manifest
from ivr.prompts import (
    PromptsMissing,
    bring,
    check,
    check_all,
    in_words,
    lines,
    open_book,
    open_books,
    texts,
)
from ivr.speaking import Samples, SpeechUnavailable, find_espeak, levelled, loudness, speak, spoken
from ivr.wav import inspect

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "recordings" / "prompts"
FALLBACK = {"fallback_intro", "failed", "no_number", "beep", "pause"}
BEFORE_THE_LANGUAGE = {"announcement", "emergency_only", "welcome"} | {
    f"language_{name}" for name in LANGUAGES.values()
}
SILENT_S = 32  # from the answer to the tone, for a caller who never presses a key


@pytest.fixture
def small_table(tmp_path: Path) -> Path:
    table = tmp_path / "prompts.toml"
    table.write_text('[id]\nvoice = "id"\nthanks = "Terima kasih."\npause = "silence:0.35"\n')
    return table


@pytest.fixture
def two_tables(tmp_path: Path) -> Path:
    table = tmp_path / "two.toml"
    table.write_text(
        '[id]\nvoice = "id"\nwelcome_consent = "Direkam {retention}."\nthanks = "Terima kasih."\n'
        'bye = {text = "Goodbye.", voice = "en-us"}\nbeep = "tone:1000 0.25"\n'
        '[ban]\nvoice = "id"\nwelcome_consent = "Karekam {retention}."\n'
    )
    return table


def all_menus() -> Iterator[Menu]:
    """Every table that a line walks, for every way that a deployment can set it up."""
    for operators, emergency in itertools.product((False, True), repeat=2):
        limits = Limits(operators=operators, emergency=emergency)
        yield build_menu(limits)
        yield build_closing_menu(limits)


def said(node: AnyNode) -> set[str]:
    keys = set(getattr(node, "prompts", ()))
    if isinstance(node, Tell):
        keys |= set(number_prompts(node.intro, "0123456789"))
        keys |= {node.pin, node.ordinal} - {""}
    return keys


def test_the_shipped_prompts_are_those_of_the_table() -> None:
    assert check_all(SHIPPED) == []
    for language in LANGUAGES.values():
        there = {file.stem for file in (SHIPPED / language).glob("*.wav")}
        listed = set(read_manifest(SHIPPED)[language])
        assert there == listed
        assert {key for key in listed if not is_name(key)} == set(texts(language))


def test_the_three_languages_fit_into_eight_megabytes() -> None:
    assert (
        sum(file.stat().st_size for file in SHIPPED.rglob("*.wav") if not is_name(file.stem))
        < 8 * 1024**2
    )


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_every_prompt_that_a_call_can_reach_is_spoken_in_its_language(language: str) -> None:
    needed = {key for menu in all_menus() for node in menu.values() for key in said(node)}
    own = set(texts(language))
    lacking = needed - own - BEFORE_THE_LANGUAGE - {"beep", "pause"}
    assert lacking == set()
    officers = {key for node in build_officer_menu().values() for key in said(node)}
    book = open_books(SHIPPED)[language]
    assert all(key in book for key in needed | officers | FALLBACK)


def test_each_language_is_offered_in_its_own_voice() -> None:
    offers = lines("id")
    assert (offers["language_id"].voice, offers["language_en"].voice) == ("id", "en-us")
    assert lines("en")["menu"].voice == "en-us"


def until_the_tone(limits: Limits, key: str = "") -> float:
    """Seconds that a caller waits who presses a language key at most, and then nothing."""
    books = open_books(SHIPPED)
    book, waited, event = books["id"], 0.0, Started()
    state = FlowState(menu=build_menu(limits))
    while True:
        state, actions = step(state, event)
        for action in actions:
            match action:
                case Language(code):
                    book = books[code]
                case Play(spoken, _):
                    waited, event = waited + book.seconds(spoken), Played()
                case Ask(spoken, _, patience):
                    waited += book.seconds(spoken) + (0 if key else patience)
                    key, event = "", Pressed(key) if key else Silence()
                case Record():
                    return waited


@pytest.mark.parametrize("operators", [False, True])
def test_a_silent_caller_hears_the_tone_within_forty_seconds(operators: bool) -> None:
    limits = Limits(operators=operators, emergency=operators)
    assert 20 < until_the_tone(limits) < SILENT_S
    for key in LANGUAGES:
        assert 20 < until_the_tone(limits, key) < SILENT_S


def test_every_shipped_file_is_what_the_telephone_carries() -> None:
    book = open_book(SHIPPED)
    for key in book.texts:
        wave = inspect(book.path(key))
        assert wave.rate == 8000
        assert wave.seconds == pytest.approx(book.seconds([key]), abs=0.01)


def test_the_levels_are_even() -> None:
    for made in read_manifest(SHIPPED).values():
        for key, line in made.items():
            if key not in ("beep", "pause"):
                assert line.loudness_dbfs == pytest.approx(-20, abs=1), key


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("id", ("direkam", "untuk menindaklanjuti", "disimpan satu tahun", "tutup telepon")),
        ("ban", ("karekam", "mangda prasida", "kasimpen awarsa", "tutup telepon")),
        ("en", ("recorded", "so that we can act", "kept one year", "hang up")),
    ],
)
def test_the_consent_says_that_why_and_how_long_in_at_most_eight_seconds(
    language: str, words: tuple[str, ...]
) -> None:
    book = open_books(SHIPPED)[language]
    assert all(part in book.texts["welcome_consent"] for part in words)
    assert book.seconds(["welcome_consent"]) <= 8
    assert book.version("welcome_consent") == book.made["welcome_consent"].text_sha256[:12]


@pytest.mark.parametrize(
    ("language", "word"), [("id", "direkam"), ("ban", "karekam"), ("en", "recorded")]
)
@pytest.mark.parametrize("key", ["emergency", "emergency_record", "operators"])
def test_who_is_connected_is_told_of_the_recording(key: str, language: str, word: str) -> None:
    assert word in texts(language)[key]


@pytest.mark.parametrize(
    ("days", "indonesian", "balinese", "english"),
    [
        (365, "satu tahun", "awarsa", "one year"),
        (730, "dua tahun", "kalih warsa", "two years"),
        (90, "tiga bulan", "tigang sasih", "three months"),
        (45, "45 hari", "45 rahina", "45 days"),
        (0, "0 hari", "0 rahina", "0 days"),
    ],
)
def test_retention_in_words(days: int, indonesian: str, balinese: str, english: str) -> None:
    for language, words in (("id", indonesian), ("ban", balinese), ("en", english)):
        assert in_words(days, language) == words
        assert words in texts(language, days)["welcome_consent"]


def test_another_retention_is_noticed() -> None:
    remedy = "speaks an older text: run `python -m ivr.prompts make`"
    assert check_all(SHIPPED, retention_days=730) == [
        f"{language}/welcome_consent.wav: {remedy}" for language in ("id", "ban", "en")
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
    assert check(folder, table=small_table)[0].startswith("id/thanks.wav: speaks an older text")
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


def sound_file(samples: Samples, rate: int = 16_000, kind: str = "WAV", subtype: str = "") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype or None)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_person_s_voice_is_brought_to_one_level_whatever_the_file(kind: str) -> None:
    quiet = np.concatenate([np.zeros(16_000), spoken("halo Bangli", "id", 16_000) * 0.05])
    sound = human_sound(sound_file(quiet, kind=kind))
    assert loudness(sound, 8000) == pytest.approx(-20, abs=0.5)
    assert 0.3 < len(sound) / 8000 < 2  # the second of silence before it is gone


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "unreadable"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "unreadable"),
        (bytes(range(256)) * 40, "unreadable"),
        (sound_file(np.zeros(16_000)), "silent"),
        (sound_file(np.full(16_000, np.nan), subtype="FLOAT"), "silent"),
        (sound_file(np.zeros(40)), "silent"),
        (sound_file(np.zeros((800, 4))), "unreadable"),
        (sound_file(np.zeros(800), rate=400), "unreadable"),
        (sound_file(np.zeros(61 * 8000), rate=8000, kind="FLAC"), "long"),
    ],
)
def test_what_cannot_be_a_prompt_is_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(Unusable) as refused:
        human_sound(data)
    assert refused.value.why == why


def test_the_machine_s_voice_comes_back(tmp_path: Path, two_tables: Path) -> None:
    shipped, here = tmp_path / "shipped", tmp_path / "here"
    make_all(shipped, table=two_tables)
    bring(shipped, here, 365, two_tables)
    voice = human_sound(sound_file(spoken("halo", "id", 16_000)))
    place_human("thanks", voice, here, table=two_tables)
    place_human("thanks", voice, here, "ban", table=two_tables)
    revert("thanks", here, shipped=shipped, table=two_tables)
    assert (here / "id/thanks.wav").read_bytes() == (shipped / "id/thanks.wav").read_bytes()
    revert("thanks", here, "ban", shipped=shipped, table=two_tables)
    assert not (here / "ban/thanks.wav").exists()
    assert check_all(here, table=two_tables) == []
    assert not any(line.human for made in read_manifest(here).values() for line in made.values())


def test_without_a_machine_s_voice_the_person_s_stays(
    tmp_path: Path, small_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_human("thanks", spoken("halo", "id", 8000), tmp_path, table=small_table)
    mine = (tmp_path / "id/thanks.wav").read_bytes()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ADUAN24_PARTS", str(tmp_path))
    with pytest.raises(SpeechUnavailable):
        revert("thanks", tmp_path, table=small_table)
    assert read_manifest(tmp_path)["id"]["thanks"].human
    assert (tmp_path / "id/thanks.wav").read_bytes() == mine


def test_two_who_record_at_once_both_stand_in_the_manifest(
    tmp_path: Path, two_tables: Path
) -> None:
    voice = spoken("halo", "id", 8000)
    keys = ["thanks", "bye", "welcome_consent"] * 4
    with ThreadPoolExecutor(6) as many:
        for done in [
            many.submit(place_human, key, voice, tmp_path, table=two_tables) for key in keys
        ]:
            done.result()
    assert set(read_manifest(tmp_path)["id"]) == set(keys)


def test_a_book_names_all_that_it_lacks(tmp_path: Path, small_table: Path) -> None:
    with pytest.raises(PromptsMissing, match=r"thanks, pause \(id\): run"):
        open_book(tmp_path, table=small_table)
    with pytest.raises(PromptsMissing, match="no texts for language 'ban'"):
        open_book(tmp_path, "ban", table=small_table)


def test_what_a_language_lacks_is_played_in_indonesian(tmp_path: Path, two_tables: Path) -> None:
    assert "ban/welcome_consent" in make_all(tmp_path, table=two_tables)
    books = open_books(tmp_path, table=two_tables)
    assert books["ban"].path("welcome_consent") == tmp_path / "ban/welcome_consent.wav"
    assert books["ban"].stem("thanks") == str((tmp_path / "id/thanks").resolve())
    assert books["ban"].seconds(["thanks"]) == books["id"].seconds(["thanks"]) > 0
    assert (books["ban"].text("thanks"), books["ban"].text("nothing")) == (
        "Terima kasih.",
        "nothing",
    )
    assert "thanks" in books["ban"]
    assert "nothing" not in books["ban"]
    adopt_human("thanks", tmp_path / "id/thanks.wav", tmp_path, "ban", table=two_tables)
    assert open_books(tmp_path, table=two_tables)["ban"].path("thanks").parent.name == "ban"


def test_a_line_that_cannot_speak_balinese_still_answers(
    tmp_path: Path, two_tables: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_all(tmp_path, table=two_tables)
    shutil.rmtree(tmp_path / "ban")
    (tmp_path / "id/thanks.wav").unlink()
    with caplog.at_level(logging.WARNING):
        books = open_books(tmp_path, table=two_tables)
    assert books["ban"].version("welcome_consent") == books["id"].version("welcome_consent")
    assert "no sound for thanks (id)" in caplog.text
    assert "no sound for welcome_consent (ban)" in caplog.text


@pytest.mark.parametrize("needed", ["welcome_consent", "beep"])
def test_a_line_that_cannot_say_its_consent_does_not_answer(
    tmp_path: Path, two_tables: Path, needed: str
) -> None:
    make_all(tmp_path, table=two_tables)
    (tmp_path / f"id/{needed}.wav").unlink()
    with pytest.raises(PromptsMissing, match=rf"no sound for {needed} \(id\): run"):
        open_books(tmp_path, table=two_tables)


def test_names_from_outside_the_table_are_made_once(tmp_path: Path, small_table: Path) -> None:
    names = {"agency_pupr": "PUPR Perkim"}
    assert make_all(tmp_path, table=small_table, extra=names)[-1] == "id/agency_pupr"
    assert make_all(tmp_path, table=small_table, extra=names) == []
    assert check_all(tmp_path, table=small_table, extra={"agency_pupr": "PUPR"}) == [
        "id/agency_pupr.wav: speaks an older text: run `python -m ivr.prompts make`"
    ]


def test_the_names_stand_apart_from_the_manifest_that_ships(
    tmp_path: Path, small_table: Path
) -> None:
    make_all(tmp_path, table=small_table)
    before = (tmp_path / "manifest.json").read_bytes()
    assert not (tmp_path / "names.json").exists()
    make_all(tmp_path, table=small_table, extra={"category_fire": "Kebakaran"})
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert "category_fire" in read_manifest(tmp_path)["id"]


def test_shipped_sounds_are_brought_without_touching_what_is_right(
    tmp_path: Path, small_table: Path
) -> None:
    shipped, here = tmp_path / "shipped", tmp_path / "here"
    make(shipped, table=small_table)
    assert bring(shipped, here, 365, small_table) == 2
    assert bring(shipped, here, 365, small_table) == 0
    assert check(here, table=small_table) == []
    (here / "id/pause.wav").unlink()
    adopt_human("thanks", shipped / "id/thanks.wav", here, table=small_table)
    small_table.write_text(small_table.read_text().replace("kasih.", "kasih banyak."))
    make(shipped, table=small_table)
    assert bring(shipped, here, 365, small_table) == 1  # the pause; the person's voice stays
    assert read_manifest(here)["id"]["thanks"].human


def test_what_was_made_before_speech_failed_is_kept(tmp_path: Path) -> None:
    table = tmp_path / "prompts.toml"
    table.write_text(
        '[id]\nvoice = "id"\npause = "silence:0.1"\nbye = {text = "Bye.", voice = "zz-none"}\n'
    )
    with pytest.raises(SpeechUnavailable, match="zz-none"):
        make(tmp_path, table=table)
    assert set(read_manifest(tmp_path)["id"]) == {"pause"}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prompts.main(["--folder", str(SHIPPED), "check"]) == 0
    assert prompts.main(["--folder", str(tmp_path), "check"]) == 1
    assert "ban/thanks.wav: missing" in capsys.readouterr().out
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
