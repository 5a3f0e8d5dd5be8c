"""Spearman's rho between the numbers expected and those said: 1 where they are in the same order.

Pearson's r of the ranks, equal numbers sharing the mean of theirs; the ranks are those of each draw. Source: Spearman
1904, "The proof and measurement of association between two things". Equal to `scipy.stats.spearmanr`; 0 where one side
is the same number everywhere, for which scipy has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from ._values import correlation, together

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "correlation of ranks"
DRAWS_AT_ONCE: Final = 16  # they lie beside each other for every row, so rows are taken in any order at full speed


class Settings(BaseModel):
    """Spearman's correlation of ranks; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The number expected and the one said."""
    return together(prediction)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) correlations, -1 to 1."""
    parts = [np.zeros(0)]
    for start in range(0, len(counts_BR), DRAWS_AT_ONCE):
        counts = counts_BR[start : start + DRAWS_AT_ONCE]
        counts_RB = np.ascontiguousarray(counts.T)
        parts.append(correlation(counts, *(_ranks(column, counts_RB).T for column in statistics_RK.T)))
    return np.concatenate(parts)


def _ranks(values_R: Floats, counts_RB: Floats) -> Floats:
    """(R, B) the mean rank of each row's number in each draw, counted from the draw's middle."""
    place_R = np.unique(values_R, return_inverse=True)[1]
    order = np.argsort(place_R, kind="stable")
    starts = np.flatnonzero(np.diff(place_R[order], prepend=-1))
    alike_VB = np.add.reduceat(np.take(counts_RB, order, axis=0), starts, axis=0)
    ranks_VB = np.cumsum(alike_VB, axis=0) - alike_VB / 2
    return np.asarray(np.take(ranks_VB, place_R, axis=0) - counts_RB.sum(axis=0) / 2, np.float64)
