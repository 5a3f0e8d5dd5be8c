"""Figures of what checks have counted: bars by name, and histograms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...records import Figure, Side

MOST_BARS = 200
BINS = 30


def bars(title: str, unit: str, counts: Mapping[Side, Counter[str]], *, most: int = MOST_BARS) -> Figure:
    """A bar for each name, those of the most first; of more than `most`, the title says of how many these are."""
    total: Counter[str] = Counter()
    for found in counts.values():
        total.update(found)
    names = sorted(total, key=lambda name: (-total[name], name))
    shown = tuple(names[:most])
    told = f"{title}, the first {most} of {len(names):,}" if len(names) > most else title
    return Figure(told, unit, {side: tuple(float(found[name]) for name in shown) for side, found in counts.items()},
                  names=shown)


def histogram(
    title: str, unit: str, values: Mapping[Side, NDArray[np.float64]], *, across: str = "",
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """How many values fall into each of some 30 bins of one width, and into those that the marks are in."""
    known = np.concatenate([*values.values(), np.array([*(marks or {}).values()], np.float64)])
    edges = _whole(known) if np.array_equal(known, np.round(known)) else np.histogram_bin_edges(known, BINS)
    series: dict[str, tuple[float, ...]] = {
        side: tuple(np.histogram(found, edges)[0].astype(np.float64).tolist())
        for side, found in values.items()}
    return Figure(title, unit, series, edges=tuple(edges.tolist()), across=across, marks=dict(marks or {}))


def _whole(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges at whole, round numbers: nobody has 183.4 tokens."""
    low, high = float(known.min()), float(known.max())
    wide = next(step for power in range(20) for step in (10**power, 2 * 10**power, 5 * 10**power)
                if step * BINS >= high - low)
    start = low // wide * wide
    return np.asarray(start + wide * np.arange(max(1, math.ceil((high - start) / wide)) + 1), np.float64)
