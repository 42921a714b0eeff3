"""What waits, as a budget proposal: a workbook whose costs people fill in, with sums by formula.

Words of people are written as text and never become a formula.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, groupby
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_range_abs, xl_rowcol_to_cell

from callcenter.domain.ticket import WaitingReason
from callcenter.services.rules import Rules
from callcenter.services.waiting import Row
from ivr.numbers import format_number

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
REASONS = {
    WaitingReason.PROCUREMENT: "Pengadaan",
    WaitingReason.MATERIAL: "Material",
    WaitingReason.BUDGET: "Anggaran",
    WaitingReason.EQUIPMENT: "Alat",
}
SHEET, SUMMARY = "Usulan Anggaran", "Rekap"
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_HEADINGS = (
    ("No", 5),
    ("Nomor aduan", 13),
    ("Instansi", 22),
    ("Perihal", 20),
    ("Uraian pekerjaan", 40),
    ("Tempat", 22),
    ("Patokan", 22),
    ("Alasan menunggu", 13),
    ("Menunggu sejak", 12),
    ("Umur (hari)", 8),
    ("Perkiraan berlanjut", 12),
    ("Disetujui oleh", 20),
    ("Bukti", 28),
    ("Volume", 10),
    ("Satuan", 10),
    ("Harga satuan (Rp)", 16),
    ("Jumlah (Rp)", 18),
    ("Sumber dana", 16),
    ("Keterangan", 24),
)
_AT = {name: column for column, (name, _width) in enumerate(_HEADINGS)}
_TO_FILL_IN = ("Volume", "Satuan", "Harga satuan (Rp)", "Sumber dana", "Keterangan")
_NUMBERS = ("Volume", "Harga satuan (Rp)")
_TOP = 6  # the row of the headings
_LAST = len(_HEADINGS) - 1


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the table: whose proposal, and what was chosen."""

    programme: str
    regency: str
    agency: str
    reason: str


