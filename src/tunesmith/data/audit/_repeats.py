"""Which of many rows are alike in a mark of theirs: 64 bits a row, and nothing of the rows themselves."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...records import SIDES, Example, Side

Marks = array  # of type "Q"


def in_order(sides: Mapping[Side, Sequence[Example]]) -> list[tuple[Side, Sequence[Example]]]:
    """The sides, the one that is learnt from first: what is held out is held against it."""
    return [(side, sides[side]) for side in SIDES if side in sides]


def every(sides: Mapping[Side, Sequence[Example]]) -> Iterator[Example]:
    """All examples of all sides."""
    for _, examples in in_order(sides):
        yield from examples


class Places:
    """Where in the sides a row stands that was counted through all of them."""

    def __init__(self, sides: Mapping[Side, Sequence[Example]]) -> None:
        self._sides = in_order(sides)
        self.ends = np.cumsum([len(examples) for _, examples in self._sides])

    def __getitem__(self, place: int) -> Example:
        number = int(np.searchsorted(self.ends, place, side="right"))
        return self._sides[number][1][place - (int(self.ends[number - 1]) if number else 0)]

    def sides(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each place the number of its side."""
        return np.searchsorted(self.ends, places, side="right")


def first_alike(marks: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(N,) for each row the first one that has the same mark: itself, where it is new."""
    _, first, inverse = np.unique(marks, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)
