"""What columns hold, told by their values where their names do not say it, and never without a word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..reading.naming import FROM_ROW, OFTEN_LABELS, is_unnamed
from ..records import Row

SEPARATORS = (",", ";", "|")
NAMES = ("labels.txt", "classes.txt", "label_names.txt", "emotions.txt")
_LABEL_LETTERS = 40
_FEW = 4  # rows for each value, at least, of a column whose name alone does not say that it is a label
_ID = re.compile(r"(?=.*\d)[\w.:/#-]*")


@dataclass(frozen=True, slots=True)
class Guess:
    """A format, its options, and which column is which; `columns` is the mapping that would say so."""

    format: str
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def of_unnamed(sample: Sequence[Row], folder: Path) -> Guess | None:
    """What a table without a header holds: a text or two and a label, a pair of texts, or a text; None if unclear."""
    if not sample or not is_unnamed(sample[0].values):
        return None
    names = [name for name in sample[0].values if name != FROM_ROW]
    values = {name: [row.values.get(name) for row in sample] for name in names}
    texts = {name: [value for value in found if isinstance(value, str)] for name, found in values.items()}
    if any(len(texts[name]) < len(sample) for name in names):
        return None
    parted = {name: _parted(texts[name]) for name in names}
    labels = [name for name in names if _is_label(parted[name][1], rows=len(sample))]
    label = min(labels, key=lambda name: len(set(parted[name][1])), default=None)
    rest = [name for name in names if name not in labels and _is_text(texts[name])]
    if label is not None and rest:
        columns = {"text": rest[0], **({"second": rest[1]} if len(rest) == 2 else {}), "label": label}
        return Guess("labelled", columns, label_settings(texts[label], folder))
    if len(rest) > 1:
        return Guess("pair", {"prompt": rest[0], "answer": rest[1]})
    return Guess("text", {"text": rest[0]}) if rest and len(names) == 1 else None


def of_text(sample: Sequence[Row]) -> Guess | None:
    """A column beside `text` that is a label by what it holds, and whose name does not forbid it."""
    for name in OFTEN_LABELS:
        found = [str(row.values[name]) for row in sample if row.values.get(name) is not None]
        if found and len(found) == len(sample) and _is_label(found, rows=len(found) * 2 // _FEW):
            return Guess("labelled", {"label": name})
    return None


def label_settings(values: Sequence[Any], folder: Path) -> dict[str, Any]:
    """The options that read these labels: a separator, and a file of names beside the data where they are ids."""
    texts = [str(value) for value in values if isinstance(value, str | int)]
    separator, parts = _parted(texts)
    found: dict[str, Any] = {"separator": separator} if separator else {}
    if parts and all(part.isdecimal() for part in parts):
        names = next((folder / name for name in NAMES if (folder / name).is_file()), None)
        if names and max(map(int, parts)) < len(names.read_text(encoding="utf-8", errors="replace").splitlines()):
            found["names"] = str(names)
    return found


def _parted(values: Sequence[str]) -> tuple[str, list[str]]:
    """The separator of lists of labels in these values ("" where they are single), and every part."""
    for separator in SEPARATORS:
        parts = [part.strip() for value in values for part in value.split(separator)]
        several = [value.count(separator) for value in values if separator in value]
        decimals = set(several) == {1} and len(several) * 2 > len(values)  # `4,5` in some countries
        if several and not decimals and len(set(parts)) <= len(set(values)) and all(
                re.fullmatch(r"[\w/-]+", part) for part in parts):
            return separator, parts
    return "", list(values)


def _is_label(values: Sequence[str], *, rows: int) -> bool:
    """Whether values are few for so many rows, short and none of them empty."""
    different = set(values)
    return len(different) > 1 and len(different) * 2 <= rows and all(
        value.strip() and len(value) <= _LABEL_LETTERS for value in different)


def _is_text(values: Sequence[str]) -> bool:
    words = [value for value in values if any(letter.isalpha() for letter in value)]
    ids = sum(_ID.fullmatch(value) is not None for value in values)
    return len(words) * 2 > len(values) and ids * 2 < len(values)
