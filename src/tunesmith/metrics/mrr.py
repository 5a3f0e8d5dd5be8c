"""Mean reciprocal rank of each prompt's own answer among the answers of all rows that are asked.

1 / rank, the rank counted from 1 by cosine; equal answers count once, and other right answers of the same prompt are
passed over. Source: Voorhees 1999, "The TREC-8 Question Answering Track Report", section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "mean reciprocal rank"


class Settings(BaseModel):
    """Mean reciprocal rank; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number, 1 / rank; none of a row whose rank was not asked."""
    rank = prediction.output.get("rank")
    return (1 / rank,) if rank else ()


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) means, 0 to 1; NaN for a draw without any row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts_BR @ statistics_RK[:, 0] / counts_BR.sum(axis=1), np.float64)
