"""The handling report as a paper: what it says, what it hides, and that it is always made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from callcenter.config import Config
from callcenter.services import camera, report_paper, voice_notes
from callcenter.services.errors import NotFound
from callcenter.services.report_paper import Desk, Paper
from callcenter.store.models import Complaint
from callcenter.wiring import letterhead_of
from tests.services.conftest import DAY, HOUR, MINUTE, T0, Town
from tests.services.test_photos import picture
from tests.services.test_voice_notes import spoken

WITA = ZoneInfo("Asia/Makassar")


@pytest.fixture
def desk(town: Town, config: Config) -> Desk:
    """What papers need, from config.yaml."""
    heads = {agency.key: letterhead_of(config, agency) for agency in config.agencies}
    return Desk(heads, town.rules, town.folder)


def _paper(town: Town, ticket_id: int, desk: Desk) -> Paper:
    with town.store.read() as db:
        return report_paper.paper_of(db, ticket_id, desk)


def _pdf(town: Town, ticket_id: int, desk: Desk) -> bytes:
    with town.store.read() as db:
        return report_paper.enclosure(db, ticket_id, desk).data


def _reported(town: Town, at: datetime = T0 + HOUR, *photos: bytes, **fields: Any) -> int:
    ticket_id = town.sent()
    town.report(ticket_id, at, *photos, **fields)
    return ticket_id


def test_it_says_who_to_whom_what_where_when(town: Town, desk: Desk) -> None:
    ticket_id = town.sent()
    town.accept(ticket_id, T0 + 20 * MINUTE)
    town.respond(ticket_id, T0 + 3 * HOUR)
    town.report(ticket_id, T0 + 5 * HOUR, done_at=T0 + 4 * HOUR, materials="Aspal 20 kg")
    paper = _paper(town, ticket_id, desk)
    facts = paper.facts
    assert paper.name.endswith("-pupr.pdf")
    assert facts["letterhead"]["government"] == "Pemerintah Kabupaten Bangli"
    assert facts["to"] == {"post": "Pimpinan PUPR Perkim", "name": "I Wayan Artana"}
    assert facts["number"] == "0001/LP-24JAM/PUPR/III/2026"
    assert facts["place_and_day"] == "Bangli, 2 Maret 2026"
    assert ("Tempat", "Kawan, Kec. Bangli") in facts["facts"]
    assert facts["window"] == {
        "late": False,
        "verdict": "Tepat waktu.",
        "words": "Dijawab 3 jam 0 menit setelah aduan diteruskan.",
    }
    assert ("Selesai pada", "2 Maret 2026, 14.00 WITA") in facts["done"]["facts"]
    assert [(row["at"], row["what"], row["who"]) for row in facts["timeline"]] == [
        ("2 Maret 2026, 10.00", "Aduan diterima", ""),
        ("2 Maret 2026, 10.00", "Diteruskan ke PUPR Perkim", ""),
        ("2 Maret 2026, 10.20", "Tugas diterima", "I Nyoman Darmawan"),
        ("2 Maret 2026, 13.00", "Ditanggapi", "PUPR Perkim"),
        ("2 Maret 2026, 14.00", "Pekerjaan selesai", ""),
        ("2 Maret 2026, 15.00", "Laporan dikirim ke pimpinan", "I Nyoman Darmawan"),
    ]
    assert [one["name"] for one in facts["signatures"]] == ["I Nyoman Darmawan", "I Wayan Artana"]


@pytest.mark.parametrize(("at", "late"), [(T0 + DAY - MINUTE, False), (T0 + DAY, True)])
def test_being_late_stands_on_it(town: Town, desk: Desk, at: datetime, late: bool) -> None:
    facts = _paper(town, _reported(town, at), desk).facts
    assert facts["window"]["late"] is late
    assert [row["late"] for row in facts["timeline"]].count(True) == late


def test_who_complained_is_not_on_it(town: Town, desk: Desk) -> None:
    ticket_id = town.sent(
        transcript="Saya I Wayan Contoh, 0812 3456 789. Jalan rusak.",
        place_note="Rumah I Wayan Contoh",
    )
    town.report(ticket_id, T0 + HOUR, text="Bertemu I Wayan Contoh (0812-3456-789), ditambal.")
    printed = repr(_paper(town, ticket_id, desk).facts)
    assert "Contoh" not in printed
    assert "3456" not in printed
    assert "pelapor" in printed


def test_photos_are_printed_small_with_time_and_place(town: Town, desk: Desk) -> None:
    ticket_id = _reported(town, T0 + HOUR, picture((3000, 2000)), picture((300, 400)))
    paper = _paper(town, ticket_id, desk)
    first, second = paper.facts["photos"]
    assert first["taken"] == "Diambil 1 Maret 2026, 10.29, letak -8.45507, 115.35000"
    assert set(paper.pictures) == {first["file"], second["file"]}
    assert all(b"Kamera" not in data for data in paper.pictures.values())
    assert len(_pdf(town, ticket_id, desk)) < 300_000


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_photo_that_is_not_what_was_kept_is_said_to_be_missing(
    town: Town, desk: Desk, harm: str
) -> None:
    ticket_id = _reported(town, T0 + HOUR, picture())
    (file,) = town.folder.rglob("*.jpg")
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(picture((20, 20)))
    assert _paper(town, ticket_id, desk).facts["photos"][0]["file"] is None
    assert _pdf(town, ticket_id, desk).startswith(b"%PDF-")


def test_a_spoken_report_says_that_it_can_be_heard(town: Town, desk: Desk) -> None:
    ticket_id = _reported(town, text="", voice=voice_notes.heard(spoken(65)))
    done = _paper(town, ticket_id, desk).facts["done"]
    assert done["text"] == ""
    assert done["voice"].startswith("Laporan lisan (1.05) tersimpan")
    assert _pdf(town, ticket_id, desk).startswith(b"%PDF-")


def test_the_same_report_is_the_same_paper_whenever_it_is_made(town: Town, desk: Desk) -> None:
    ticket_id = _reported(town, T0 + HOUR, picture())
    first = _pdf(town, ticket_id, desk)
    town.report_arrives(ticket_id, T0 + 9 * DAY)
    assert _pdf(town, ticket_id, desk) == first


HOSTILE = (
    '#panic("x") *b* _i_ `c` $x$ @ref <label> // comment /* */ \\ #read("/etc/passwd") '
    '#image("/etc/passwd") #include "x" ] } { [ = H\n- list\n+ n\n/ t: d'
)


def test_nothing_that_people_type_is_markup(town: Town, desk: Desk) -> None:
    ticket_id = town.sent(transcript=HOSTILE, place_note=HOSTILE[:300])
    town.report(ticket_id, T0 + HOUR, text=HOSTILE, people=HOSTILE[:300], materials=HOSTILE[:300])
    assert _paper(town, ticket_id, desk).facts["done"]["text"] == HOSTILE
    assert _pdf(town, ticket_id, desk).startswith(b"%PDF-")


@pytest.mark.parametrize("words", ["ᬩᬮᬶ 你好 😀", "x" * 3990, "\n" * 60 + "a", "a\u202eb"])
def test_strange_words_are_set_all_the_same(town: Town, desk: Desk, words: str) -> None:
    assert _pdf(town, _reported(town, text=f"Selesai {words}"), desk).startswith(b"%PDF-")


@pytest.mark.parametrize("logo", ["png", "broken", "missing"])
def test_arms_that_cannot_be_drawn_cost_no_paper(
    town: Town, desk: Desk, tmp_path: Path, logo: str
) -> None:
    file = tmp_path / "arms.png"
    if logo != "missing":
        file.write_bytes(picture((80, 100), "PNG") if logo == "png" else b"not a picture")
    heads = {key: replace(head, logo=file) for key, head in desk.letterheads.items()}
    made = _pdf(town, _reported(town), replace(desk, letterheads=heads))
    assert made.startswith(b"%PDF-")


def test_an_agency_that_left_the_configuration_has_a_plain_paper(town: Town, desk: Desk) -> None:
    made = _paper(town, _reported(town), replace(desk, letterheads={}))
    assert made.facts["letterhead"]["name"] == "PUPR Perkim"


def test_without_a_report_there_is_no_paper(town: Town, desk: Desk) -> None:
    for ticket_id in (town.sent(), 999):
        with pytest.raises(NotFound):
            _paper(town, ticket_id, desk)


def test_a_correction_of_the_transcript_shows_its_latest_words(town: Town, desk: Desk) -> None:
    """Only what operators correct may change afterwards; nothing of the report itself."""
    ticket_id = _reported(town)
    with town.store.write() as db:
        db.get_one(Complaint, town.complaint_of(ticket_id)).transcript = "Jalan berlubang."
    assert _paper(town, ticket_id, desk).facts["complaint"] == "Jalan berlubang."


# ---------------------------------------------------------------- the camera's word

PLACE = {
    "GPSLatitude": "8.0 27.0 18.25",
    "GPSLatitudeRef": "S",
    "GPSLongitude": "115.0 21.0 0.0",
    "GPSLongitudeRef": "E",
}


def test_a_cameras_time_has_its_own_offset_or_the_programmes() -> None:
    written = {"DateTimeOriginal": "2026:03:01 10:29:58"}
    here = datetime(2026, 3, 1, 10, 29, 58, tzinfo=WITA)
    assert camera.taken(written, WITA).at == here
    jakarta = {**written, "OffsetTimeOriginal": "+07:00"}
    assert camera.taken(jakarta, WITA).at == here.replace(tzinfo=timezone(timedelta(hours=7)))
    assert camera.taken({**written, "OffsetTimeOriginal": "bad"}, WITA).at == here
    assert camera.taken({"DateTime": "2026:03:01 02:29:58"}, ZoneInfo("UTC")).at == here.astimezone(
        UTC
    ).replace(second=58)


def test_a_cameras_place_is_signed_degrees() -> None:
    assert camera.taken(PLACE, WITA).place == pytest.approx((-8.455069, 115.35), abs=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"GPSLatitude": ""},
        {"GPSLatitude": "nan nan nan"},
        {"GPSLatitude": "inf 0 0"},
        {"GPSLatitude": "91.0 0.0 0.0"},
        {"GPSLongitude": "1e400 0 0"},
        {"GPSLongitude": "181.0 0.0 0.0"},
        {"GPSLatitude": "-8.0 0.0 0.0"},
        {"GPSLatitude": "0.0 0.0 0.0", "GPSLongitude": "0.0 0.0 0.0"},
    ],
)
def test_a_place_that_is_none_is_left_out(change: dict[str, str]) -> None:
    assert camera.taken({**PLACE, **change}, WITA).place is None


@pytest.mark.parametrize("written", ["", "0000:00:00 00:00:00", "yesterday", "2026:13:40 99:99:99"])
def test_a_time_that_is_none_is_left_out(written: str) -> None:
    assert camera.taken({"DateTimeOriginal": written}, WITA).at is None
