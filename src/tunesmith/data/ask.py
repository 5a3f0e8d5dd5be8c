"""Rows that are to be predicted: read as they come, each an example that may lack its answer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from ..catalog import names
from ..errors import Misuse, Problem, Problems, Refusal
from ..reading.header import LOOKED_AT, Header
from ..reading.lines import of_file
from ..reading.naming import is_unnamed
from ..reading.read import Way, piped
from ..reading.read import rows as rows_of
from ..recipe import Section
from ..records import Example, Finding, Row
from . import columns as naming
from .guess import of_unnamed
from .ledger import from_problem
from .load import way
from .recognise import module_of

STDIN = "-"
_USUAL = ("pair", "labelled", "conll", "question", "text")  # whose refusal is told where a row is of no format


def asked(
    given: Iterable[Row | Finding] | str, format: Section | None, columns: Mapping[str, str], *,
    takes: tuple[type[Example], ...], header: Header = None,
) -> Iterator[Example | Finding]:
    """An example for each row, or in its place the finding that says what is wrong with it.

    given: rows, a file's name, or `-` for stdin: JSON lines, or lines as the format has them; format, columns, header:
    as the run's recipe has them. Where it names no format, each row is read in the first that makes what the task takes
    of it. Rows are not held, but for the beginning of a table without a header, whose columns are told by it.
    """
    found = iter(_rows(given, _way(format, header)) if isinstance(given, str) else given)
    columns, found = _named(columns, found) if format is None and not columns else (columns, found)
    for each in found:
        if isinstance(each, Finding):
            yield each
            continue
        try:
            yield from _examples(naming.renamed(each, columns), format, takes)
        except Misuse:  # the recipe's, and no row's
            raise
        except (Problem, Problems) as error:
            yield _one(list(from_problem(error)))


def _one(findings: list[Finding]) -> Finding:
    """One finding for all that is wrong with a row, which has one place among the others."""
    first = findings[0]
    return Finding(first.severity, first.kind, "; ".join(each.what for each in findings), first.where, first.remedy)


def _way(format: Section | None, header: Header) -> Way:
    """As the rows to learn from are read; but words may come as texts, without their tags."""
    found = way(format, header)
    return Way(header, "words") if found.by == "blocks" else found


def _rows(name: str, way: Way) -> Iterator[Row | Finding]:
    if name != STDIN:
        return rows_of(name, way=way)
    return piped("stdin", of_file("stdin", cast(BufferedReader, sys.stdin.buffer)), way)


def _named(
    columns: Mapping[str, str], found: Iterator[Row | Finding]
) -> tuple[Mapping[str, str], Iterator[Row | Finding]]:
    """The columns of a table without a header by what they hold, and all of its rows; others are not looked at."""
    held: list[Row | Finding] = []
    for each in found:
        held.append(each)
        if isinstance(each, Row):
            break
    first = held[-1] if held else None
    if isinstance(first, Row) and is_unnamed(first.values):
        held += islice(found, LOOKED_AT)
        sample = [each for each in held if isinstance(each, Row)]
        guess = of_unnamed(sample, Path())
        columns = guess.columns if guess else columns
    return columns, chain(held, found)


def _examples(row: Row, format: Section | None, takes: tuple[type[Example], ...]) -> Iterable[Example]:
    """What a format makes of a row. Raises what the likeliest refuses it with, where none takes it."""
    if format is not None:
        return _of(format.module, row, format.settings)
    known = {name: module_of(name) for name in names("format")}
    answered = {"output": "", **row.values}  # as the row would look with an answer
    fitting = sorted((name for name, module in known.items() if issubclass(module.makes, takes)),
                     key=lambda name: (not known[name].looks_like(answered), name not in _USUAL))
    wrong: Problem | Problems | None = None
    for name in fitting:
        try:
            return _of(known[name], row, known[name].Settings())
        except (Problem, Problems) as error:
            wrong = wrong or error
    raise wrong or Refusal("data.format_unknown", "no format is known for what the run takes", row.where,
                           "name the format in `data.format`")


def _of(module: ModuleType, row: Row, settings: Any) -> Iterable[Example]:
    found: Iterable[Example] = module.convert(row, settings, answered=False)
    return found
