"""A labelled row as it is written: its own columns, its answer where training looks for it, and how it came to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..data import written
from ..data.recognise import module_of, shape
from ..errors import Problem, Problems
from ..reading.naming import FROM_ROW
from ..records import Row
from .answers import Kind
from .items import Item

DIGEST: Final = "row_digest"
SUGGESTED, SCORE, BY = "suggested", "score", "by"
BEFORE: Final = "before_"
WHOLE: Final = "row"


def labelled(item: Item, kind: Kind, answer: Any, by: str) -> dict[str, Any]:
    """The row with its answer, so that it is read as the format of its kind without a word in a recipe.

    A column of the row that has one of the names written here is kept as `before_NAME`. Where the row's own columns
    would be read as something else they stand in one column, `row`.
    """
    about: dict[str, Any] = {}
    if item.offered is not None:
        about[SUGGESTED] = item.offered.answer
        about |= {} if item.offered.score is None else {SCORE: float(f"{item.offered.score:.6g}")}
    about |= {BY: by} if by else {}
    about |= {FROM_ROW: item.where, DIGEST: item.digest}
    whole = dict(kind.columns(item.example, answer))
    own = {name: value for name, value in item.row.values.items() if name not in (FROM_ROW, DIGEST)}
    wanted = _read(whole, kind.format)
    tried: tuple[dict[str, Any], ...] = (
        _beside(own, dict([list(whole.items())[-1]])), _beside(own, whole), {**whole, WHOLE: own})
    for columns in tried:
        made = _beside(columns, about)
        if shape(made) == kind.format and _read(made, kind.format) == wanted:
            return made
    return {**whole, **about}


def _beside(own: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The columns with new ones behind them; those that had the names of new ones, and said something else, renamed."""
    made: dict[str, Any] = {}
    for name, value in own.items():
        free = name
        if name in new and value not in (None, "", [], new[name]):
            while free in new or free in own:
                free = BEFORE + free
        if free not in new:
            made[free] = value
    return {**made, **new}


def _read(values: Mapping[str, Any], format: str) -> Mapping[str, Any] | None:
    """What the format understands of a row; None where it refuses it."""
    module = module_of(format)
    try:
        [example] = module.convert(Row(values, ""), module.Settings())
    except (Problem, Problems):
        return None
    return {name: value for name, value in written.told(example).items() if name not in ("group", "id")}
