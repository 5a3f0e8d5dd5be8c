"""Rows from Parquet, a few at a time, so that a large file needs little memory; a row's place is its number from 1.

Source: the Apache Parquet format, as pyarrow reads it. Columns of bytes (images, sounds) are left out and named, dates
and decimals become text, and a field that is null inside a nested object counts as missing: Parquet gives every object
of a list the fields of all others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from ..errors import Misuse
from ..records import Finding, Row
from .json_lines import DEPTH, every_text
from .lines import ROW_BYTES, too_large, wrong_characters
from .quoting import listed, quoted

BATCH_ROWS = 64
BUFFER_BYTES = 1 << 20


@dataclass(slots=True)
class _Odd:
    """Columns in which something was read as something else."""

    numbers: dict[str, None] = field(default_factory=dict)
    others: dict[str, None] = field(default_factory=dict)


def from_parquet(written: str, path: Path) -> Iterator[Row | Finding]:
    """Every row of a Parquet file, and findings for what could not be read as a row.

    Raises Misuse where pyarrow is missing.
    """
    parquet, faults = _library(written)
    number, odd = 0, _Odd()
    try:
        with parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False,
                                 page_checksum_verification=True) as file:
            columns, found = _columns(file.schema_arrow, written)
            yield from found
            for batch in file.iter_batches(BATCH_ROWS, columns=columns) if columns else ():
                for one in _values(batch):
                    number += 1
                    where = f"{written}:{number}"
                    yield _unreadable(one, where) if isinstance(one, Exception) else _row(one, where, odd)
    except faults as error:
        yield Finding("error", "data.cut_short", f"the file cannot be read on from here: {_short(error)}",
                      f"{written}:{number + 1}", "fetch the file again: it is cut short or damaged")
    yield from _told(odd, written)


def _library(written: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """The reader of Parquet, and what it raises for damaged files."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise Misuse("data.no_parquet", "reading Parquet needs the package `pyarrow`", written,
                     "pip install 'tunesmith[tables]'") from error
    # ArrowMemoryError is no ArrowException: a damaged length asks for more memory than there is
    return parquet, (pyarrow.ArrowException, pyarrow.ArrowMemoryError, OSError, ValueError, OverflowError)


def _columns(schema: Any, written: str) -> tuple[list[str], list[Finding]]:
    """The columns that can be rows' fields, and what is said of the others."""
    names = list(schema.names)
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        return [], [Finding("error", "data.doubled_column", f"the file names the column {quoted(name)} twice",
                            f"{written}:1", "give each column a name of its own") for name in doubled]
    deep = [column.name for column in schema if _depth_exceeds(column.type, DEPTH)]
    if deep:
        return [], [Finding("error", "data.too_deep", f"columns nest deeper than {DEPTH} levels: {listed(deep)}",
                            f"{written}:1", "flatten them")]
    of_bytes = [column.name for column in schema if _holds_bytes(column.type)]
    findings = [Finding("note", "data.bytes", f"columns of bytes are not read: {listed(of_bytes)}", f"{written}:1")]
    return [name for name in names if name not in of_bytes], findings if of_bytes else []


def _inner(kind: Any) -> list[Any]:
    """The types directly inside a nested type."""
    return [kind.field(number).type for number in range(kind.num_fields)]


def _depth_exceeds(kind: Any, limit: int) -> bool:
    level = [kind]
    for _ in range(limit):
        level = [inner for each in level for inner in _inner(each)]
        if not level:
            return False
    return True


def _holds_bytes(kind: Any) -> bool:
    """Whether a type is of bytes, or has such a part."""
    inner = _inner(kind)
    return any(map(_holds_bytes, inner)) if inner else "binary" in str(kind)


def _values(batch: Any) -> Iterator[dict[str, Any] | Exception]:
    """The rows of a batch; where one of them is no Python value (text that is no UTF-8), its error in its place."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        for number in range(batch.num_rows):
            try:
                yield batch.slice(number, 1).to_pylist()[0]
            except (ValueError, OverflowError) as error:
                yield error


def _unreadable(error: Exception, where: str) -> Finding:
    if isinstance(error, UnicodeDecodeError):
        return Finding("error", "data.encoding", "the row is not valid UTF-8", where, "write the text as UTF-8")
    return Finding("error", "data.value", f"the row holds a value that cannot be read: {_short(error)}", where,
                   "write it as text")


def _row(values: dict[str, Any], where: str, odd: _Odd) -> Row | Finding:
    plain = {name: _plain(value, name, odd) for name, value in values.items()}
    texts = list(every_text(plain))
    if any("\x00" in text for text in texts):  # halves of surrogate pairs are no UTF-8, and never come this far
        return wrong_characters(texts, where) or Row(plain, where)
    return too_large(where) if sum(map(len, texts)) > ROW_BYTES else Row(plain, where)


def _plain(value: Any, column: str, odd: _Odd) -> Any:
    """The value as JSON knows it; a number that is none becomes null."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        odd.numbers[column] = None
        return None
    if isinstance(value, list | tuple):
        return [_plain(one, column, odd) for one in value]
    if isinstance(value, dict):
        inner = {name: _plain(one, column, odd) for name, one in value.items()}
        return {name: one for name, one in inner.items() if one is not None}
    odd.others[column] = None
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)


def _told(odd: _Odd, written: str) -> Iterator[Finding]:
    if odd.numbers:
        yield Finding("note", "data.nan_as_null", f"numbers that are none (NaN, infinite) are read as null in: "
                      f"{listed(odd.numbers)}", f"{written}:1")
    if odd.others:
        yield Finding("note", "data.read_as_text", f"dates, decimals and the like are read as text in: "
                      f"{listed(odd.others)}", f"{written}:1")


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
