"""What changed, to look at: the reference beside the window, in shares of their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ..records import Figure
from .rows import Floats, Rows

BINS: Final = 12
MOST_NAMES: Final = 30
UNIT: Final = "% of rows"
SIDES: Final = ("reference", "window")


def figures(reference: Rows, window: Rows) -> list[Figure]:
    """A figure for each test that has something to draw."""
    held = reference.take(np.flatnonzero(reference.held))
    made = [
        _numbers("Length of what is asked", reference.characters, window.characters, "characters", logarithmic=True),
        _numbers("Words that the training rows lack", 100 * held.unknown, 100 * window.unknown, "% of words"),
        _names("Language", reference.languages, window.languages, empty="not told"),
        _names("Labels", held.labels, window.labels, empty=""),
        _numbers("How sure the model is", held.confidence, window.confidence, "probability"),
    ]
    return [each for each in made if each is not None]


def _numbers(
    title: str, before: Floats, after: Floats, across: str, *, logarithmic: bool = False
) -> Figure | None:
    """A histogram of both sides over one scale; None where a side has no number."""
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    if not len(before) or not len(after):
        return None
    pooled = np.concatenate([before, after])
    low, high = float(pooled.min()), float(pooled.max())
    if logarithmic:
        edges = np.unique(np.round(np.geomspace(max(low, 1.0), max(high, low + 2, 3.0), BINS + 1)))
        edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    else:
        edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    series = {name: tuple(100 * count / len(side) for count in np.histogram(side, edges)[0].tolist())
              for name, side in zip(SIDES, (before, after), strict=True)}
    return Figure(title, UNIT, series, edges=tuple(edges.tolist()), across=across)


def _names(title: str, before: Sequence[str], after: Sequence[str], *, empty: str) -> Figure | None:
    """Bars for each name, those first whose share changed most; None where a side has no name."""
    if not any(before) or not any(after):
        return None
    both = [_shares([each or empty for each in side if each or empty]) for side in (before, after)]
    names = sorted({*both[0], *both[1]}, key=lambda name: (-abs(both[0].get(name, 0) - both[1].get(name, 0)), name))
    shown = names[:MOST_NAMES]
    return Figure(title, UNIT, {side: tuple(found.get(name, 0.0) for name in shown)
                                for side, found in zip(SIDES, both, strict=True)}, names=tuple(shown))


def _shares(names: Sequence[str]) -> Mapping[str, float]:
    return {name: 100 * count / len(names) for name, count in Counter(names).items()}
