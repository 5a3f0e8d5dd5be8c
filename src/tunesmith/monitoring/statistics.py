"""Whether two samples are of one kind: p-values by permutation, so that they are right at every size.

Which rows are the window's is drawn anew again and again; the p-value is the share of draws, the real one among them,
that look at least as different. It holds exactly where rows are independent and the two samples exchangeable. Sources:
Phipson and Smyth 2010, "Permutation P-values should never be zero"; Westfall and Young 1993, "Resampling-Based Multiple
Testing"; Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests"; Gretton 2012, "A kernel two-sample test";
Holm 1979.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lgamma
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
AT_ONCE: Final = 500  # draws that are held at a time
RIDGE: Final = 0.3  # of the mean eigenvalue: how much a classifier of texts is held back


@dataclass(frozen=True, slots=True)
class Test:
    """effect: how different the samples are, in the test's own units; p: the chance of at least that by luck."""

    effect: float
    p: float


def memberships(rows: int, window: int, draws: int, rng: np.random.Generator) -> Mask:
    """(draws, rows) which rows are the window's: in the first the last ones, as they are, in the others by chance."""
    made = np.zeros((draws, rows), np.bool_)
    made[0, rows - window :] = True
    for draw in range(1, draws):
        made[draw, rng.choice(rows, window, replace=False)] = True
    return made


def of_draws(values: Floats) -> float:
    """The p-value of the first among values of which larger is more different."""
    return float(np.mean(values >= values[0] - 1e-9 * max(1.0, abs(values[0]))))


def distributions(
    before: Floats, after: Floats, *, draws: int, rng: np.random.Generator, larger: bool = False
) -> Test:
    """Kolmogorov and Smirnov's largest distance of the two distribution functions, 0 to 1; ties are as they are.

    larger: only values that became larger count.
    """
    pooled = np.concatenate([before, after])
    order = np.argsort(pooled, kind="stable")
    ends = np.append(np.diff(pooled[order]) > 0, True)  # between equal values there is nothing to compare
    steps = []
    for chosen in _chunks(len(before), len(after), draws, rng):
        inside = np.cumsum(chosen[:, order], axis=1)[:, ends]
        every = np.flatnonzero(ends) + 1
        less = (every - inside) / len(before) - inside / len(after)  # the share up to a value, before less after
        steps.append((less if larger else np.abs(less)).max(axis=1))
    found = np.concatenate(steps)
    return Test(float(found[0]), of_draws(found))


def shares(before: Sequence[str], after: Sequence[str], *, draws: int, rng: np.random.Generator) -> Test:
    """How differently names are spread: the chi-square statistic; the effect is the total variation, 0 to 1."""
    names = {name: place for place, name in enumerate(dict.fromkeys([*before, *after]))}
    counts = np.array([np.bincount([names[name] for name in side], minlength=len(names)) for side in (before, after)])
    whole = counts.sum(0)
    drawn = rng.multivariate_hypergeometric(whole, len(after), size=draws - 1, method="marginals")
    after_BC = np.concatenate([counts[1:], drawn]).astype(np.float64)
    expected = whole * (len(after) / whole.sum())
    found = (((after_BC - expected) ** 2) / expected).sum(1)
    variation = np.abs(counts[0] / len(before) - counts[1] / len(after)).sum() / 2
    return Test(float(variation), of_draws(found))


def parts(before: Floats, after: Floats, *, draws: int, rng: np.random.Generator) -> Test:
    """How differently rows are shared out among names. before, after: (R, K) how much of each row is each name's.

    Two statistics: what moved, squared over the share of its name and summed, which is chi-square where a row is one
    name's alone, and sees many names that shift; and the largest step of one name in its own standard deviations. The
    p-value is of the less likely of both, among the same draws. The effect is the total variation.
    """
    pooled = np.concatenate([before, after])
    pooled = pooled[:, pooled.any(0)]
    share, wide = pooled.mean(0), np.maximum(pooled.std(0), 1e-12)
    summed, largest, effect = [], [], 0.0
    for place, chosen in enumerate(_chunks(len(before), len(after), draws, rng)):
        inside = chosen.astype(np.float64) @ pooled
        moved = inside / len(after) - (share * len(pooled) - inside) / len(before)
        effect = effect if place else float(np.abs(moved[0]).sum() / 2)
        summed.append((moved**2 / share).sum(1))
        largest.append((np.abs(moved) / wide).max(1, initial=0.0))
    likely = np.minimum(_chances(np.concatenate(summed)), _chances(np.concatenate(largest)))
    return Test(effect, of_draws(-likely))


