"""Rows that are to be predicted: read as they come, each an example that may lack its answer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from ..catalog import names
from ..errors import Problem, Problems, Refusal
from ..recipe import Section
from ..records import Example, Finding, Row
from . import columns as naming
from . import json_lines
from .ledger import from_problem
from .lines import Line
from .read import rows as rows_of
from .recognise import module_of

STDIN = "-"


def asked(
    given: Iterable[Row | Finding] | str, format: Section | None, columns: Mapping[str, str], *,
    takes: tuple[type[Example], ...],
) -> Iterator[Example | Finding]:
    """An example for each row, or in its place the finding that says what is wrong with it; nothing is held.

    given: rows, a file's name, or `-` for JSON lines from stdin; format, columns: as the run's recipe has them. Where
    it names no format, each row is read in the first that makes what the task takes of it.
    """
    for found in _rows(given) if isinstance(given, str) else given:
        if isinstance(found, Finding):
            yield found
            continue
        try:
            yield from _examples(naming.renamed(found, columns), format, takes)
        except (Problem, Problems) as error:
            yield from from_problem(error)


def _rows(name: str) -> Iterator[Row | Finding]:
    if name != STDIN:
        return rows_of(name)
    typed = (Line(number, text.decode("utf-8", "surrogateescape").rstrip("\r\n"))
             for number, text in enumerate(sys.stdin.buffer, 1))
    return json_lines.from_lines("stdin", typed)


def _examples(row: Row, format: Section | None, takes: tuple[type[Example], ...]) -> Iterable[Example]:
    """What a format makes of a row. Raises what the last one refuses it with, where none takes it."""
    if format is not None:
        return _of(format.module, row, format.settings)
    wrong: Problem | Problems = Refusal("data.format_unknown", "no format is known for what the run takes", row.where,
                                        "name the format in `data.format`")
    known = [module_of(name) for name in names("format")]
    for module in sorted((module for module in known if issubclass(module.makes, takes)),
                         key=lambda module: not module.looks_like(row.values)):
        try:
            return _of(module, row, module.Settings())
        except (Problem, Problems) as error:
            wrong = error
    raise wrong


def _of(module: ModuleType, row: Row, settings: Any) -> Iterable[Example]:
    found: Iterable[Example] = module.convert(row, settings, answered=False)
    return found
