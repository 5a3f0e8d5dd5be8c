"""Share of examples whose predicted label is the right one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "share of rows"


class Settings(BaseModel):
    """Share of right labels; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number: 1 where what was predicted is what the row has, else 0."""
    key = "labels" if "labels" in prediction.expected else "label"
    found, wanted = prediction.output[key], prediction.expected[key]
    return (float(set(found) == set(wanted) if key == "labels" else found == wanted),)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) shares, 0 to 1; NaN for a draw without any row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts_BR @ statistics_RK[:, 0] / counts_BR.sum(axis=1), np.float64)
