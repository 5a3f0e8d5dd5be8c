"""Which format rows have: the one that claims most rows of a sample."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ..catalog import names
from ..recipe import Section
from ..records import Finding, Row
from . import columns as naming
from .quoting import LONGEST, listed
from .read import are_aligned


def shape(fields: Mapping[str, Any]) -> str | None:
    """The name of the format that claims such a row; None where none does."""
    return next((name for name in names("format") if module_of(name).looks_like(fields)), None)


def recognise(sample: Sequence[Row]) -> Section | None:
    """The format that claims most of these rows, with its settings at their defaults; None where none claims any."""
    counts = Counter(name for name in (shape(row.values) for row in sample) if name)
    if not counts:
        return None
    name = counts.most_common(1)[0][0]
    module = module_of(name)
    return Section(name, module.Settings(), module)


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
