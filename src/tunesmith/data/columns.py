"""`data.columns`: which of the user's columns are our fields, and what becomes of the others.

`{prompt: Sual, answer: Cavab}` reads the field `prompt` from the column `Sual`. An empty name, `{context: ""}`, says
that the rows' column of that name is to be left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..catalog import nearest
from ..reading.quoting import LONGEST, listed, quoted
from ..records import Finding, Row

_PLAIN = re.compile(r"[^\W\d][\w.-]*(?: [\w.-]+)*")
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off"}


def renamed(row: Row, columns: Mapping[str, str]) -> Row:
    """The row with our names for its columns; a column that another one displaces is left out."""
    if not columns:
        return row
    moved = {field: row.values[column] for field, column in columns.items() if column in row.values}
    kept = {
        name: value for name, value in row.values.items()
        if name not in columns.values() and columns.get(name) != "" and name not in moved
    }
    return Row({**moved, **kept}, row.where)


def as_seen(fields: Iterable[str], columns: Mapping[str, str]) -> set[str]:
    """The user's names of our fields."""
    return {columns.get(field) or field for field in fields}


def unknown(
    columns: Mapping[str, str], others: Sequence[tuple[str, str]], seen: Iterable[str], where: str
) -> list[Finding]:
    """A finding for each column that the recipe names and no row has. others: those of further options, with these."""
    have = list(seen)
    named = [(f"data.columns.{field}", column) for field, column in columns.items() if column]
    findings = []
    for option, column in [*named, *others]:
        if column not in have:
            near = nearest(column, have)
            findings.append(Finding(
                "error", "data.unknown_column",
                f"`{option}` names the column {quoted(column)}, which no row has", where,
                f"use {quoted(near)}" if near else f"use one of: {listed(have)}"))
    return findings


def line(columns: Mapping[str, str]) -> str:
    """The mapping as the line that stands in a recipe."""
    return f"data: {{columns: {inside(columns)}}}"


def inside(columns: Mapping[str, str]) -> str:
    """The mapping as YAML."""
    named = ", ".join(f"{field}: {_quoted(column)}" for field, column in columns.items())
    return f"{{{named}}}"


def _quoted(name: str) -> str:
    """A name as YAML reads it as that text."""
    if _PLAIN.fullmatch(name) and name.lower() not in _WORDS_OF_YAML:
        return name
    return json.dumps(name, ensure_ascii=not name.isprintable())


def proposed(sample: Sequence[Row]) -> dict[str, str]:
    """The mapping that would make these rows usable: the two longest columns as a pair, in their order; one as text."""
    lengths: dict[str, int] = {}
    for row in sample:
        for name, value in row.values.items():
            lengths[name] = lengths.get(name, 0) + (len(value) if _is_text(value) else 0)
    names = [name for name, length in lengths.items() if length and len(name) <= LONGEST]
    longest = sorted(names, key=lambda name: -lengths[name])[:2]
    fields = ("prompt", "answer") if len(longest) == 2 else ("text",)
    return dict(zip(fields, sorted(longest, key=names.index), strict=False))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and any(letter.isalpha() for letter in value)
