"""How often each class was hit, said wrongly and missed, for every draw of rows: what F1, precision and recall share.

A row of one label holds `0, expected, said` (places among the classes); a row of several labels holds `1`, and for each
class 0, with 1 added where it is expected and 2 where it was said.

Letters of shape suffixes: R rows, K statistics of a row, B draws, L classes, N events (a class in a row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..contracts import Floats
from ..records import Prediction

SINGLE, MULTI = 0.0, 1.0
HIT, ALARM, MISS = range(3)
_NUMBERS_AT_ONCE: Final = 1 << 21


def statistics(prediction: Prediction) -> Sequence[float]:
    """The numbers of a row; none where it was not asked for a label or for labels."""
    said, expected = prediction.output, prediction.expected
    if "label" in said and "label" in expected:
        places = list(said["scores"])
        return SINGLE, float(places.index(expected["label"])), float(places.index(said["label"]))
    if "labels" in said and "labels" in expected:
        return MULTI, *(float((name in expected["labels"]) + 2 * (name in said["labels"])) for name in said["scores"])
    return ()


@dataclass(frozen=True)
class Tally:
    """(B, L) rows of each draw in which a class was hit, said wrongly and missed; `several`: rows of several labels."""

    hits: Floats
    alarms: Floats
    misses: Floats
    several: bool

    def mean(self, numerators_BL: Floats, denominators_BL: Floats) -> Floats:
        """(B,) mean of a ratio over classes, 0 where its denominator is: as scikit-learn has it.

        Of rows with one label over the classes that a draw expects or says, of rows with several over all.
        """
        ratios_BL = divided(numerators_BL, denominators_BL)
        if self.several:
            return np.asarray(ratios_BL.mean(axis=1), np.float64)
        there_BL = self.hits + self.alarms + self.misses > 0
        return divided((ratios_BL * there_BL).sum(axis=1), there_BL.sum(axis=1))


def tally(statistics_RK: Floats, counts_BR: Floats) -> Tally:
    """Every class counted in every draw."""
    several = bool(statistics_RK[0, 0] == MULTI)
    rows_N, classes_N, states_N = _events_of_several(statistics_RK) if several else _events_of_one(statistics_RK)
    classes = statistics_RK.shape[1] - 1 if several else int(statistics_RK[:, 1:].max()) + 1
    keys_N = classes_N * 3 + states_N
    order = np.argsort(keys_N, kind="stable")
    found, starts = np.unique(keys_N[order], return_index=True)
    sums = np.zeros((len(counts_BR), classes * 3))
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, len(order)))
    for start in range(0, len(counts_BR) if len(order) else 0, at_once):
        counts = np.take(counts_BR[start : start + at_once], rows_N[order], axis=1)
        sums[start : start + at_once, found] = np.add.reduceat(counts, starts, axis=1)
    return Tally(sums[:, HIT::3], sums[:, ALARM::3], sums[:, MISS::3], several)


def divided(numerators: Floats, denominators: Floats) -> Floats:
    """The ratio, and 0 where the denominator is 0."""
    return np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators > 0)


def _events_of_one(statistics_RK: Floats) -> tuple[NDArray[np.intp], ...]:
    expected_R, said_R = statistics_RK[:, 1:].astype(np.intp).T
    rows_R, right_R = np.arange(len(statistics_RK)), expected_R == said_R
    rows = np.concatenate([rows_R, rows_R[~right_R]])
    states = np.concatenate([np.where(right_R, HIT, MISS), np.full(int((~right_R).sum()), ALARM)])
    return rows, np.concatenate([expected_R, said_R[~right_R]]), states.astype(np.intp)


def _events_of_several(statistics_RK: Floats) -> tuple[NDArray[np.intp], ...]:
    rows, classes = np.nonzero(statistics_RK[:, 1:])
    states = np.array([-1, MISS, ALARM, HIT])[statistics_RK[rows, classes + 1].astype(np.intp)]
    return rows, classes, states