def _chances(values: Floats) -> Floats:
    """Of each value the share of values that are at least as large."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values - 1e-9 * np.maximum(1.0, np.abs(values)))
    return np.asarray((len(values) - below) / len(values))


def told_apart(
    vectors: Floats, window: int, *, draws: int, rng: np.random.Generator
) -> Test:
    """How well a linear classifier that has not seen a row tells whose it is: the area under its curve, 0.5 is chance.

    The last `window` rows are the window's. A least-squares classifier, each row left out once: by its hat matrix every
    draw is fitted anew in full for the price of a product, which a logistic one would not be.
    """
    centred = vectors - vectors.mean(0)
    gram = centred @ centred.T
    rows = len(gram)
    held_back = RIDGE * np.trace(gram) / rows
    if held_back <= 1e-12:
        return Test(0.5, 1.0)
    hat = np.eye(rows) - held_back * np.linalg.inv(gram + held_back * np.eye(rows)) + 1 / rows
    own = np.diag(hat)
    areas = []
    for chosen in _chunks(rows - window, window, draws, rng):
        targets = chosen.astype(np.float64)
        scores = (targets @ hat - own * targets) / np.maximum(1 - own, 1e-12)
        areas.append(area(scores, chosen))
    found = np.concatenate(areas)
    return Test(float(found[0]), of_draws(found))


def area(scores: Floats, chosen: Mask) -> Floats:
    """(B,) the area under the curve of each row of scores: how often a chosen one has more than another."""
    rows = scores.shape[1]
    order = np.argsort(scores, axis=1)
    places = np.arange(1, rows + 1)
    ranks = np.take_along_axis(chosen, order, 1) @ places.astype(np.float64)
    window = chosen.sum(1)
    return np.asarray((ranks - window * (window + 1) / 2) / (window * (rows - window)))


def kernel_distance(vectors: Floats, window: int, *, draws: int, rng: np.random.Generator) -> Test:
    """The squared maximum mean discrepancy (biased, at least 0) under a Gaussian kernel as wide as the median distance.

    The last `window` rows are the window's.
    """
    squares = (vectors**2).sum(1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * vectors @ vectors.T, 0)
    wide = float(np.median(distances[np.triu_indices(len(distances), 1)])) or 1.0
    kernel = np.exp(-distances / wide)
    found = []
    for chosen in _chunks(len(vectors) - window, window, draws, rng):
        weights = np.where(chosen, 1 / window, -1 / (len(vectors) - window))
        found.append(((weights @ kernel) * weights).sum(1))
    values = np.concatenate(found)
    return Test(float(values[0]), of_draws(values))


def more_often(before: tuple[int, int], after: tuple[int, int]) -> Test:
    """Whether something happens more often than before: Fisher's exact test, one-sided. (times, of how many) each.

    The effect is the difference of the shares.
    """
    (times, rows), (again, window) = before, after
    whole, together = rows + window, times + again
    most = min(window, together)
    chances = [_log_chance(count, window, together, whole) for count in range(again, most + 1)]
    return Test(again / window - times / rows, min(1.0, float(np.exp(chances).sum())))


def _log_chance(count: int, window: int, together: int, whole: int) -> float:
    """The logarithm of the hypergeometric chance that the window has `count` of all that are `together`."""
    if count < max(0, window - (whole - together)):
        return -np.inf
    return _choose(together, count) + _choose(whole - together, window - count) - _choose(whole, window)


def _choose(of: int, many: int) -> float:
    return lgamma(of + 1) - lgamma(many + 1) - lgamma(of - many + 1)


def holm(found: Mapping[str, float], weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """p-values that may be held against one false-alarm rate for all tests together, however they hang together.

    weights: how much of the rate a test may use beside others, 1 where it is not named.
    """
    weight = dict.fromkeys(found, 1.0) | {name: own for name, own in (weights or {}).items() if name in found}
    adjusted: dict[str, float] = {}
    highest, left = 0.0, sum(weight.values())
    for name in sorted(found, key=lambda name: found[name] / weight[name]):
        highest = max(highest, min(1.0, left * found[name] / weight[name]))
        adjusted[name] = highest
        left -= weight[name]
    return {name: adjusted[name] for name in found}


def _chunks(before: int, after: int, draws: int, rng: np.random.Generator) -> list[Mask]:
    """The memberships of all draws, some at a time."""
    whole = memberships(before + after, after, draws, rng)
    return [whole[start : start + AT_ONCE] for start in range(0, draws, AT_ONCE)]
