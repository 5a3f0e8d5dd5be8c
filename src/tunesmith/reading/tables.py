"""Rows from CSV and TSV: a header names the columns; a row whose cells span lines keeps the line it starts on.

A table without one has `column 1`, `column 2` and so on.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from ..records import Finding, Row
from .header import LOOKED_AT, Header, named, names_columns
from .lines import ROW_BYTES, Line, flaw
from .quoting import quoted

Lines = Iterable[Line | Finding]


@dataclass(frozen=True, slots=True)
class _Dialect:
    delimiter: str
    quoting: bool


@dataclass(frozen=True, slots=True)
class _Cells:
    """One row of cells, and how many lines it spans from `number` on."""

    cells: list[str]
    number: int
    span: int


@dataclass(slots=True)
class _Feed:
    """Lines for the csv module: remembers those of the current row, so that they can be read again."""

    source: Iterator[Line | Finding]
    used: list[Line] = field(default_factory=list)
    again: deque[Line] = field(default_factory=deque)
    findings: list[Finding] = field(default_factory=list)
    size: int = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.size > ROW_BYTES:  # to csv this is the end of the file, which it reports where a quote is open
            raise StopIteration
        line = self.again.popleft() if self.again else next(self.source)
        while isinstance(line, Finding):
            self.findings.append(line)
            line = next(self.source)
        self.used.append(line)
        self.size += len(line.text)
        return line.text + "\n"

    def begin_row(self) -> None:
        self.used, self.size = [], 0

    def reread_all_but_first(self) -> None:
        self.again.extendleft(reversed(self.used[1:]))

    def told(self) -> list[Finding]:
        told, self.findings = self.findings, []
        return told


def from_csv(written: str, opened: Callable[[], Lines], header: Header = None) -> Iterator[Row | Finding]:
    """Rows of a CSV file; semicolons or tabs are taken for commas where the header has no comma."""
    first = next((line.text for line in opened() if isinstance(line, Line) and line.text.strip()), "")
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    if delimiter != ",":
        yield Finding("note", "data.delimiter", f"the cells are separated by {delimiter!r}, not by commas",
                      f"{written}:1")
    yield from _rows(written, _records(written, opened(), _Dialect(delimiter, quoting=True)), header)


def from_tsv(written: str, opened: Callable[[], Lines], header: Header = None) -> Iterator[Row | Finding]:
    """Rows of a TSV file; quotes are plain characters where they do not balance, so that no row is swallowed."""
    quoted = _Dialect("\t", quoting=True)
    balanced = _balanced(_records(written, opened(), quoted))
    if not balanced:
        yield Finding("note", "data.quotes", "quotes do not balance, so they are read as plain characters",
                      f"{written}:1")
    dialect = quoted if balanced else _Dialect("\t", quoting=False)
    yield from _rows(written, _records(written, opened(), dialect), header)


def from_pipe(written: str, lines: Lines, header: Header = None) -> Iterator[Row | Finding]:
    """Rows of lines with tabs that come once, so that quotes cannot be looked at first: they are plain characters."""
    yield from _rows(written, _records(written, lines, _Dialect("\t", quoting=False)), header)


def is_tsv(texts: Sequence[str]) -> bool:
    """Whether a text file begins like a table: several lines, none of them blank, with as many tabs each."""
    tabs = {text.count("\t") for text in texts}
    return len(texts) > 1 and len(tabs) == 1 and tabs != {0} and all(text.strip() for text in texts)


def _balanced(records: Iterable[_Cells | Finding]) -> bool:
    """Whether quotes can be read as quotes: none is left open, rows over several lines are as wide as others."""
    width = 0
    for record in records:
        if isinstance(record, Finding):
            if record.kind == "data.csv":
                return False
            continue
        width = width or len(record.cells)
        if record.span > 1 and len(record.cells) != width:
            return False
    return True


def _records(written: str, lines: Lines, dialect: _Dialect) -> Iterator[_Cells | Finding]:
    csv.field_size_limit(ROW_BYTES)  # the module's own limit, 128 KiB, is below long documents
    feed = _Feed(iter(lines))
    reader = csv.reader(feed, delimiter=dialect.delimiter, strict=True,
                        quoting=csv.QUOTE_MINIMAL if dialect.quoting else csv.QUOTE_NONE)
    while True:
        feed.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            yield from feed.told()
            return
        except csv.Error as error:
            yield from feed.told()
            yield _broken(written, feed.used[0].number, error)
            feed.reread_all_but_first()
            continue
        yield from feed.told()
        if cells:
            yield _Cells(cells, feed.used[0].number, len(feed.used))


def _broken(written: str, number: int, error: csv.Error) -> Finding:
    if "unexpected end" in str(error):
        what, remedy = "a quote is opened in this row and never closed", 'close the quote, or write it twice ("")'
    else:
        what, remedy = f"broken row: {error}", 'put quotes around the whole cell, and write quotes inside it twice ("")'
    return Finding("error", "data.csv", what, f"{written}:{number}", remedy)


def _rows(written: str, records: Iterable[_Cells | Finding], said: Header) -> Iterator[Row | Finding]:
    """Cells under the names of the header, the first row that is not blank, or under those that were said."""
    source = iter(records)
    held = list(islice(source, LOOKED_AT))
    cells = [record.cells for record in held if isinstance(record, _Cells)]
    has = said if isinstance(said, bool) else said is None and (not cells or names_columns(cells[0], cells[1:]))
    header = list(said) if isinstance(said, tuple) else named(len(cells[0])) if cells and not has else []
    if said is None and not has:
        yield _unnamed(written, header)
    for record in chain(held, source):
        if isinstance(record, Finding):
            yield record
            continue
        where = f"{written}:{record.number}"
        found = flaw("\t".join(record.cells), where)
        if found:
            yield found
        elif not header:
            header = _header(record.cells)
            yield from _doubled(record.cells, where)
        elif len(record.cells) != len(header):
            other = "the header" if has else "the first" if not isinstance(said, tuple) else "`header`"
            yield Finding("error", "data.cells", f"the row has {len(record.cells)} cells, {other} {len(header)}",
                          where, "give every row as many cells as the header; quote cells that hold the separator")
        else:
            yield Row(dict(zip(header, record.cells, strict=True)), where)


def _unnamed(written: str, names: list[str]) -> Finding:
    return Finding("note", "data.header", "the first row does not name the columns, so they are called "
                   f"`{names[0]}` to `{names[-1]}`", f"{written}:1",
                   "set `data.header` to `true` if the first row does, or to a list of names")


def _header(cells: list[str]) -> list[str]:
    return [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]


def _doubled(cells: list[str], where: str) -> Iterator[Finding]:
    names = _header(cells)
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding("error", "data.doubled_column", f"the header names the column {quoted(name)} twice", where,
                      "give each column a name of its own")
