"""Which format rows have: the one that claims most rows of a sample."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ..catalog import names
from ..reading.files import locate
from ..reading.naming import LABELS, first
from ..reading.quoting import LONGEST, listed
from ..reading.read import are_aligned
from ..recipe import Section
from ..records import Finding, Row
from . import columns as naming
from .guess import Guess, label_settings, of_text, of_unnamed

STANDING = 0.9  # of answers in their contexts, at least, for rows that are read as questions


def shape(fields: Mapping[str, Any]) -> str | None:
    """The name of the format that claims such a row; None where none does."""
    return next((name for name in names("format") if module_of(name).looks_like(fields)), None)


@dataclass(frozen=True, slots=True)
class Recognised:
    """A format with its options; the columns that were guessed, as `data.columns` would name them; what was decided."""

    section: Section
    columns: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def recognise(sample: Sequence[Row], columns: Mapping[str, str], base_folder: Path) -> Recognised | None:
    """The format of most rows, by the names of their columns, and where these do not tell, by what they hold.

    columns: as `data.columns` has them. None where nothing can be told.
    """
    ours = [naming.renamed(row, columns) for row in sample]
    counts = Counter(name for name in (shape(row.values) for row in ours) if name)
    name = counts.most_common(1)[0][0] if counts else ""
    if not sample:
        return None
    where = sample[0].where
    folder = locate(where.rpartition(":")[0], base_folder).parent
    if name == "question":
        return _question(ours, columns)
    guess = Guess(name) if name else None
    if not name and not columns:
        guess = of_unnamed(sample, folder)
    elif name == "text" and "label" not in columns:
        guess = of_text(ours) or guess
    if guess is None:
        return None
    settings = dict(guess.settings)
    if name == "labelled":
        settings = label_settings([row.values.get(_label(row)) for row in ours], folder)
    module = module_of(guess.format)
    section = Section(guess.format, module.Settings(**settings), module)
    return Recognised(section, guess.columns, tuple(_decided(guess, settings, where)))


def _label(row: Row) -> str:
    return first(row.values, LABELS) or ""


def _decided(guess: Guess, settings: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """What was guessed, and the lines of a recipe that would say it."""
    if guess.columns:
        read = ", ".join(f"`{column}` as the {name}" for name, column in guess.columns.items())
        yield Finding("warning", "data.guessed", f"by what the columns hold, {read}: read as `{guess.format}`", where,
                      f"write `{naming.line(guess.columns)}` if that is right, or which column is which")
    if settings:
        told = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items())
        yield Finding("note", "data.labels", f"the labels are read with `{told}`", where,
                      f"write `data: {{format: {{type: {guess.format}, {told}}}}}` to say so")


def _question(ours: Sequence[Row], columns: Mapping[str, str]) -> Recognised:
    """Questions with a context: to be found there if nine answers of ten stand there, else to be written."""
    module = module_of("question")
    asked = [row for row in ours if module.looks_like(row.values)]
    found = sum(module.stands(row.values) for row in asked)
    to = "extract" if found >= STANDING * len(asked) and not columns.get("context") else "chat"
    section = Section("question", module.Settings(to=to), module)
    if columns.get("context"):
        return Recognised(section)
    what = "they are questions to `extract` answers for" if to == "extract" else \
        "it is put before the prompt, for `chat`"
    other = "chat" if to == "extract" else "extract"
    return Recognised(section, findings=(Finding(
        "note", "data.to", f"{found} of {len(asked)} rows with a `context` have their answer in it, so {what}",
        asked[0].where, f"set `data.format` to `{{type: question, to: {other}}}` for the other"),))


def recognise_files(files: Sequence[str], base_folder: Path) -> Section | None:
    """The format of two text files of which one has tags for the words of the other; None for others."""
    if len(files) != 2 or not (are_aligned(files[0], files[1], base_folder)
                               or are_aligned(files[1], files[0], base_folder)):
        return None
    module = module_of("conll")
    return Section("conll", module.Settings(aligned=True), module)


def not_recognised(sample: Sequence[Row], seen: Sequence[str]) -> Finding:
    """The finding that names the columns, and the line that says what they are."""
    proposed = proposal(sample, seen)
    if any(name.isdigit() or len(name) > LONGEST for name in seen):
        remedy = "put a line with the names of the columns at the top of the file, or set `data.header` to a list of " \
            "names, if it has none"
    elif proposed:
        remedy = f"say which column is which, for instance `{naming.line(proposed)}`"
    else:
        remedy = "name the format in `data.format`"
    return Finding("error", "data.format_unknown", f"no format is recognised by these columns: {listed(seen)}",
                   sample[0].where, f"{remedy}; the formats are {', '.join(names('format'))}")


def proposal(sample: Sequence[Row], seen: Sequence[str]) -> Mapping[str, str]:
    """What `data.columns` could say, so that a format knows these columns."""
    return _spelt_otherwise(seen) or naming.proposed(sample)


def _spelt_otherwise(seen: Sequence[str]) -> Mapping[str, str]:
    """The mapping for columns that a format knows but for capitals: `Instruction` and `Output`; empty for others."""
    known = {name.strip().casefold(): name for name in seen}
    found = shape(known)
    if not found:
        return {}
    module = module_of(found)
    return {field: known[field] for field in module.columns(known, module.Settings()) if known[field] != field}


def module_of(name: str) -> ModuleType:
    """The file of that name in the folder of formats."""
    # catalog.load is the recipe's alone; this room opens its own folder, because a format may be left unnamed
    return importlib.import_module(f".formats.{name}", __package__)
