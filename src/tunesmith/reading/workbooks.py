"""Rows from XLSX: the first sheet that is shown; a row's place is its number in that sheet.

Source: ECMA-376 (Office Open XML), as openpyxl reads it. Cells become the text that a CSV of the same sheet would hold,
with dates as 2026-11-21. Macros, links and pictures are never looked at.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from ..errors import Misuse
from ..records import Finding, Row
from .lines import ROW_BYTES, too_large, wrong_characters
from .quoting import listed, quoted

SHEET_BYTES = 512 << 20
OTHER_BYTES = 256 << 20  # strings that cells share, and styles, are held in memory
BOMB_BYTES = 32 << 20
BOMB_RATIO = 200  # real sheets shrink to a tenth or a thirtieth
LAST_ROW = 1 << 20  # the format has no more rows
CHUNK = 256
# What openpyxl and the zip reader raise for files that are not what they should be
DAMAGED = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, SyntaxError, OSError, EOFError,
           RuntimeError, AssertionError, zipfile.BadZipFile, zlib.error)
Cells = Sequence[Any]


@dataclass(slots=True)
class _Odd:
    """Columns in which a cell was something else than text."""

    numbers: dict[str, None] = field(default_factory=dict)
    dates: dict[str, None] = field(default_factory=dict)


def from_xlsx(written: str, path: Path) -> Iterator[Row | Finding]:
    """Every row of a workbook's first visible sheet under the names of its first row that is not blank.

    Raises Misuse where openpyxl is missing.
    """
    found = _bomb(written, path)
    if found:
        yield found
        return
    opened = _open(written, path, values=True)
    if isinstance(opened, Finding):
        yield opened
        return
    sheet = _first_shown(opened)
    if sheet is None:
        yield Finding("error", "data.empty", "the workbook has no sheet that is shown", f"{written}:1",
                      "put the rows into a sheet")
        return
    others = [each.title for each in opened.worksheets if each is not sheet]
    if others:
        yield Finding("note", "data.sheets", f"the sheet {quoted(sheet.title)} is read, not {listed(others)}",
                      f"{written}:1", "save another sheet as a file of its own if it belongs to the data")
    yield from _rows(written, _beside_formulas(written, path, sheet))


def _bomb(written: str, path: Path) -> Finding | None:
    """The finding for an archive that is none, or whose parts would fill the memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except DAMAGED as error:
        return _damaged(written, 1, error)
    for part in parts:
        limit = SHEET_BYTES if "worksheets/" in part.filename else OTHER_BYTES
        dense = part.file_size > BOMB_BYTES and part.file_size > BOMB_RATIO * max(1, part.compress_size)
        if part.file_size > limit or dense:
            return Finding("error", "data.too_large", f"the part {quoted(part.filename)} of the workbook unpacks to "
                           f"{part.file_size:,} bytes", f"{written}:1", "save the rows as CSV or Parquet")
    return None


def _open(written: str, path: Path, *, values: bool) -> Any:
    """The workbook, with the values or with the formulas of its cells; or the finding that says what is wrong."""
    try:
        import openpyxl
    except ImportError as error:
        raise Misuse("data.no_xlsx", "reading XLSX needs the package `openpyxl`", written,
                     "pip install 'tunesmith[tables]'") from error
    try:
        with warnings.catch_warnings():  # of parts that nobody reads here
            warnings.simplefilter("ignore")
            return openpyxl.load_workbook(path, read_only=True, data_only=values, keep_links=False)
    except DAMAGED as error:
        return _damaged(written, 1, error)


