"""Area under the ROC curve: how often a row of a class is given a higher score for it than a row of another.

1 is a perfect order, 0.5 none; equal scores count half. Of two classes it is that of the second, of more the mean over
classes of each against the rest, over the classes that some rows of a draw are of and others not; 0.5 where there is no
such class. Source: Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating characteristic
curve". Equal to scikit-learn's `roc_auc_score` (`average="macro"`, `multi_class="ovr"`).

A row holds 0, the place of its label and the scores; or 1, whether each label is right, and the scores.
Letters: R rows, K statistics of a row, B draws, L classes, P rows of a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from ._classes import MULTI, SINGLE, divided

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "area under the curve"
DRAWS_AT_ONCE: Final = 16  # they lie beside each other for every row, so rows are taken in any order at full speed


class Settings(BaseModel):
    """Area under the ROC curve; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """What is expected, and the score of each class; none where no label was asked for."""
    said, expected = prediction.output, prediction.expected
    if "label" in said and "label" in expected:
        return SINGLE, float(list(said["scores"]).index(expected["label"])), *map(float, said["scores"].values())
    if "labels" in said and "labels" in expected:
        right = (float(name in expected["labels"]) for name in said["scores"])
        return MULTI, *right, *map(float, said["scores"].values())
    return ()


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) areas, 0 to 1."""
    classes = [_Class(right_R, scores_R) for right_R, scores_R in _columns(statistics_RK)]
    parts = [np.zeros(0)]
    for start in range(0, len(counts_BR), DRAWS_AT_ONCE):
        counts_RB = np.ascontiguousarray(counts_BR[start : start + DRAWS_AT_ONCE].T)
        summed_B, classes_B = np.zeros(counts_RB.shape[1]), np.zeros(counts_RB.shape[1])
        for each in classes:
            pairs_B, ordered_B = each.pairs(counts_RB)
            summed_B += divided(ordered_B, pairs_B)
            classes_B += pairs_B > 0
        parts.append(np.where(classes_B > 0, divided(summed_B, classes_B), 0.5))
    return np.concatenate(parts)


class _Class:
    """One class against the rest: its rows lie between stretches of others, by their scores."""

    def __init__(self, right_R: Floats, scores_R: Floats) -> None:
        place_R = np.unique(scores_R, return_inverse=True)[1]
        own = np.flatnonzero(right_R)
        rest = np.flatnonzero(right_R == 0)
        levels = np.unique(place_R[own])
        # stretches of the others: below the first level, at it, between it and the next, …, above the last
        stretch = np.searchsorted(levels, place_R[rest]) + np.searchsorted(levels, place_R[rest], side="right")
        order = np.argsort(stretch, kind="stable")
        self._stretches = 2 * len(levels) + 1
        self._rest, (self._there, self._starts) = rest[order], np.unique(stretch[order], return_index=True)
        self._own, self._at = own, 2 * np.searchsorted(levels, place_R[own]) + 1

    def pairs(self, counts_RB: Floats) -> tuple[Floats, Floats]:
        """(B,) pairs of a row of the class and another, and how many of them have their scores in order."""
        own_PB = np.take(counts_RB, self._own, axis=0)
        if not len(self._rest) or not len(self._own):
            return np.zeros(counts_RB.shape[1]), np.zeros(counts_RB.shape[1])
        others = np.zeros((self._stretches, counts_RB.shape[1]))
        others[self._there] = np.add.reduceat(np.take(counts_RB, self._rest, axis=0), self._starts, axis=0)
        below = np.cumsum(others, axis=0) - others / 2
        return own_PB.sum(axis=0) * others.sum(axis=0), np.einsum("pb,pb->b", own_PB, np.take(below, self._at, axis=0))


def _columns(statistics_RK: Floats) -> list[tuple[Floats, Floats]]:
    """Of each class to look at, which rows are of it and their scores."""
    if statistics_RK[0, 0] == MULTI:
        right_RL, scores_RL = np.split(statistics_RK[:, 1:], 2, axis=1)
    else:
        scores_RL = statistics_RK[:, 2:]
        right_RL = (statistics_RK[:, 1:2] == np.arange(scores_RL.shape[1])).astype(np.float64)
        if scores_RL.shape[1] == 2:
            right_RL, scores_RL = right_RL[:, 1:], scores_RL[:, 1:]
    return list(zip(right_RL.T, scores_RL.T, strict=True))