def workbook(rows: Sequence[Row], heading: Heading, *, now: datetime, rules: Rules) -> bytes:
    """The proposal as XLSX; `rows` as `waiting` gives them, by agency."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, _OPTIONS) as book:
        book.set_properties(
            {"title": "Usulan anggaran", "author": heading.programme, "created": now}
        )
        book.set_calc_mode("auto")
        paper = _Paper(book, now.astimezone(rules.zone))
        _table(paper, rows, heading)
        _summary(paper, rows)
    return out.getvalue()


class _Paper:
    """The two sheets and the looks of their cells; `first` and `last` are the rows of the table."""

    def __init__(self, book: Any, now: datetime) -> None:
        self.now, self.first, self.last = now, _TOP + 1, _TOP + 1
        self.sheet, self.summary = book.add_worksheet(SHEET), book.add_worksheet(SUMMARY)
        plain = {"font_name": "Arial", "font_size": 10, "valign": "top"}
        boxed = {**plain, "border": 1, "border_color": "#B9C2BD"}
        input_ = {**boxed, "bg_color": "#FFF8DC", "locked": False}
        strong = {**boxed, "bold": True, "bg_color": "#E3EFEC", "text_wrap": True}
        money = {"num_format": "#,##0"}
        looks = {
            "title": {**plain, "bold": True, "font_size": 14},
            "plain": plain,
            "head": {**strong, "valign": "vcenter", "align": "center"},
            "text": {**boxed, "text_wrap": True},
            "number": {**boxed, "num_format": "0"},
            "day": {**boxed, "num_format": "dd-mm-yyyy", "align": "left"},
            "input": {**input_, "text_wrap": True},
            "input_number": {**input_, **money},
            "money": {**boxed, **money},
            "sum": {**strong, **money},
        }
        self.look = {name: book.add_format(values) for name, values in looks.items()}


def _table(paper: _Paper, rows: Sequence[Row], heading: Heading) -> None:
    """The first sheet: a block for each agency with its sum, then the sum of all."""
    sheet, look = paper.sheet, paper.look
    for row, words in enumerate(
        (
            "USULAN ANGGARAN PEKERJAAN YANG MENUNGGU",
            f"{heading.programme}, {heading.regency}",
            f"Instansi: {heading.agency}. Alasan: {heading.reason}.",
            f"Keadaan per {paper.now:%d-%m-%Y %H.%M} WITA. Isi kolom kuning: jumlah dihitung.",
        )
    ):
        sheet.write_string(row, 0, words, look["title" if row == 0 else "plain"])
    for column, (name, width) in enumerate(_HEADINGS):
        sheet.set_column(column, column, width)
        sheet.write_string(_TOP, column, name, look["head"])
    row, numbered = paper.first, count(1)
    for agency, group in groupby(rows, key=lambda one: one.agency):
        begin = row
        for row, one in enumerate(group, begin):
            _line(paper, row, next(numbered), one)
        _sum(paper, row + 1, f"Jumlah {agency}", begin, row)
        row += 2
    paper.last = max(paper.first, row - 1)
    _sum(paper, row, "JUMLAH SELURUHNYA", paper.first, paper.last)
    _signatures(paper, row + 3)
    _print(sheet)


def _line(paper: _Paper, row: int, number: int, one: Row) -> None:
    sheet, look = paper.sheet, paper.look
    for name, text in (
        ("Nomor aduan", format_number(one.number)),
        ("Instansi", one.agency),
        ("Perihal", one.category),
        ("Uraian pekerjaan", one.work),
        ("Tempat", one.place),
        ("Patokan", one.landmark),
        ("Alasan menunggu", REASONS[one.reason]),
        ("Disetujui oleh", one.approver),
        ("Bukti", _evidence(one)),
    ):
        sheet.write_string(row, _AT[name], text, look["text"])
    sheet.write_number(row, _AT["No"], number, look["number"])
    sheet.write_number(row, _AT["Umur (hari)"], one.days(paper.now), look["number"])
    for name, moment in (("Menunggu sejak", one.since), ("Perkiraan berlanjut", one.until)):
        if moment is None:
            sheet.write_blank(row, _AT[name], None, look["day"])
        else:
            day = moment.astimezone(paper.now.tzinfo).replace(tzinfo=None)
            sheet.write_datetime(row, _AT[name], day, look["day"])
    for name in _TO_FILL_IN:
        kind = "input_number" if name in _NUMBERS else "input"
        sheet.write_blank(row, _AT[name], None, look[kind])
    for name in _NUMBERS:
        sheet.data_validation(row, _AT[name], row, _AT[name], _NOT_NEGATIVE)
    volume, price = (xl_rowcol_to_cell(row, _AT[name]) for name in _NUMBERS)
    formula = f'=IF(OR({volume}="",{price}=""),"",{volume}*{price})'
    sheet.write_formula(row, _AT["Jumlah (Rp)"], formula, look["money"], "")


_NOT_NEGATIVE = {
    "validate": "decimal",
    "criteria": ">=",
    "value": 0,
    "error_title": "Bukan angka",
    "error_message": "Isi angka, nol atau lebih.",
}


def _evidence(one: Row) -> str:
    return one.evidence + (f" ({len(one.files)} berkas)" if one.files else "")


def _sum(paper: _Paper, row: int, words: str, first: int, last: int) -> None:
    """A row that adds up; SUBTOTAL leaves other subtotals out, so that nothing counts twice."""
    sheet, look, column = paper.sheet, paper.look["sum"], _AT["Jumlah (Rp)"]
    for blank in range(_LAST + 1):
        sheet.write_blank(row, blank, None, look)
    sheet.write_string(row, _AT["Perihal"], words, look)
    where = f"{xl_rowcol_to_cell(first, column)}:{xl_rowcol_to_cell(last, column)}"
    sheet.write_formula(row, column, f"=SUBTOTAL(9,{where})", look, 0)


def _signatures(paper: _Paper, row: int) -> None:
    for column, words in ((3, "Disusun oleh,"), (11, "Disetujui oleh,")):
        paper.sheet.write_string(row, column, words, paper.look["plain"])
        paper.sheet.write_string(row + 5, column, "(........................)", paper.look["plain"])
        paper.sheet.write_string(row + 6, column, "NIP", paper.look["plain"])


def _print(sheet: Any) -> None:
    sheet.freeze_panes(_TOP + 1, _AT["Perihal"])
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(_TOP)
    sheet.set_footer("&L&A&RHalaman &P dari &N")
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)


def _summary(paper: _Paper, rows: Sequence[Row]) -> None:
    """Agencies by reasons: how many wait, and what they cost."""
    sheet, look = paper.summary, paper.look
    agencies = sorted({one.agency for one in rows})
    sheet.write_string(0, 0, "REKAP USULAN ANGGARAN", look["title"])
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 5, 18)
    sheet.set_landscape()
    sheet.set_paper(9)
    below = _grid(paper, 2, "Banyaknya pekerjaan", agencies, "COUNTIFS({agency},{reason})")
    _grid(paper, below + 2, "Jumlah (Rp)", agencies, "SUMIFS({sum},{agency},{reason})")


def _grid(paper: _Paper, top: int, title: str, agencies: Sequence[str], formula: str) -> int:
    """One table of the second sheet; its last row."""
    sheet, look = paper.summary, paper.look
    column = {
        name: f"'{SHEET}'!{xl_range_abs(paper.first, _AT[name], paper.last, _AT[name])}"
        for name in ("Instansi", "Alasan menunggu", "Jumlah (Rp)")
    }
    for at, name in enumerate((title, *REASONS.values(), "Jumlah")):
        sheet.write_string(top, at, name, look["head"])
    for row, agency in enumerate(agencies, top + 1):
        sheet.write_string(row, 0, agency, look["text"])
        for at in range(1, len(REASONS) + 1):
            wanted = formula.format(
                sum=column["Jumlah (Rp)"],
                agency=f"{column['Instansi']},{xl_rowcol_to_cell(row, 0, col_abs=True)}",
                reason=f"{column['Alasan menunggu']},{xl_rowcol_to_cell(top, at, row_abs=True)}",
            )
            sheet.write_formula(row, at, f"={wanted}", look["money"], 0)
        across = f"{xl_rowcol_to_cell(row, 1)}:{xl_rowcol_to_cell(row, len(REASONS))}"
        sheet.write_formula(row, len(REASONS) + 1, f"=SUM({across})", look["sum"], 0)
    bottom = top + 1 + len(agencies)
    sheet.write_string(bottom, 0, "Jumlah", look["sum"])
    for at in range(1, len(REASONS) + 2):
        down = f"{xl_rowcol_to_cell(top + 1, at)}:{xl_rowcol_to_cell(bottom - 1, at)}"
        words = f"=SUM({down})" if agencies else "=0"
        sheet.write_formula(bottom, at, words, look["sum"], 0)
    return bottom
