"""What notices say: true at the moment they are written, short, and silent about the reporter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.config import Config
from callcenter.domain.complaint import ComplaintState, Urgency
from callcenter.domain.people import Post
from callcenter.domain.ticket import TicketState
from callcenter.domain.window import Step, Until
from callcenter.services import wording
from callcenter.services.rules import Rules
from callcenter.services.wording import Words
from callcenter.store.models import Agency, Complaint, Ticket
from callcenter.wiring import rules_of
from tests.services.conftest import DAY, HOUR, MINUTE, T0, VILLAGE


@pytest.fixture
def rules(config: Config) -> Rules:
    return rules_of(config)


def ticket(urgency: Urgency = Urgency.REPORT, order: str = "", **of_complaint: object) -> Ticket:
    """A ticket that stands in no database."""
    values: dict[str, object] = {
        "public_number": "10000005",
        "state": ComplaintState.DISPATCHED,
        "channel": "phone",
        "received_at": T0,
        "transcript": "Jalan berlubang di depan pasar.",
        "category_key": "road_damage",
        "village_code": VILLAGE,
        "place_note": "Depan Pasar Kidul",
        "reporter_name": "I Wayan Contoh",
        "reporter_phone": "+628123456789",
        **of_complaint,
    }
    return Ticket(
        complaint=Complaint(**values),
        agency=Agency(key="pupr", name="PUPR Perkim", kind="OPD"),
        urgency=urgency,
        state=TicketState.DISPATCHED,
        order=order,
        dispatched_at=T0,
        due_at=T0 + DAY,
    )


def say(rules: Rules, key: str, at: datetime, given: Ticket | None = None) -> Words:
    """The words of a step of the shipped ladder."""
    given = given or ticket()
    step = next(s for s in rules.ladders[given.urgency] if s.key == key)
    return wording.of_step(step, given, at, rules)


# ---------------------------------------------------------------- each step


@pytest.mark.parametrize(
    ("key", "after", "subject", "body"),
    [
        ("dispatch", timedelta(0), "Tiket baru", "Tiket baru untuk PUPR Perkim."),
        ("next_officer", 15 * MINUTE, "Belum diterima", "belum diterima oleh siapa pun."),
        ("secretary", 2 * HOUR, "Belum diterima", "belum diterima oleh siapa pun."),
        ("remind_team", 12 * HOUR, "Pengingat", "belum menanggapi. Sisa waktu 12 jam 0 menit."),
        ("remind_head", 23 * HOUR + 59 * MINUTE, "Pengingat", "Sisa waktu 1 menit."),
        ("missed", DAY, "TERLAMBAT", "belum menanggapi dan jangka waktunya terlewati."),
        ("missed_48h", 2 * DAY, "TERLAMBAT", "belum menanggapi dan jangka waktunya terlewati."),
        ("chase_report", 3 * DAY, "Laporan belum ada", "laporan penanganan belum sampai"),
    ],
)
def test_each_step_says_what_is_the_matter(
    rules: Rules, key: str, after: timedelta, subject: str, body: str
) -> None:
    words = say(rules, key, T0 + after)
    assert words.subject == f"{subject}: Jalan rusak, Kawan"
    assert body in words.body
    assert "Nomor aduan 10 00 00 05" in words.body


def test_an_emergency_says_so(rules: Rules) -> None:
    words = say(rules, "dispatch", T0, ticket(Urgency.EMERGENCY, category_key="fire"))
    assert words.subject == "DARURAT: Kebakaran, Kawan"


def test_a_moment_that_is_over_is_not_asked_for(rules: Rules) -> None:
    assert "Jawab sebelum 03-03-2026 10.00 WITA." in say(rules, "remind_head", T0 + HOUR).body
    for key in ("remind_team", "remind_head", "missed", "missed_48h"):
        late = say(rules, key, T0 + DAY).body
        assert "Jawab sebelum" not in late
        assert "Sisa waktu" not in late
        assert "Batas waktunya 03-03-2026 10.00 WITA." in late
    chased = say(rules, "chase_report", T0 + HOUR).body
    assert "Jawab sebelum" not in chased
    assert "Batas waktunya" not in chased


def test_a_late_reminder_and_the_end_of_the_window_differ(rules: Rules) -> None:
    """A clock that slept past both sends both; what became of each is looked up by its text."""
    late = [say(rules, key, T0 + DAY).body for key in ("remind_head", "missed")]
    assert late[0] != late[1]


def test_a_step_that_presses_for_nothing_accuses_nobody(rules: Rules) -> None:
    step = Step("info", HOUR, (Post.COORDINATOR,), Until.NEVER)
    words = wording.of_step(step, ticket(), T0 + HOUR, rules)
    assert "belum menanggapi" not in words.body
    assert words.subject.startswith("Pemberitahuan: ")


def test_report_and_wake_name_agency_and_place(rules: Rules) -> None:
    report = wording.of_report(ticket(), "Lubang ditambal.", rules)
    assert report.subject == "Laporan penanganan: Jalan rusak, Kawan"
    assert "Laporan penanganan dari PUPR Perkim." in report.body
    assert "Yang dikerjakan: Lubang ditambal." in report.body
    wake = wording.of_wake(ticket(), rules)
    assert wake.subject == "Masa tunggu berakhir: Jalan rusak, Kawan"
    assert "pekerjaan dilanjutkan" in wake.body


def test_what_is_unknown_is_left_out(rules: Rules) -> None:
    bare = ticket(category_key="gone", village_code=None, place_note="", transcript="")
    words = say(rules, "dispatch", T0, bare)
    assert words.subject == "Tiket baru: Aduan"
    assert "None" not in words.body
    assert all(line.strip() for line in words.body.splitlines())


def test_a_long_transcript_is_cut_between_words(rules: Rules) -> None:
    long = ticket(transcript="jalan rusak " * 200)
    (line,) = [w for w in say(rules, "dispatch", T0, long).body.splitlines() if w.endswith("…")]
    assert len(line) <= 285
    assert line.removesuffix(" …").split()[-1] in ("jalan", "rusak")
    one_word = ticket(transcript="a" * 5000)
    assert len(say(rules, "dispatch", T0, one_word).body) < 600


def test_an_exercise_in_another_zone_says_its_own_time(rules: Rules) -> None:
    west = replace(rules, zone=ZoneInfo("Asia/Jakarta"))
    assert "03-03-2026 09.00" in say(west, "dispatch", T0).body


# ---------------------------------------------------------------- the reporter

SECRET = ("contoh", "3456", "812")


def _everywhere(rules: Rules, text: str, name: str = "I Wayan Contoh") -> str:
    """All the texts that can quote what people typed, in one."""
    given = ticket(order=text, transcript=text, place_note=text, reporter_name=name)
    words = [say(rules, "dispatch", T0, given), wording.of_report(given, text, rules)]
    return "\n".join(f"{w.subject}\n{w.body}" for w in words)


@pytest.mark.parametrize(
    "number",
    [
        "08123456789",
        "0812 3456 789",
        "0812-3456-789",
        "0812.3456.789",
        "(0812) 3456789",
        "+628123456789",
        "+62 812 3456 789",
        "+62 (812) 3456-789",
        "628123456789",
        "62 812 3456 789",
        "0812345678901",
        "(0366) 5501234",
        "0361 234567",
        "021-7654321",
        "+61 2 9374 4000",
        "+1 650-253-0000",
    ],
)
def test_telephone_numbers_are_taken_out_however_they_are_written(
    rules: Rules, number: str
) -> None:
    said = _everywhere(rules, f"Nomor saya {number}, jalan rusak 250 meter sejak 2024.")
    assert number not in said
    assert not [
        part
        for part in number.replace("(", " ").replace(")", " ").split()
        if len(part) > 3 and part in said
    ]
    assert "250 meter sejak 2024." in said
    assert "•••" in said


@pytest.mark.parametrize(
    "said",
    [
        "Jalan 12.500.000 rupiah",
        "pukul 08.30 sampai 10.45",
        "tanggal 02-03-2026",
        "sejak 2 Maret 2026",
        "Jalan Nusantara No. 81",
        "RT 08 RW 02, KK 12",
        "lebar 3 x 4 meter, dalam 80 cm",
        "nomor aduan 10 00 00 05",
        "pelat DK 1234 AB",
        "-8.4543, 115.3549",
    ],
)
def test_other_figures_stay(rules: Rules, said: str) -> None:
    assert said in _everywhere(rules, said)


@pytest.mark.parametrize(
    "spelled", ["I Wayan Contoh", "i wayan contoh", "I  WAYAN\n CONTOH", "I Wayan Contoh,"]
)
def test_the_reporters_name_is_taken_out(rules: Rules, spelled: str) -> None:
    said = _everywhere(rules, f"Saya {spelled} dari banjar.")
    assert "contoh" not in said.casefold()
    assert "pelapor" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "Jalan rusak di Kawan."),
        ("I", "Di jalan itu ada lubang, I Gusti lewat."),
        ("Ni", "Jalan ini rusak, Ni Luh jatuh."),
        ("Bangli", "Jalan di Banglian rusak."),
        ("(.*", "Jalan rusak (.*) sekali"),
        ("\\", "Jalan rusak."),
    ],
)
def test_a_short_or_strange_name_takes_nothing_else_out(rules: Rules, name: str, text: str) -> None:
    said = _everywhere(rules, text, name)
    assert text.replace("(.*", "pelapor" if name == "(.*" else "(.*") in said


@given(text=st.text(max_size=200), name=st.text(max_size=40))
def test_no_text_or_name_breaks_a_notice(config: Config, text: str, name: str) -> None:
    words = _everywhere(rules_of(config), text, name)
    assert "Nomor aduan 10 00 00 05" in words


@given(
    digits=st.text("0123456789", min_size=8, max_size=11),
    gaps=st.lists(st.sampled_from(["", " ", "-", ".", "  "]), min_size=12, max_size=12),
    prefix=st.sampled_from(["08", "+628", "628", "0 8", "+62 8", "+62-8"]),
)
def test_no_mobile_number_gets_through(
    config: Config, digits: str, gaps: list[str], prefix: str
) -> None:
    number = prefix + "".join(gap + digit for gap, digit in zip(gaps, digits, strict=False))
    said = _everywhere(rules_of(config), f"telepon {number} ya")
    assert number not in said
    assert number.rstrip()[-6:] not in said
