"""Rows of a file, one after the other, each with the file and line where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..records import Finding, Row
from . import json_lines, paragraphs, parquet, tables, workbooks
from .files import find, locate
from .kinds import suffix
from .lines import Line, head, lines
from .signatures import contradiction


def rows(path: str | Path, *, base_folder: Path = Path()) -> Iterator[Row | Finding]:
    """Every row of one file, and in their places findings for what could not be read as a row.

    The kind of the file is told by its name (.jsonl, .ndjson, .json, .csv, .tsv, .txt, .md; each also with .gz;
    .parquet, .xlsx, .xlsm); `where` names the file as `path` does, and counts rows where a file has no lines. Raises
    Misuse for what is missing or no readable file, and where the package is missing that reads it.
    """
    for written in find(str(path), base_folder)[0]:
        count = broken = 0
        for found in _rows(written, locate(written, base_folder)):
            count += isinstance(found, Row)
            broken += isinstance(found, Finding) and found.severity == "error"
            yield found
        if not count and not broken:
            yield Finding("error", "data.empty", "the file holds no rows", f"{written}:1",
                          "put rows into the file, or take it out of the recipe's `data`")


def _rows(written: str, path: Path) -> Iterator[Row | Finding]:
    def opened() -> Iterator[Line | Finding]:
        return lines(written, path)

    kind = suffix(written)
    found = contradiction(written, path, kind)
    if found:
        return iter([found])
    if kind == ".parquet":
        return parquet.from_parquet(written, path)
    if kind in (".xlsx", ".xlsm"):
        return workbooks.from_xlsx(written, path)
    if kind == ".csv":
        return tables.from_csv(written, opened)
    if kind == ".tsv":
        return tables.from_tsv(written, opened)
    if kind in (".txt", ".md"):
        return paragraphs.from_text(written, opened)
    if json_lines.opens_array(head(path), one_a_line=kind != ".json"):
        return json_lines.from_array(written, lines(written, path, json_lines.ARRAY_BYTES))
    return json_lines.from_lines(written, opened())
