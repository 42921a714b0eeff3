"""What waits: with files that prove it, listed by agency and age, proposed as a budget."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from callcenter.domain.ticket import TicketState, WaitingReason
from callcenter.services import budget_proposal, evidence, waiting
from callcenter.services.attachments import Material
from callcenter.services.budget_proposal import Heading
from callcenter.services.errors import Refused
from callcenter.services.waiting import Row
from callcenter.store.models import Attachment
from tests.services.conftest import DAY, DUTY, HOUR, MINUTE, T0, TICK, Town
from tests.services.test_photos import HOSTILE, picture

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF"
UNTIL = T0 + 30 * DAY


def _waits(
    town: Town,
    at: datetime = T0 + HOUR,
    *,
    agency: str = "pupr",
    reason: WaitingReason = WaitingReason.MATERIAL,
    note: str = "Pesanan 12/PU",
    files: tuple[Material, ...] = (),
    **typed: str,
) -> int:
    ticket_id = town.sent(T0, agency, **typed)
    town.respond(ticket_id, T0 + MINUTE)
    with town.store.write() as db:
        waiting.wait(
            db,
            ticket_id,
            reason=reason,
            note=note,
            until=UNTIL,
            approver="I Wayan Artana",
            files=files,
            folder=town.folder,
            actor=DUTY,
            now=at,
            rules=town.rules,
        )
    return ticket_id


def _rows(town: Town, **chosen: Any) -> list[Row]:
    with town.store.read() as db:
        return waiting.waiting(db, town.rules, **chosen)


# ---------------------------------------------------------------- evidence


def test_evidence_is_a_photo_made_plain_or_a_pdf_as_it_came(town: Town) -> None:
    files = (evidence.looked_at(PDF), evidence.looked_at(picture()))
    ticket_id = _waits(town, files=files)
    with town.store.read() as db:
        pdf, photo = db.scalars(select(Attachment).order_by(Attachment.id)).all()
    assert (pdf.purpose, pdf.media_type, pdf.ticket_id) == (
        "evidence",
        "application/pdf",
        ticket_id,
    )
    assert (town.folder / pdf.path).read_bytes() == PDF
    assert photo.media_type == "image/jpeg"
    assert b"Kamera" not in (town.folder / photo.path).read_bytes()


@pytest.mark.parametrize("name", sorted(set(HOSTILE) - {"pdf"}))
def test_what_is_neither_is_refused_at_its_own_field(name: str) -> None:
    with pytest.raises(Refused) as refused:
        evidence.looked_at(HOSTILE[name])
    assert refused.value.field == evidence.FIELD


@pytest.mark.parametrize(("size", "fine"), [(10_000_000, True), (10_000_001, False)])
def test_a_pdf_has_an_end(size: int, fine: bool) -> None:
    data = PDF + bytes(size - len(PDF))
    if fine:
        assert len(evidence.looked_at(data).data) == size
    else:
        with pytest.raises(Refused, match="10 MB"):
            evidence.looked_at(data)


def test_where_there_is_a_file_nothing_has_to_be_typed(town: Town) -> None:
    ticket_id = _waits(town, note=" ", files=(evidence.looked_at(PDF),))
    assert town.ticket(ticket_id).waiting_note == "Lihat berkas terlampir."
    with pytest.raises(Refused) as refused:
        _waits(town, note=" ")
    assert refused.value.field == "evidence"


def test_who_may_not_wait_leaves_no_file(town: Town) -> None:
    ticket_id = town.sent()
    with town.store.write() as db, pytest.raises(Refused):
        waiting.wait(
            db,
            ticket_id,
            reason=WaitingReason.BUDGET,
            note="x",
            until=UNTIL,
            approver="x",
            files=(evidence.looked_at(PDF),),
            folder=town.folder,
            actor=DUTY,
            now=T0 + HOUR,
            rules=town.rules,
        )
    assert town.ticket(ticket_id).state is TicketState.DISPATCHED
    assert [p for p in town.folder.rglob("*") if p.is_file()] == []


# ---------------------------------------------------------------- the list


def test_the_list_is_by_agency_and_who_waits_longest_comes_first(town: Town) -> None:
    late = _waits(town, T0 + 3 * HOUR)
    early = _waits(town, T0 + 2 * HOUR, reason=WaitingReason.BUDGET)
    other = _waits(town, T0 + 4 * HOUR, agency="pdam")
    town.sent()
    rows = _rows(town)
    assert [row.ticket_id for row in rows] == [other, early, late]
    assert [row.agency for row in rows] == ["PDAM Bangli", "PUPR Perkim", "PUPR Perkim"]
    first = rows[1]
    assert (first.since, first.until, first.reason) == (
        T0 + 2 * HOUR,
        UNTIL,
        WaitingReason.BUDGET,
    )
    assert (first.category, first.place) == ("Jalan rusak", "Kawan, Kec. Bangli")
    assert (first.approver, first.evidence) == ("I Wayan Artana", "Pesanan 12/PU")
    assert [row.ticket_id for row in _rows(town, agency_key="pdam")] == [other]
    assert [row.ticket_id for row in _rows(town, reason=WaitingReason.BUDGET)] == [early]


def test_age_counts_from_the_present_waiting_in_whole_days(town: Town) -> None:
    ticket_id = _waits(town, T0 + HOUR)
    town.start(ticket_id, T0 + 5 * DAY)
    town.wait(ticket_id, T0 + 6 * DAY, T0 + 40 * DAY)
    (row,) = _rows(town)
    assert row.since == T0 + 6 * DAY
    assert [row.days(T0 + 6 * DAY + span) for span in (0 * DAY, DAY - TICK, DAY, 3 * DAY)] == [
        0,
        0,
        1,
        3,
    ]
    assert row.days(T0) == 0


def test_what_goes_on_again_is_no_longer_listed(town: Town) -> None:
    _waits(town)
    town.clock(UNTIL)
    assert _rows(town) == []


def test_the_reporter_is_not_in_the_list(town: Town) -> None:
    words = "Hubungi I Wayan Contoh 0812 3456 789"
    _waits(town, note=words, transcript=words, place_note=words)
    assert "Contoh" not in repr(_rows(town))
    assert "3456" not in repr(_rows(town))


@pytest.mark.parametrize("answered_late", [False, True])
def test_an_answer_that_came_late_stays_visible(town: Town, answered_late: bool) -> None:
    ticket_id = town.sent()
    town.respond(ticket_id, T0 + DAY if answered_late else T0 + DAY - TICK)
    town.wait(ticket_id, T0 + DAY, UNTIL)
    assert [row.late for row in _rows(town)] == [answered_late]


# ---------------------------------------------------------------- the proposal

HEADING = Heading("24 Jam Bangli Era Baru", "Kabupaten Bangli", "Semua", "Semua")


def _book(town: Town) -> Any:
    data = budget_proposal.workbook(_rows(town), HEADING, now=T0 + 9 * DAY, rules=town.rules)
    return load_workbook(io.BytesIO(data))


def test_the_proposal_has_a_block_and_a_sum_for_each_agency(town: Town) -> None:
    for agency in ("pupr", "pdam", "pupr"):
        _waits(town, agency=agency)
    sheet = _book(town)["Usulan Anggaran"]
    heads = [cell.value for cell in sheet[7]]
    assert heads[:3] == ["No", "Nomor aduan", "Instansi"]
    assert heads[13:17] == ["Volume", "Satuan", "Harga satuan (Rp)", "Jumlah (Rp)"]
    told = [(sheet.cell(row, 3).value, sheet.cell(row, 17).value) for row in range(8, 14)]
    assert told == [
        ("PDAM Bangli", '=IF(OR(N8="",P8=""),"",N8*P8)'),
        (None, "=SUBTOTAL(9,Q8:Q8)"),
        ("PUPR Perkim", '=IF(OR(N10="",P10=""),"",N10*P10)'),
        ("PUPR Perkim", '=IF(OR(N11="",P11=""),"",N11*P11)'),
        (None, "=SUBTOTAL(9,Q10:Q11)"),
        (None, "=SUBTOTAL(9,Q8:Q12)"),
    ]
    assert sheet["D13"].value == "JUMLAH SELURUHNYA"
    assert [sheet.cell(row, 1).value for row in (8, 10, 11)] == [1, 2, 3]
    assert (sheet["J8"].value, str(sheet["I8"].value)) == (8, "2026-03-02 11:00:00")


def test_costs_are_left_to_people_and_only_numbers_count(town: Town) -> None:
    _waits(town)
    sheet = _book(town)["Usulan Anggaran"]
    assert [sheet[f"{column}8"].value for column in "NOPRS"] == [None] * 5
    ranges = {str(rule.sqref) for rule in sheet.data_validations.dataValidation}
    assert ranges == {"N8", "P8"}


def test_the_summary_counts_and_adds_up_by_reason_and_agency(town: Town) -> None:
    _waits(town)
    _waits(town, agency="pdam", reason=WaitingReason.BUDGET)
    sheet = _book(town)["Rekap"]
    assert [cell.value for cell in sheet[3]][1:] == [
        "Pengadaan",
        "Material",
        "Anggaran",
        "Alat",
        "Jumlah",
    ]
    assert [sheet.cell(row, 1).value for row in (4, 5, 6)] == [
        "PDAM Bangli",
        "PUPR Perkim",
        "Jumlah",
    ]
    assert sheet["B4"].value == (
        "=COUNTIFS('Usulan Anggaran'!$C$8:$C$11,$A4,'Usulan Anggaran'!$H$8:$H$11,B$3)"
    )
    assert sheet["B9"].value == (
        "=SUMIFS('Usulan Anggaran'!$Q$8:$Q$11,'Usulan Anggaran'!$C$8:$C$11,$A9,"
        "'Usulan Anggaran'!$H$8:$H$11,B$8)"
    )
    assert sheet["F11"].value == "=SUM(F9:F10)"


@pytest.mark.parametrize("words", ['=HYPERLINK("http://x","y")', "+1", "@SUM(A1)", "-2", "{=1}"])
def test_words_of_people_never_become_formulas_or_links(town: Town, words: str) -> None:
    _waits(town, note=words, place_note=words, transcript=words)
    sheet = _book(town)["Usulan Anggaran"]
    for column in "EGM":
        cell = sheet[f"{column}8"]
        assert (cell.value, cell.data_type, cell.hyperlink) == (words, "s", None)


def test_nothing_that_waits_is_a_proposal_of_nothing(town: Town) -> None:
    book = _book(town)
    assert book["Usulan Anggaran"]["D8"].value == "JUMLAH SELURUHNYA"
    assert book["Rekap"]["F4"].value == "=0"


def test_days_are_those_of_the_programme(town: Town) -> None:
    """17:00 UTC is the next day in Bangli."""
    _waits(town, T0.replace(hour=17))
    (row,) = _rows(town)
    assert row.since.astimezone(ZoneInfo("Asia/Makassar")).day == 3
    assert _book(town)["Usulan Anggaran"]["I8"].value.isoformat() == "2026-03-03T01:00:00"
