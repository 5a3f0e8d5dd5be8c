"""How sure a difference is: a paired bootstrap over groups, held to the exact swap test.

Two facts are asked of the same data. The *bootstrap* draws groups with replacement and recomputes the difference:
its 95% interval, at levels widened for few groups (the plain percentile interval is too narrow below some fifty
groups; Hesterberg 2015, "What teachers should know about the bootstrap", section 5.3, the expanded percentile
interval). The *swap test* exchanges the two sides group by group: if tuning did nothing, every exchange is as likely
as what was seen (Fisher 1935). Where fewer than one in twenty exchanges gives as large a difference, zero may stand
outside the interval; else the interval is widened to zero. So "clear of zero" is wrong at most once in twenty
whatever the distribution, with three differing answers or with heavy tails, and can never happen below six groups.

Letters of shape suffixes: R rows, K statistics of a row, G groups, B draws.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import product
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..contracts import Floats, Metric
from ..records import Measured

DRAWS: Final = 2000
SWAPS: Final = 5000
FEWEST_GROUPS: Final = 6
LEVEL: Final = 0.95
_NUMBERS_AT_ONCE: Final = 1 << 23


def paired(
    metric: Metric, against_RK: Floats, tuned_RK: Floats, groups: Sequence[Hashable], *, seed: int
) -> Measured:
    """The difference between two sides of the same rows, and its interval.

    groups: one label a row; rows of one group are drawn, and exchanged, together. Raises ValueError without rows.
    """
    if not len(groups) == len(against_RK) == len(tuned_RK) or not groups:
        raise ValueError("paired needs the same rows, at least one, on both sides")
    group_R = np.unique([str(group) for group in groups], return_inverse=True)[1]
    count = int(group_R.max()) + 1
    rng = np.random.default_rng([seed, len(groups), count])
    once_1R = np.ones((1, len(groups)))
    against, tuned = (float(metric.combine(side, once_1R)[0]) for side in (against_RK, tuned_RK))
    difference = tuned - against
    draws_B = bootstrap(metric, against_RK, tuned_RK, group_R, rng)
    low, high = _expanded(draws_B, count)
    effects_G = swap_effects(metric, against_RK, tuned_RK, group_R)
    share, largest = swap_test(effects_G, rng)
    needed = None
    if share > 1 - LEVEL or low <= 0 <= high:
        needed = _rows_needed(difference, (low, high), largest, rows=len(groups), groups=count)
        low, high = min(low, 0.0), max(high, 0.0)
    return Measured(against, tuned, difference, low, high, len(groups), count, needed)


def alone(metric: Metric, statistics_RK: Floats, *, seed: int) -> tuple[float, float, float]:
    """A metric of rows, and its 95% interval: the same bootstrap with one side only. Raises ValueError without rows."""
    rows = len(statistics_RK)
    if not rows:
        raise ValueError("alone needs a row")
    rng, parts = np.random.default_rng([seed, rows]), []
    at_once = max(1, min(DRAWS, _NUMBERS_AT_ONCE // rows))
    for start in range(0, DRAWS, at_once):
        parts.append(metric.combine(statistics_RK, _draws(rng, min(at_once, DRAWS - start), rows)))
    return (float(metric.combine(statistics_RK, np.ones((1, rows)))[0]), *_expanded(np.concatenate(parts), rows))


def bootstrap(
    metric: Metric, against_RK: Floats, tuned_RK: Floats, group_R: NDArray[np.intp], rng: np.random.Generator
) -> Floats:
    """(B,) the difference in each draw of groups with replacement."""
    count = int(group_R.max()) + 1
    at_once = max(1, min(DRAWS, _NUMBERS_AT_ONCE // len(group_R)))
    parts = []
    for start in range(0, DRAWS, at_once):
        counts_BR = _draws(rng, min(at_once, DRAWS - start), count)[:, group_R]
        parts.append(metric.combine(tuned_RK, counts_BR) - metric.combine(against_RK, counts_BR))
    return np.concatenate(parts)


def _draws(rng: np.random.Generator, size: int, count: int) -> Floats:
    """(size, count) how often each of `count` groups is drawn, in so many draws."""
    # each draw counts in a stretch of its own: one bincount for all, 5 times as fast as rng.multinomial
    drawn_BG = rng.integers(0, count, size=(size, count)) + count * np.arange(size)[:, None]
    return np.bincount(drawn_BG.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)


def swap_effects(
    metric: Metric, against_RK: Floats, tuned_RK: Floats, group_R: NDArray[np.intp]
) -> Floats:
    """(G,) how much of the difference each group brings, seen from the mean of both sides.

    For every metric that is a mean or a ratio these add up to the difference exactly; for others (perplexity) they
    are its slope at that mean. Exchanging the sides of a group changes the sign of its number, and of no other.
    """
    both_RK = np.concatenate([tuned_RK, against_RK])
    count, rows = int(group_R.max()) + 1, len(group_R)
    effects = np.empty(count)
    at_once = max(1, _NUMBERS_AT_ONCE // (2 * rows))
    for start in range(0, count, at_once):
        # 0.5: the row stands half on either side; the group that is looked at stands where it was
        own_GR = np.arange(start, min(start + at_once, count))[:, None] == group_R
        as_seen = np.concatenate([0.5 + 0.5 * own_GR, 0.5 - 0.5 * own_GR], axis=1)
        swapped = np.concatenate([0.5 - 0.5 * own_GR, 0.5 + 0.5 * own_GR], axis=1)
        effects[start : start + len(own_GR)] = metric.combine(both_RK, as_seen) - metric.combine(both_RK, swapped)
    return effects


def swap_test(effects_G: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Share of exchanges whose sum is at least as far from zero as the seen one, and the sum that 5% reach.

    Up to 12 groups every exchange is tried, beyond that 5,000 random ones and the seen one.
    """
    seen = abs(float(effects_G.sum()))
    count = len(effects_G)
    if count <= 12:
        signs = np.array(list(product((1.0, -1.0), repeat=count)))
        sums = np.abs(signs @ effects_G)
    else:
        parts = [np.array([seen])]
        at_once = max(1, _NUMBERS_AT_ONCE // count)
        for start in range(0, SWAPS, at_once):
            kept = rng.integers(0, 2, size=(min(at_once, SWAPS - start), count), dtype=np.int8)
            parts.append(np.abs(kept.astype(np.float64) @ (2 * effects_G) - effects_G.sum()))
        sums = np.concatenate(parts)
    # sums in another order differ in the last bits: what is equal must count as equal
    slack = 1e-9 * float(np.abs(effects_G).sum())
    return float(np.mean(sums >= seen - slack)), float(np.quantile(sums, LEVEL, method="higher"))


def _expanded(draws_B: Floats, groups: int) -> tuple[float, float]:
    """The percentile interval at levels that allow for the few groups behind it."""
    if groups < 2:
        return float(draws_B.min()), float(draws_B.max())
    tail = NormalDist().cdf(-math.sqrt(groups / (groups - 1)) * student_quantile((1 + LEVEL) / 2, groups - 1))
    with np.errstate(invalid="ignore"):  # infinite draws: the caller sees an interval that is no number
        low, high = np.quantile(draws_B, [tail, 1 - tail])
    return float(low), float(high)


def student_quantile(share: float, freedom: int) -> float:
    """The quantile of Student's t, for a share of 0.5 or more.

    Solved from the exact finite sums for whole degrees of freedom (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
    """
    low, high = 0.0, 1.0
    while _student_share(high, freedom) < share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_share(middle, freedom) < share else (low, middle)
    return high


def _student_share(value: float, freedom: int) -> float:
    """P(t <= value) for value >= 0."""
    angle = math.atan2(value, math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for step in range(1 + odd, freedom, 2):
        total += term
        term *= cosine * cosine * step / (step + 1)
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return 0.5 + inside / 2


def _rows_needed(
    difference: float, interval: tuple[float, float], largest: float, *, rows: int, groups: int
) -> int | None:
    """About how many rows would do: an interval narrows with the square root of their number."""
    if difference == 0:
        return None
    reach = difference - interval[0] if difference > 0 else interval[1] - difference
    needed = rows * (max(reach, largest, abs(difference)) / abs(difference)) ** 2
    return max(rows + 1, math.ceil(needed), math.ceil(rows * FEWEST_GROUPS / groups))
