"""Which of many rows are alike in a mark of theirs: 64 bits a row, and nothing of the rows themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...records import SIDES, Example, Side
from ...scratch import Growing, ranges


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


def repeats(marks: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(N, 2) in their order the rows whose mark an earlier one has, and the first one that has it."""
    found = Growing(np.int64, (2,))
    for rows in ranges(marks):
        order = rows[np.argsort(marks[rows], kind="stable")]
        again = np.flatnonzero(marks[order[1:]] == marks[order[:-1]]) + 1  # of equal marks all but the first, in a row
        if len(again):
            new = np.concatenate([[True], np.diff(again) != 1])
            found.append(np.stack([order[again], order[again[new] - 1][np.cumsum(new) - 1]], axis=1))
    told: NDArray[np.int64] = found.whole()
    return told[np.argsort(told[:, 0])]
