"""How far two people agree who labelled the same rows: Cohen's kappa of labels, F1 of entities, with an interval.

Kappa takes off what would agree by chance. That is not defined for entities: nobody says how many spans there are that
both left out. There it is the F1 of one's entities against the other's (Hripcsak and Rothschild 2005, "Agreement, the
F-measure, and reliability in information retrieval"), which is the same whoever comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..contracts import Floats, Metric
from ..metrics import entity_f1, exact_match, kappa
from ..metrics._classes import MULTI, SINGLE
from . import intervals

Measure = Literal["kappa", "mean kappa", "entity F1", "share"]


@dataclass(frozen=True, slots=True)
class OfLabel:
    """One label, or type of entities: how often either gave it, how often both, and their agreement on it.

    agreement: its kappa as a yes or no; of entities the F1; None where it is no number.
    """

    label: str
    first: int
    second: int
    both: int
    agreement: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two agree on the rows that both labelled.

    same: the share of rows with equal answers; value: by the measure, with a 95% interval (bootstrap over rows); None
    where both said one and the same of every row, and nothing could have gone by chance.
    """

    measure: Measure
    rows: int
    same: float
    value: float | None
    low: float | None
    high: float | None
    labels: tuple[OfLabel, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The parts under their own names."""
        return {"measure": self.measure, "rows": self.rows, "same": self.same, "value": self.value, "low": self.low,
                "high": self.high, "labels": [
                    {"label": one.label, "first": one.first, "second": one.second, "both": one.both,
                     "agreement": one.agreement} for one in self.labels]}


def of_labels(first: Sequence[tuple[str, ...]], second: Sequence[tuple[str, ...]]) -> Agreement:
    """Of labels, as many as either gave a row. Raises ValueError without rows."""
    names = sorted({label for row in (*first, *second) for label in row})
    one_RL, other_RL = _given(first, names), _given(second, names)
    several = any(len(row) != 1 for row in (*first, *second))
    if several:
        statistics_RK = np.hstack([np.full((len(first), 1), MULTI), one_RL + 2 * other_RL])
    else:
        statistics_RK = np.column_stack([np.full(len(first), SINGLE), one_RL.argmax(axis=1), other_RL.argmax(axis=1)])
    each = kappa.of_each(one_RL, other_RL, np.ones((1, len(first))))[0]
    labels = tuple(
        OfLabel(name, int(one_RL[:, place].sum()), int(other_RL[:, place].sum()),
                int((one_RL[:, place] * other_RL[:, place]).sum()), _number(float(each[place])))
        for place, name in enumerate(names))
    same = [set(one) == set(other) for one, other in zip(first, second, strict=True)]
    one_and_the_same = all(same) and (not several and len(names) == 1)
    return _told("mean kappa" if several else "kappa", same, kappa, statistics_RK.astype(np.float64), labels,
                 undefined=one_and_the_same or not names)


Entities = frozenset[tuple[str, int, int]]


def of_entities(first: Sequence[Entities], second: Sequence[Entities]) -> Agreement:
    """Of entities as type, first word and the word behind the last. Raises ValueError without rows."""
    counted = [(len(one & other), len(one), len(other)) for one, other in zip(first, second, strict=True)]
    ones, others, both = (_by_type(rows) for rows in (
        first, second, [one & other for one, other in zip(first, second, strict=True)]))
    labels = tuple(OfLabel(name, ones[name], others[name], both[name], 2 * both[name] / (ones[name] + others[name]))
                   for name in sorted({*ones, *others}))
    same = [one == other for one, other in zip(first, second, strict=True)]
    return _told("entity F1", same, entity_f1, np.array(counted, np.float64), labels, undefined=not labels)


def of_texts(first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Of free texts the share that is equal, blank ends aside: there is no chance that could be taken off."""
    same = [exact_match.normalise(one) == exact_match.normalise(other)
            for one, other in zip(first, second, strict=True)]
    return _told("share", same, exact_match, np.array(same, np.float64)[:, None], (), undefined=False)


def _told(
    measure: Measure, same: Sequence[bool], metric: Metric, statistics_RK: Floats, labels: tuple[OfLabel, ...], *,
    undefined: bool,
) -> Agreement:
    value, low, high = intervals.alone(metric, statistics_RK, seed=0)
    share = float(np.mean(same))
    if undefined:
        return Agreement(measure, len(same), share, None, None, None, labels)
    return Agreement(measure, len(same), share, value, low, high, labels)


def _given(rows: Sequence[tuple[str, ...]], names: Sequence[str]) -> Floats:
    """(R, L) 1 where a row has a label."""
    return np.array([[float(name in row) for name in names] for row in rows], np.float64).reshape(len(rows), len(names))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _by_type(rows: Sequence[Entities]) -> Counter[str]:
    return Counter(kind for row in rows for kind, _, _ in row)
