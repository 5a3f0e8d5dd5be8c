"""Pearson's r between the numbers expected and those said: 1 where they lie on a rising line, 0 where on none.

Source: Pearson 1895, "Note on regression and inheritance in the case of two parents". Equal to
`scipy.stats.pearsonr`; 0 where one side is the same number everywhere, for which scipy has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from ._values import correlation, together

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "correlation"


class Settings(BaseModel):
    """Pearson's correlation; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The number expected and the one said."""
    return together(prediction)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) correlations, -1 to 1."""
    near_RK = statistics_RK - statistics_RK[0]  # squares of numbers near 0 lose fewer digits
    return correlation(counts_BR, near_RK[:, 0], near_RK[:, 1])
