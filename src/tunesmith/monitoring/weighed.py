"""What a head said of rows, as numbers to compare: how much of each row is each label's.

A label alone is all or nothing. Where the head tells how likely each label is, that is taken instead: a row between two
labels that moves a little tells nothing by its label, and a little by its probabilities. Source: Lipton 2018,
"Detecting and correcting for label shift with black box predictors".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from .rows import Floats, Rows

MOST_NAMES: Final = 500  # the others are taken as one: a window holds too few rows of each to say more


def weighed(before: Rows, after: Rows) -> tuple[Floats, Floats]:
    """(R, K) of the rows of each side of which a head said something.

    By probabilities where every such row of both sides has them, else by labels: never one of each.
    """
    sides: list[Sequence[Mapping[str, float]]] = [
        [scores for label, scores in zip(side.labels, side.scores, strict=True) if label or scores]
        for side in (before, after)]
    if not all(map(all, sides)):
        sides = [[{label: 1.0} for label in side.labels if label] for side in (before, after)]
    heavy: dict[str, float] = {}
    for row in (row for side in sides for row in side):
        for name, weight in row.items():
            heavy[name] = heavy.get(name, 0.0) + weight
    kept = sorted(heavy, key=lambda name: (-heavy[name], name))[:MOST_NAMES]
    places = {name: place for place, name in enumerate(kept)}
    first, second = (_matrix(side, places) for side in sides)
    return first, second


def _matrix(side: Sequence[Mapping[str, float]], places: Mapping[str, int]) -> Floats:
    """(R, K + 1) what each row says of each name, and of all others together."""
    made = np.zeros((len(side), len(places) + 1))
    for row, said in zip(made, side, strict=True):
        for name, weight in said.items():
            row[places.get(name, len(places))] += weight
    return made
