"""Whether the first row of a table names its columns, as far as that can be told from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from .naming import KNOWN
from .numbers import is_number
from .quoting import LONGEST

Header = bool | tuple[str, ...] | None
LOOKED_AT = 200
_ENOUGH = 4


def names_columns(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """False only where the first row cannot be one of names, so that no row is taken for names or names for a row.

    It cannot where a cell is far too long for a name, is a number in a column of numbers, or is one of few values that
    the column has again and again. A name that formats know settles it.
    """
    if any(cell.strip() in KNOWN for cell in first):
        return True
    if any(len(cell) > LONGEST for cell in first):
        return False
    columns = list(zip(*(row for row in rest if len(row) == len(first)), strict=True))
    return not any(_is_value(cell, column) for cell, column in zip(first, columns, strict=False))


def _is_value(cell: str, column: Sequence[str]) -> bool:
    """Whether a cell is of the same kind as those below it, and not their name."""
    if is_number(cell):
        return all(map(_are_numbers, column))
    return bool(cell.strip()) and len(column) >= _ENOUGH and cell in column and len(set(column)) * 2 <= len(column)


def _are_numbers(cell: str) -> bool:
    """Whether a cell is a number, or some with commas or the like between them."""
    return is_number(cell) or (any(map(str.isdecimal, cell)) and not any(map(str.isalpha, cell)))


def named(width: int) -> list[str]:
    """The names of columns that have none."""
    return [f"column {number}" for number in range(1, width + 1)]
