"""Rows of a file, one after the other, each with the file and line where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from ..errors import Misuse
from ..records import Finding, Row
from . import blocks, json_lines, nested, paragraphs, parquet, tables, workbooks
from .files import find, locate
from .header import Header
from .kinds import BLOCKS, PLAIN, suffix
from .lines import Line, beginning, head, lines
from .signatures import contradiction

LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Way:
    """How files are to be read, as far as somebody says it; by the files where nobody does.

    header: as `data.header`; by: as the format reads them; plain text is `texts`, files in twos are `aligned`, and
    column files or plain text `words`, where tags are only to be predicted.
    """

    header: Header = None
    by: Literal["", "records", "blocks", "whole", "texts", "aligned", "words"] = ""


BY_ITSELF = Way()


def rows(path: str | Path, *, base_folder: Path = Path(), way: Way = BY_ITSELF) -> Iterator[Row | Finding]:
    """Every row of one file, and in their places findings for what could not be read as a row.

    The kind of the file is told by its name (.jsonl, .ndjson, .json, .csv, .tsv, .txt, .md, .conll and others of its
    kind; each also with .gz; .parquet, .xlsx, .xlsm), that of text by its first lines too; `where` names the file as
    `path` does, and counts rows where a file has no lines. Raises Misuse for what is missing or no readable file, and
    where the package is missing that reads it.
    """
    for written in find(str(path), base_folder)[0]:
        yield from _told(written, _rows(written, locate(written, base_folder), way))


def aligned(files: Sequence[str], base_folder: Path) -> Iterator[Row | Finding]:
    """The rows of files in twos, of which one has words on its lines and the other as many tags.

    Raises Misuse for a file without another.
    """
    if len(files) % 2:
        raise Misuse("data.unaligned", f"{len(files)} files cannot be read in twos, as `aligned: true` says", files[-1],
                     "name a file with words and one with tags, one after the other")
    for pair in zip(files[::2], files[1::2], strict=True):
        words, tags = reversed(pair) if are_aligned(pair[1], pair[0], base_folder) else pair
        found = blocks.from_aligned((words, lines(words, locate(words, base_folder))),
                                    (tags, lines(tags, locate(tags, base_folder))))
        yield from _told(words, found)


def are_aligned(words: str, tags: str, base_folder: Path) -> bool:
    """Whether two text files begin like words on lines and a tag for each of them."""
    if {suffix(words), suffix(tags)} - set(PLAIN):
        return False
    return blocks.are_aligned(_begun(words, locate(words, base_folder)), _begun(tags, locate(tags, base_folder)))


def _told(written: str, found: Iterator[Row | Finding]) -> Iterator[Row | Finding]:
    """What was found, and an error where that is nothing."""
    count = broken = 0
    for each in found:
        count += isinstance(each, Row)
        broken += isinstance(each, Finding) and each.severity == "error"
        yield each
    if not count and not broken:
        yield Finding("error", "data.empty", "the file holds no rows", f"{written}:1",
                      "put rows into the file, or take it out of the recipe's `data`")


def _rows(written: str, path: Path, way: Way) -> Iterator[Row | Finding]:
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
        return tables.from_csv(written, opened, way.header)
    if kind in (".tsv", *PLAIN, *BLOCKS):
        return _of_text(written, path, way, kind)
    if nested.is_nested(beginning(path)):
        return nested.from_squad(written, opened)
    if json_lines.opens_array(head(path), one_a_line=kind != ".json"):
        return json_lines.from_array(written, lines(written, path, json_lines.ARRAY_BYTES))
    return json_lines.from_lines(written, opened())


def _of_text(written: str, path: Path, way: Way, kind: str) -> Iterator[Row | Finding]:
    """The rows of a file whose name does not say all: a table, blocks of lines, or texts."""
    def opened() -> Iterator[Line | Finding]:
        return lines(written, path)

    begun = [] if way.by in ("blocks", "texts") else _begun(written, path)
    if way.by == "aligned":
        return blocks.from_words(written, opened())
    if kind in BLOCKS or _by_columns(begun, way):
        return blocks.from_blocks(written, opened())
    if kind == ".tsv":
        return tables.from_tsv(written, opened, way.header)
    if kind in PLAIN and tables.is_tsv(begun):
        return _as_table(written, tables.from_tsv(written, opened, way.header))
    return paragraphs.from_text(written, opened)


def _by_columns(begun: Sequence[str], way: Way) -> bool:
    """Whether lines are those of a column file: as it is said, or by the beginning of them."""
    return way.by == "blocks" or (way.by in ("", "words") and blocks.are_blocks(begun)) or (
        way.by == "words" and blocks.are_single(begun))


def piped(written: str, source: Iterator[Line | Finding], way: Way) -> Iterator[Row | Finding]:
    """Rows of lines that come once: JSON, or what the way says, or what the first of them look like."""
    held = list(islice(source, 1 if way.by in ("texts", "aligned") else LOOKED_AT))
    begun = [line.text for line in held if isinstance(line, Line)]
    every = chain(held, source)
    if next((text for text in begun if text.strip()), "").lstrip().startswith("{"):
        return json_lines.from_lines(written, every)
    if way.by == "aligned":
        return blocks.from_words(written, every)
    if _by_columns(begun, way):
        return blocks.from_blocks(written, every)
    if way.by != "texts" and tables.is_tsv(begun):
        return tables.from_pipe(written, every, way.header)
    return paragraphs.from_lines(written, every)


def _as_table(written: str, found: Iterator[Row | Finding]) -> Iterator[Row | Finding]:
    yield Finding("note", "data.unit", "the file is read as a table, because all its lines have as many tabs",
                  f"{written}:1", "set `data.format` to `text` if each line is a text")
    yield from found


def _begun(written: str, path: Path) -> list[str]:
    return [line.text for line in islice(lines(written, path), LOOKED_AT) if isinstance(line, Line)]
