"""Which groups are held out where every label shall have its share: drawn within each label, by whole groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import Misuse
from ..records import SIDES, Example, Labelled
from .chance import place_of

TRAIN, VALIDATION, TEST = range(len(SIDES))
UNDECIDED = -1


def of_units(rows: Sequence[Example], unit_of: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """The labels, and (U,) the number of each unit's: of several the rarest. Raises Misuse for rows without labels.

    unit_of: of the first rows, as many as are divided.
    """
    counts: Counter[str] = Counter()
    for row, _ in zip(rows, unit_of, strict=False):
        if not isinstance(row, Labelled):
            raise Misuse("data.stratify", "the rows have no labels whose shares could be kept", row.where,
                         "leave `data.stratify` out")
        counts.update(row.labels or ())
    if 2 * len(counts) > len(unit_of) > 1:
        raise Misuse("data.stratify", f"{len(unit_of):,} rows have {len(counts):,} labels, most of them once",
                     "data.stratify", "leave it out; numbers, and labels that are all different, have no shares")
    names = sorted(counts, key=lambda name: (counts[name], name))
    number = {name: index for index, name in enumerate([*names, ""])}
    found = np.full(int(unit_of.max(initial=-1)) + 1, len(names), np.int64)
    for row, unit in zip(rows, unit_of, strict=False):
        for label in row.labels or ():  # type: ignore[union-attr]  # all are labelled, as was seen above
            found[unit] = min(found[unit], number[label])
    return [*names, ""], found


def drawn(
    labels: tuple[Sequence[str], NDArray[np.int64]], sizes: NDArray[np.int64], chances: NDArray[np.float64],
    sides: NDArray[np.int8], *, shares: Mapping[str, float], seed: int,
) -> NDArray[np.int8]:
    """(U,) the side of each unit, where some have theirs already and the others are `UNDECIDED`.

    sizes: (U,) the rows of each; chances: (U,) numbers from 0 to 1 by which they are drawn, the smallest first for the
    test, the largest for validation. Of each label one unit at least is left to learn from.
    """
    names, of = labels
    found = sides.copy()
    order = np.argsort(chances, kind="stable")
    order = order[np.argsort(of[order], kind="stable")]
    for members in np.split(order, np.flatnonzero(np.diff(of[order])) + 1):
        if not len(members):
            continue
        rows, name = int(sizes[members].sum()), names[of[members[0]]]
        free = [int(unit) for unit in members if found[unit] == UNDECIDED]
        left = len(free) - (not np.any(found[members] == TRAIN))
        for side, ordered in ((TEST, free), (VALIDATION, free[::-1])):
            # a share of 0.4 rows is one row of two labels in five: which ones is a matter of chance too
            wanted = int(shares[SIDES[side]] * rows + place_of(seed, f"{SIDES[side]}\0{name}"))
            taken = int(sizes[members][found[members] == side].sum())
            for unit in ordered:
                if left > 0 and found[unit] == UNDECIDED and taken + sizes[unit] / 2 <= wanted:
                    found[unit], taken, left = side, taken + int(sizes[unit]), left - 1
    found[found == UNDECIDED] = TRAIN
    return found