def _first_shown(workbook: Any) -> Any:
    return next((sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"), None)


def _beside_formulas(written: str, path: Path, sheet: Any) -> Iterator[tuple[Cells, Cells] | Finding]:
    """Each row's cells with their values, and the same cells with their formulas where the workbook has any."""
    values = _guarded(written, sheet)
    if not _has_formulas(path):
        yield from ((row, ()) if not isinstance(row, Finding) else row for row in values)
        return
    second = _open(written, path, values=False)
    formulas = [second] if isinstance(second, Finding) else _guarded(written, _first_shown(second))
    for row, beside in zip(values, chain(formulas, repeat(())), strict=False):
        yield row if isinstance(row, Finding) else (row, () if isinstance(beside, Finding) else beside)


def _has_formulas(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if "worksheets/" in name and name.endswith(".xml"):
                try:
                    with archive.open(name) as part:
                        before = b""
                        while piece := part.read(1 << 20):
                            if b"<f" in before + piece or b":f>" in before + piece:
                                return True
                            before = piece[-3:]
                except DAMAGED:
                    return False  # whoever reads the cells says so
    return False


def _guarded(written: str, sheet: Any) -> Iterator[Cells | Finding]:
    """The sheet's rows from the first on, empty ones too; a finding ends them where they cannot be read."""
    sheet.reset_dimensions()  # what a file says of its own size would be believed
    cells, number = iter(sheet.iter_rows()), 0
    while True:
        chunk, finding = _chunk(written, cells, number)
        yield from chunk
        number += len(chunk)
        if finding:
            yield finding
        if finding or len(chunk) < CHUNK:
            return


def _chunk(written: str, cells: Iterator[Cells], number: int) -> tuple[list[Cells], Finding | None]:
    chunk: list[Cells] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for row in cells:
                chunk.append(row)
                if len(chunk) == CHUNK:
                    break
        except DAMAGED as error:
            return chunk, _damaged(written, number + len(chunk) + 1, error)
    if number + len(chunk) > LAST_ROW:
        return [], _damaged(written, LAST_ROW, ValueError(f"a row has a number above {LAST_ROW:,}"))
    return chunk, None


def _damaged(written: str, number: int, error: Exception) -> Finding:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return Finding("error", "data.cut_short", f"the workbook cannot be read on from here: {reason}",
                   f"{written}:{number}", "fetch the file again, or save it anew: it is cut short or damaged")


def _rows(written: str, records: Iterable[tuple[Cells, Cells] | Finding]) -> Iterator[Row | Finding]:
    """Cells as text under the names of the header, the first row that is not blank."""
    header: list[str] = []
    odd = _Odd()
    for number, record in enumerate(records, 1):
        if isinstance(record, Finding):
            yield record
            continue
        where = f"{written}:{number}"
        cells, formulas = record
        texts = [_text(cell.value) for cell in cells]
        while texts and not texts[-1] and not _formula(formulas, len(texts) - 1):
            texts.pop()
        found = _wrong(cells[:len(texts)], formulas, where) or wrong_characters(texts, where)
        if not texts:
            continue
        if found:
            yield found
            if not header:
                return  # or the next row would be taken for the names
        elif not header:
            header = [text.strip() or f"column {place}" for place, text in enumerate(texts, 1)]
            yield from _doubled(header, where)
        elif len(texts) > len(header):
            yield Finding("error", "data.cells", f"the row has {len(texts)} cells, the header {len(header)}", where,
                          "give every column a name in the first row, or empty the cells beside the table")
        elif sum(map(len, texts)) > ROW_BYTES:
            yield too_large(where)
        else:
            _count(cells, header, odd)
            yield Row(dict(zip(header, texts + [""] * (len(header) - len(texts)), strict=True)), where)
    yield from _told(odd, written)


def _text(value: Any) -> str:
    """What a CSV of the sheet would hold."""
    if value is None:
        return ""
    if isinstance(value, str):
        from openpyxl.utils.escape import unescape

        return str(unescape(value)) if "_x" in value else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _formula(formulas: Cells, place: int) -> str:
    """The formula of a cell, "" where it has none."""
    if place >= len(formulas) or formulas[place].data_type != "f":
        return ""
    value = formulas[place].value
    return value if isinstance(value, str) else "={…}"


def _wrong(cells: Cells, formulas: Cells, where: str) -> Finding | None:
    """The finding for a row with a formula that has no value, or with a cell that says #REF! or the like."""
    for place, cell in enumerate(cells):
        formula = _formula(formulas, place)
        if formula and cell.value is None:
            return Finding("error", "data.formula", f"column {place + 1} holds the formula {quoted(formula)}, and the "
                           "file holds no value of it", where,
                           "open the file in a spreadsheet program and save it, or paste the values over the formulas")
        if cell.value is not None and cell.data_type == "e":
            return Finding("error", "data.cell_error", f"column {place + 1} holds the error `{cell.value}`", where,
                           "mend the formula, or empty the cell")
    return None


def _doubled(header: list[str], where: str) -> Iterator[Finding]:
    for name in sorted({name for name in header if header.count(name) > 1}):
        yield Finding("error", "data.doubled_column", f"the header names the column {quoted(name)} twice", where,
                      "give each column a name of its own")


def _count(cells: Cells, header: list[str], odd: _Odd) -> None:
    for name, cell in zip(header, cells, strict=False):
        if isinstance(cell.value, int | float) and not isinstance(cell.value, bool):
            odd.numbers[name] = None
        elif isinstance(cell.value, date | time | timedelta):
            odd.dates[name] = None


def _told(odd: _Odd, written: str) -> Iterator[Finding]:
    if odd.numbers:
        yield Finding("note", "data.read_as_text", f"numbers are read as text, without their format (25% is 0.25), in: "
                      f"{listed(odd.numbers)}", f"{written}:1")
    if odd.dates:
        yield Finding("note", "data.read_as_text", f"dates and times are read as text (2026-11-21) in: "
                      f"{listed(odd.dates)}", f"{written}:1")
